"""Requests about items: single ones, batches, lists and the change feed."""
