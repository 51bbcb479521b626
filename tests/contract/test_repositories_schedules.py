"""Schedules on every backend."""

from bifrost_store.testing.contract.repositories_schedules import *  # noqa: F403
