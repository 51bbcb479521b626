"""What forms refuse on every backend."""

from bifrost_store.testing.contract.repositories_form_input import *  # noqa: F403
