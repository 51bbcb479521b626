"""Audit events on every backend."""

from bifrost_store.testing.contract.repositories_audit import *  # noqa: F403
