"""What a process does to serve under routes: its leases, its part in hand-overs, its backends."""
