"""Lists and figures of executions on every backend."""

from bifrost_store.testing.contract.repositories_execution_lists import *  # noqa: F403
