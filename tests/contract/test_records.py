"""Fidelity on every backend."""

from bifrost_store.testing.contract.records import *  # noqa: F403
