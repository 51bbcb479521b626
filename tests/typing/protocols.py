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
    ApiKeyRepository,
    AuditRepository,
    BrandingRepository,
    ConfigRepository,
    ExecutionRepository,
    FormRepository,
    IntegrationRepository,
    JobStatusRepository,
    LegacyRowRepository,
    OAuthConnectionRepository,
    OrganizationRepository,
    RoleRepository,
    ScheduleRepository,
    UploadRepository,
    UserRepository,
)


def organizations(backend: Backend) -> protocols.Organizations:
    return OrganizationRepository(backend, clock=utc_now)


def users(backend: Backend) -> protocols.Users:
    return UserRepository(backend, clock=utc_now)


def configs(backend: Backend) -> protocols.Configs:
    return ConfigRepository(backend, clock=utc_now)


def oauth(backend: Backend) -> protocols.OAuthConnections:
    return OAuthConnectionRepository(backend, clock=utc_now)


def integrations(backend: Backend) -> protocols.Integrations:
    return IntegrationRepository(backend, clock=utc_now)


def branding(backend: Backend, blobs: Callable[[Scope], BlobStore]) -> protocols.Brandings:
    return BrandingRepository(backend, clock=utc_now, blobs=blobs)


def uploads(blobs: BlobStore) -> protocols.Uploads:
    return UploadRepository(blobs, clock=utc_now)


def roles(backend: Backend) -> protocols.Roles:
    return RoleRepository(backend, clock=utc_now)


def forms(backend: Backend) -> protocols.Forms:
    return FormRepository(backend, clock=utc_now)


def api_keys(backend: Backend) -> protocols.ApiKeys:
    return ApiKeyRepository(backend, clock=utc_now)


def schedules(backend: Backend) -> protocols.Schedules:
    return ScheduleRepository(backend, clock=utc_now)


def job_statuses(backend: Backend) -> protocols.JobStatuses:
    return JobStatusRepository(backend)


def audit(backend: Backend) -> protocols.AuditEvents:
    return AuditRepository(backend, clock=utc_now)


def executions(backend: Backend, blobs: Callable[[Scope], BlobStore]) -> protocols.Executions:
    return ExecutionRepository(backend, clock=utc_now, blobs=blobs, retention=timedelta(days=14))


def legacy_rows(backend: Backend) -> protocols.LegacyRows:
    return LegacyRowRepository(backend)
