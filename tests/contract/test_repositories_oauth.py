"""OAuth connections on every backend."""

from bifrost_store.testing.contract.repositories_oauth import *  # noqa: F403
