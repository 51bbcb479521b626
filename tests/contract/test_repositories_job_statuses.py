"""Job statuses on every backend."""

from bifrost_store.testing.contract.repositories_job_statuses import *  # noqa: F403
