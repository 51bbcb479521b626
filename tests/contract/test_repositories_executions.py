"""Executions on every backend."""

from bifrost_store.testing.contract.repositories_executions import *  # noqa: F403
