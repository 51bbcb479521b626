"""Payloads of executions on every backend."""

from bifrost_store.testing.contract.repositories_payloads import *  # noqa: F403
