"""Whose payload blobs are, on every backend."""

from bifrost_store.testing.contract.repositories_payload_owners import *  # noqa: F403
