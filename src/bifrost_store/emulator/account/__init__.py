"""Requests about what has a name and is no item: the account, databases, containers, offers, partition key ranges."""
