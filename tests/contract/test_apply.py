"""Apply and tombstones on every backend."""

from bifrost_store.testing.contract.apply import *  # noqa: F403
