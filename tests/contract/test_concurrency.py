"""Concurrency on every backend."""

from bifrost_store.testing.contract.concurrency import *  # noqa: F403
