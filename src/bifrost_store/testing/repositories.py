"""The repositories over one backend, as a store opens them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.protocols import Configs, Executions, LegacyRows, Organizations, Users
from bifrost_store.repositories.configs import ConfigRepository
from bifrost_store.repositories.executions import ExecutionRepository
from bifrost_store.repositories.legacy_rows import LegacyRowRepository
from bifrost_store.repositories.organizations import OrganizationRepository
from bifrost_store.repositories.users import UserRepository

RETENTION = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Repositories:
    """What `bifrost_store.Store` offers, without settings and flag."""

    organizations: Organizations
    users: Users
    config: Configs
    executions: Executions
    legacy_rows: LegacyRows


def repositories_over(backend: Backend, blobs: BlobStore, clock: Clock, *, retention: timedelta | None = RETENTION) -> Repositories:
    """Return the repositories of *backend*, with payloads in *blobs*."""
    return Repositories(
        OrganizationRepository(backend, clock=clock),
        UserRepository(backend, clock=clock),
        ConfigRepository(backend, clock=clock),
        ExecutionRepository(backend, clock=clock, blobs=lambda _: blobs, retention=retention),
        LegacyRowRepository(backend),
    )
