"""Branding on every backend."""

from bifrost_store.testing.contract.repositories_branding import *  # noqa: F403
