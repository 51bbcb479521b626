"""Uploads on every backend."""

from bifrost_store.testing.contract.repositories_uploads import *  # noqa: F403
