"""Isolation on every backend."""

from bifrost_store.testing.contract.isolation import *  # noqa: F403
