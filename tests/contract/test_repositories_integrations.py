"""Integrations on every backend."""

from bifrost_store.testing.contract.repositories_integrations import *  # noqa: F403
