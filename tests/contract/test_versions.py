"""Create, replace, delete and etags on every backend."""

from bifrost_store.testing.contract.versions import *  # noqa: F403
