"""Forms on every backend."""

from bifrost_store.testing.contract.repositories_forms import *  # noqa: F403
