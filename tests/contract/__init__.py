"""The contract suite, run on every backend of this library."""
