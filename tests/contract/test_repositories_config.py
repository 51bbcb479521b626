"""Configuration values on every backend."""

from bifrost_store.testing.contract.repositories_config import *  # noqa: F403
