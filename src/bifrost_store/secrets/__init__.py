"""Secrets that stored references name: where they are kept, and for how long they are remembered."""
