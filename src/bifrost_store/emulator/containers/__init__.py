"""A container as it runs: its items and how they are written, its partition keys and partitions, its policies, its prices."""
