"""Legacy rows on every backend."""

from bifrost_store.testing.contract.repositories_legacy_rows import *  # noqa: F403
