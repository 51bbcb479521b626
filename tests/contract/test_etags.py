"""Etags that clients altered, on every backend."""

from bifrost_store.testing.contract.etags import *  # noqa: F403
