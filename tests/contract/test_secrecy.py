"""Logs and errors without what is stored, on every backend."""

from bifrost_store.testing.contract.secrecy import *  # noqa: F403
