"""Interruptions on every backend."""

from bifrost_store.testing.contract.interruptions import *  # noqa: F403
