"""Status and outcome of executions on every backend."""

from bifrost_store.testing.contract.repositories_outcomes import *  # noqa: F403
