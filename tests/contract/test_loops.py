"""Event loops, on every backend."""

from bifrost_store.testing.contract.loops import *  # noqa: F403
