"""Scan on every backend."""

from bifrost_store.testing.contract.scan import *  # noqa: F403
