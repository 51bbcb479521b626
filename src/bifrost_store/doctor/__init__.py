"""Examines what a store needs to work: settings, packages, access, layout, clocks, processes, migration."""
