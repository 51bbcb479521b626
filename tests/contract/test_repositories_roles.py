"""Roles and their assignments on every backend."""

from bifrost_store.testing.contract.repositories_roles import *  # noqa: F403
