"""Errors on every backend."""

from bifrost_store.testing.contract.errors import *  # noqa: F403
