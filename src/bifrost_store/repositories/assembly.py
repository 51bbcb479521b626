"""The one table of repositories: the name that applications know each by, its Protocol, and what it is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.secrets.environment import EnvironmentSecrets
from bifrost_store.secrets.remembered import RememberedSecrets

if TYPE_CHECKING:
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
    from bifrost_store.repositories.execution_data.places import FindPlace, Recorder
    from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
    from bifrost_store.repositories.executions.payload_documents import AllStores, IsOn

T = TypeVar("T")


class Wrap(Protocol):
    """Puts something around a repository, or returns it as it is."""

    def __call__(self, name: str, repository: T, /) -> T:
        """Return *repository*, which applications know as *name*."""
        ...


def unwrapped(name: str, repository: T, /) -> T:
    """Return *repository* as it is."""
    return repository


async def always_on(scope: Scope) -> bool:
    """Return that it is, for every scope."""
    return True


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
    def find_place(self) -> FindPlace:
        """What tells where a scope's execution data is."""
        from bifrost_store.repositories.execution_data.places import own_place

        return self.place or own_place(self.backend)

    @property
    def payloads(self) -> PayloadBlobs:
        """What reads and writes the payloads of executions that lie apart from their records."""
        from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
        from bifrost_store.repositories.executions.payload_documents import PayloadDocuments, only_store

        stores = self.data_stores or only_store(self.backend)
        documents = PayloadDocuments(self.find_place, stores, self.is_realtime, clock=self.clock, retention=self.retention)
        return PayloadBlobs(self.blobs, self.backend, documents)


class Repositories:
    """Every repository, as an attribute, imported and made when it is first asked for: most processes need few of them.

    Type checkers hold each implementation to its Protocol here.

    Args:
        context: What they are made from.
        wrap: Put around each.
    """

    def __init__(self, context: Context, wrap: Wrap = unwrapped) -> None:
        self._context = context
        self._wrap = wrap

    @cached_property
    def organizations(self) -> Organizations:
        from bifrost_store.repositories.organizations import OrganizationRepository

        return self._wrap("organizations", OrganizationRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def users(self) -> Users:
        from bifrost_store.repositories.users import UserRepository

        return self._wrap("users", UserRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def config(self) -> Configs:
        from bifrost_store.repositories.configs import ConfigRepository

        return self._wrap(
            "config", ConfigRepository(self._context.backend, clock=self._context.clock, secrets=self._context.secrets)
        )

    @cached_property
    def oauth(self) -> OAuthConnections:
        from bifrost_store.repositories.oauth_connections import OAuthConnectionRepository

        return self._wrap(
            "oauth", OAuthConnectionRepository(self._context.backend, clock=self._context.clock, secrets=self._context.secrets)
        )

    @cached_property
    def integrations(self) -> Integrations:
        from bifrost_store.repositories.integrations import IntegrationRepository

        return self._wrap("integrations", IntegrationRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def branding(self) -> Brandings:
        from bifrost_store.repositories.brandings import BrandingRepository

        return self._wrap(
            "branding", BrandingRepository(self._context.backend, clock=self._context.clock, blobs=self._context.blobs)
        )

    @cached_property
    def uploads(self) -> Uploads:
        from bifrost_store.repositories.uploads import UploadRepository

        return self._wrap("uploads", UploadRepository(self._context.blobs(GLOBAL), clock=self._context.clock))

    @cached_property
    def roles(self) -> Roles:
        from bifrost_store.repositories.roles import RoleRepository

        return self._wrap("roles", RoleRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def forms(self) -> Forms:
        from bifrost_store.repositories.forms import FormRepository

        return self._wrap("forms", FormRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def api_keys(self) -> ApiKeys:
        from bifrost_store.repositories.api_keys import ApiKeyRepository

        return self._wrap("api_keys", ApiKeyRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def schedules(self) -> Schedules:
        from bifrost_store.repositories.schedules import ScheduleRepository

        return self._wrap("schedules", ScheduleRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def job_statuses(self) -> JobStatuses:
        from bifrost_store.repositories.job_statuses import JobStatusRepository

        return self._wrap("job_statuses", JobStatusRepository(self._context.backend))

    @cached_property
    def audit(self) -> AuditEvents:
        from bifrost_store.repositories.audit import AuditRepository

        return self._wrap("audit", AuditRepository(self._context.backend, clock=self._context.clock))

    @cached_property
    def executions(self) -> Executions:
        from bifrost_store.repositories.execution_data.gathering import Gathering
        from bifrost_store.repositories.executions.repository import ExecutionRepository

        context = self._context
        executions = ExecutionRepository(
            context.backend,
            clock=context.clock,
            payloads=context.payloads,
            retention=context.retention,
            gathering=Gathering(context.backend, context.find_place, context.recorder),
            check_purge=context.check_purge,
        )
        return self._wrap("executions", executions)

    @cached_property
    def execution_data(self) -> ExecutionItems:
        from bifrost_store.repositories.execution_data.repository import ExecutionItemsRepository

        context = self._context
        items = ExecutionItemsRepository(
            context.backend,
            clock=context.clock,
            place=context.find_place,
            payloads=context.payloads,
            recorder=context.recorder,
        )
        return self._wrap("execution_data", items)

    @cached_property
    def legacy_rows(self) -> LegacyRows:
        from bifrost_store.repositories.legacy_rows import LegacyRowRepository

        return self._wrap("legacy_rows", LegacyRowRepository(self._context.backend))
