"""Roles given to users and forms on every backend."""

from bifrost_store.testing.contract.repositories_role_assignments import *  # noqa: F403
