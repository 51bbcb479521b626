"""Batches on every backend."""

from bifrost_store.testing.contract.batches import *  # noqa: F403
