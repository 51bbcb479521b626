"""Who sees which form on every backend."""

from bifrost_store.testing.contract.repositories_form_access import *  # noqa: F403
