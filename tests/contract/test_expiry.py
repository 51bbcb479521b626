"""Expiry on every backend."""

from bifrost_store.testing.contract.expiry import *  # noqa: F403
