"""Rows that several processes change: each only in the state in which it was seen, and never by anybody's wall clock."""
