"""Memberships on every backend."""

from bifrost_store.testing.contract.repositories_memberships import *  # noqa: F403
