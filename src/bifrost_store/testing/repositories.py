"""The repositories over one backend, as a store opens them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.protocols import (
    ApiKeys,
    AuditEvents,
    Brandings,
    Configs,
    Executions,
    Forms,
    Integrations,
    JobStatuses,
    LegacyRows,
    OAuthConnections,
    Organizations,
    Roles,
    Schedules,
    Uploads,
    Users,
)
from bifrost_store.repositories.api_keys import ApiKeyRepository
from bifrost_store.repositories.audit import AuditRepository
from bifrost_store.repositories.brandings import BrandingRepository
from bifrost_store.repositories.configs import ConfigRepository
from bifrost_store.repositories.executions.repository import ExecutionRepository
from bifrost_store.repositories.forms import FormRepository
from bifrost_store.repositories.integrations import IntegrationRepository
from bifrost_store.repositories.job_statuses import JobStatusRepository
from bifrost_store.repositories.legacy_rows import LegacyRowRepository
from bifrost_store.repositories.oauth_connections import OAuthConnectionRepository
from bifrost_store.repositories.organizations import OrganizationRepository
from bifrost_store.repositories.roles import RoleRepository
from bifrost_store.repositories.schedules import ScheduleRepository
from bifrost_store.repositories.uploads import UploadRepository
from bifrost_store.repositories.users import UserRepository

RETENTION = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Repositories:
    """What `bifrost_store.Store` offers, without settings and flag."""

    organizations: Organizations
    users: Users
    config: Configs
    oauth: OAuthConnections
    integrations: Integrations
    branding: Brandings
    uploads: Uploads
    roles: Roles
    forms: Forms
    api_keys: ApiKeys
    schedules: Schedules
    job_statuses: JobStatuses
    audit: AuditEvents
    executions: Executions
    legacy_rows: LegacyRows


def repositories_over(backend: Backend, blobs: BlobStore, clock: Clock, *, retention: timedelta | None = RETENTION) -> Repositories:
    """Return the repositories of *backend*, with payloads in *blobs*."""
    return Repositories(
        OrganizationRepository(backend, clock=clock),
        UserRepository(backend, clock=clock),
        ConfigRepository(backend, clock=clock),
        OAuthConnectionRepository(backend, clock=clock),
        IntegrationRepository(backend, clock=clock),
        BrandingRepository(backend, clock=clock, blobs=lambda _: blobs),
        UploadRepository(blobs, clock=clock),
        RoleRepository(backend, clock=clock),
        FormRepository(backend, clock=clock),
        ApiKeyRepository(backend, clock=clock),
        ScheduleRepository(backend, clock=clock),
        JobStatusRepository(backend),
        AuditRepository(backend, clock=clock),
        ExecutionRepository(backend, clock=clock, blobs=lambda _: blobs, retention=retention),
        LegacyRowRepository(backend),
    )
