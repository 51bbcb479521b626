"""See `bifrost_store.testing.contract.append_only`."""

from bifrost_store.testing.contract.append_only import *  # noqa: F403
