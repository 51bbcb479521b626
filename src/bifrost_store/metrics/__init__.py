"""Figures over runs that ended: counted anew whenever something changes, never added up."""
