"""Queries and pages on every backend."""

from bifrost_store.testing.contract.paging import *  # noqa: F403
