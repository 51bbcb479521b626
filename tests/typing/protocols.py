"""Each repository is an implementation of its Protocol. Checked by type checkers, never run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bifrost_store import protocols
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import utc_now
from bifrost_store.core.scope import Scope
from bifrost_store.repositories import (
    ConfigRepository,
    ExecutionRepository,
    LegacyRowRepository,
    OrganizationRepository,
    UserRepository,
)


def organizations(backend: Backend) -> protocols.Organizations:
    return OrganizationRepository(backend, clock=utc_now)


def users(backend: Backend) -> protocols.Users:
    return UserRepository(backend, clock=utc_now)


def configs(backend: Backend) -> protocols.Configs:
    return ConfigRepository(backend, clock=utc_now)


def executions(backend: Backend, blobs: Callable[[Scope], BlobStore]) -> protocols.Executions:
    return ExecutionRepository(backend, clock=utc_now, blobs=blobs, retention=timedelta(days=14))


def legacy_rows(backend: Backend) -> protocols.LegacyRows:
    return LegacyRowRepository(backend)
