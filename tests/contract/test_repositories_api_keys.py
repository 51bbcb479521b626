"""API keys on every backend."""

from bifrost_store.testing.contract.repositories_api_keys import *  # noqa: F403
