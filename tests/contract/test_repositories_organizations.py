"""Organizations on every backend."""

from bifrost_store.testing.contract.repositories_organizations import *  # noqa: F403
