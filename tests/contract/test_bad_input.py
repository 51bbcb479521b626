"""Bad input on every backend."""

from bifrost_store.testing.contract.bad_input import *  # noqa: F403
