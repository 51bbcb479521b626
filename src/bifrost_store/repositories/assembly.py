"""The one table of repositories: the name that applications know each by, its Protocol, and what it is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.protocols import (
    ApiKeys,
    AuditEvents,
    Brandings,
    Configs,
    ExecutionItems,
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
from bifrost_store.repositories.execution_data.gathering import Gathering
from bifrost_store.repositories.execution_data.places import FindPlace, Recorder, own_place
from bifrost_store.repositories.execution_data.repository import ExecutionItemsRepository
from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
from bifrost_store.repositories.executions.payload_documents import AllStores, IsOn, PayloadDocuments, always_on, only_store
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
from bifrost_store.secrets.environment import EnvironmentSecrets
from bifrost_store.secrets.remembered import RememberedSecrets

T = TypeVar("T")


class Wrap(Protocol):
    """Puts something around a repository, or returns it as it is."""

    def __call__(self, name: str, repository: T, /) -> T:
        """Return *repository*, which applications know as *name*."""
        ...


def unwrapped(name: str, repository: T, /) -> T:
    """Return *repository* as it is."""
    return repository


@dataclass(frozen=True, slots=True)
class Context:
    """What repositories are made from.

    Attributes:
        backend: The waist.
        clock: Tells the time.
        blobs: The blob store of a scope.
        retention: How long an execution is kept after its last change; None: for ever.
        check_purge: Raises if expired executions may not be purged now; None: they always may.
        place: Tells where a scope's execution data is; None: with the waist itself, or nowhere.
        data_stores: Returns the execution data of all stores; None: that of the waist itself.
        recorder: Records runs; None: nobody does.
        is_realtime: Tells for which scopes it is on that large payloads go to execution data; by default for all.
        secrets: What references name; by default what the environment holds.
    """

    backend: Backend
    clock: Clock
    blobs: Callable[[Scope], BlobStore]
    retention: timedelta | None = None
    check_purge: Callable[[], Awaitable[None]] | None = None
    place: FindPlace | None = None
    data_stores: AllStores | None = None
    recorder: Recorder | None = None
    is_realtime: IsOn = always_on
    secrets: RememberedSecrets = field(default_factory=lambda: RememberedSecrets(EnvironmentSecrets(), seconds=0))

    @property
    def payloads(self) -> PayloadBlobs:
        """What reads and writes the payloads of executions that lie apart from their records."""
        place = self.place or own_place(self.backend)
        stores = self.data_stores or only_store(self.backend)
        documents = PayloadDocuments(place, stores, self.is_realtime, clock=self.clock, retention=self.retention)
        return PayloadBlobs(self.blobs, self.backend, documents)


class Repositories:
    """Every repository, as an attribute. Type checkers hold each implementation to its Protocol here.

    Args:
        context: What they are made from.
        wrap: Put around each.
    """

    def __init__(self, context: Context, wrap: Wrap = unwrapped) -> None:
        backend, clock, blobs = context.backend, context.clock, context.blobs
        secrets = context.secrets
        place, payloads = context.place or own_place(backend), context.payloads
        executions = ExecutionRepository(
            backend,
            clock=clock,
            payloads=payloads,
            retention=context.retention,
            gathering=Gathering(backend, place, context.recorder),
            check_purge=context.check_purge,
        )
        execution_data = ExecutionItemsRepository(backend, clock=clock, place=place, payloads=payloads, recorder=context.recorder)
        self.organizations: Organizations = wrap("organizations", OrganizationRepository(backend, clock=clock))
        self.users: Users = wrap("users", UserRepository(backend, clock=clock))
        self.config: Configs = wrap("config", ConfigRepository(backend, clock=clock, secrets=secrets))
        self.oauth: OAuthConnections = wrap("oauth", OAuthConnectionRepository(backend, clock=clock, secrets=secrets))
        self.integrations: Integrations = wrap("integrations", IntegrationRepository(backend, clock=clock))
        self.branding: Brandings = wrap("branding", BrandingRepository(backend, clock=clock, blobs=blobs))
        self.uploads: Uploads = wrap("uploads", UploadRepository(blobs(GLOBAL), clock=clock))
        self.roles: Roles = wrap("roles", RoleRepository(backend, clock=clock))
        self.forms: Forms = wrap("forms", FormRepository(backend, clock=clock))
        self.api_keys: ApiKeys = wrap("api_keys", ApiKeyRepository(backend, clock=clock))
        self.schedules: Schedules = wrap("schedules", ScheduleRepository(backend, clock=clock))
        self.job_statuses: JobStatuses = wrap("job_statuses", JobStatusRepository(backend))
        self.audit: AuditEvents = wrap("audit", AuditRepository(backend, clock=clock))
        self.executions: Executions = wrap("executions", executions)
        self.execution_data: ExecutionItems = wrap("execution_data", execution_data)
        self.legacy_rows: LegacyRows = wrap("legacy_rows", LegacyRowRepository(backend))
