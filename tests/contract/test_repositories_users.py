"""Users on every backend."""

from bifrost_store.testing.contract.repositories_users import *  # noqa: F403
