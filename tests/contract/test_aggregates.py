"""Aggregates on every backend."""

from bifrost_store.testing.contract.aggregates import *  # noqa: F403
