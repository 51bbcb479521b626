"""`open_store_blocking`, and the store that it gives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from threading import Thread

import anyio
from anyio.from_thread import BlockingPortal
from openfeature.client import OpenFeatureClient
from typing_extensions import override

from bifrost_store.backends.protocol import Difference, IndexRows, RepairReport
from bifrost_store.blocking.calls import Loop, blocking
from bifrost_store.blocking.protocols import (
    BlockingApiKeys,
    BlockingAuditEvents,
    BlockingBrandings,
    BlockingConfigs,
    BlockingExecutionItems,
    BlockingExecutions,
    BlockingForms,
    BlockingIntegrations,
    BlockingJobStatuses,
    BlockingLegacyRows,
    BlockingMetrics,
    BlockingOAuthConnections,
    BlockingOrganizations,
    BlockingRoles,
    BlockingSchedules,
    BlockingUploads,
    BlockingUsers,
)
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.publishing import Publisher
from bifrost_store.core.usage import UsageReport
from bifrost_store.opening.blocks import block
from bifrost_store.opening.store import open_store
from bifrost_store.secrets.protocol import SecretStore
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store


class BlockingStore:
    """A `Store` whose calls return what those of a `Store` are awaited for; made by `open_store_blocking`.

    Its attributes are named as a `Store`'s, and its methods take the same arguments and raise the same errors; lists that are
    iterated over, and blocks that are entered, are so without ``async``. Safe to use from any number of threads at once.

    Attributes:
        places: Where the data is, as `Store.places`.
    """

    def __init__(self, store: Store, loop: Loop) -> None:
        self._store = store
        self._loop = loop
        self.places = store.places
        self.organizations: BlockingOrganizations = blocking(store.organizations, loop)
        self.users: BlockingUsers = blocking(store.users, loop)
        self.config: BlockingConfigs = blocking(store.config, loop)
        self.oauth: BlockingOAuthConnections = blocking(store.oauth, loop)
        self.integrations: BlockingIntegrations = blocking(store.integrations, loop)
        self.branding: BlockingBrandings = blocking(store.branding, loop)
        self.uploads: BlockingUploads = blocking(store.uploads, loop)
        self.roles: BlockingRoles = blocking(store.roles, loop)
        self.forms: BlockingForms = blocking(store.forms, loop)
        self.api_keys: BlockingApiKeys = blocking(store.api_keys, loop)
        self.schedules: BlockingSchedules = blocking(store.schedules, loop)
        self.job_statuses: BlockingJobStatuses = blocking(store.job_statuses, loop)
        self.audit: BlockingAuditEvents = blocking(store.audit, loop)
        self.executions: BlockingExecutions = blocking(store.executions, loop)
        self.execution_data: BlockingExecutionItems = blocking(store.execution_data, loop)
        self.metrics: BlockingMetrics = blocking(store.metrics, loop)
        self.legacy_rows: BlockingLegacyRows = blocking(store.legacy_rows, loop)

    @override
    def __repr__(self) -> str:
        return f"<Blocking{repr(self._store).removeprefix('<')}"

    def provision(self) -> None:
        """Make tables, containers and schema where missing; changes nothing that exists."""
        self._loop.call(self._store.provision)

    def ping(self) -> list[str]:
        """Return a line about each backend and blob store in use. Raises as `Store.ping`."""
        return self._loop.call(self._store.ping)

    def usage(self) -> UsageReport:
        """Return what the calls made through this store have cost since it was opened, as `Store.usage`."""

        async def report() -> UsageReport:  # where calls are added up
            return self._store.usage()

        return self._loop.call(report)

    def repair(
        self,
        *,
        old_application_stopped: bool = False,
        index_rows: IndexRows | None = None,
        collect_payloads: bool = False,
        progress: Progress = silent,
    ) -> RepairReport:
        """Make rows beside the records agree with them, as `Store.repair`; *progress* is called on the store's thread."""
        return self._loop.call(
            lambda: self._store.repair(
                old_application_stopped=old_application_stopped,
                index_rows=index_rows,
                collect_payloads=collect_payloads,
                progress=progress,
            )
        )

    def differences(self) -> list[Difference]:
        """Return how what exists differs from what the store needs, as `Store.differences`."""
        return self._loop.call(self._store.differences)

    def fix(self) -> list[Difference]:
        """Fix what can be of `differences`, and return that."""
        return self._loop.call(self._store.fix)


@block
def open_store_blocking(
    settings: StoreSettings | None = None,
    *,
    flags: OpenFeatureClient | None = None,
    publisher: Publisher | None = None,
    secrets: SecretStore | None = None,
    clock: Clock = utc_now,
) -> Iterator[BlockingStore]:
    """Open the store for code that does not await, and close it at the end of the block.

    Arguments as for `open_store`, but for ``backend``, which would live on another event loop: one of yours is opened by name.
    The store lives on an event loop that runs on a thread of its own until then. Open one for a process and share it: threads that
    call at the same time do not wait for each other. A process that is forked takes the thread along to nobody: open the store
    after the fork; a call on one that was opened before raises `EventLoopError`.

    Raises:
        ConfigurationError: A setting is missing, unknown or malformed.
    """
    opened: Future[tuple[BlockingPortal, Store]] = Future()

    async def serve() -> None:
        opening = AsyncExitStack()  # outside of the portal, which would put its errors in a group
        store = await opening.enter_async_context(
            open_store(settings, flags=flags, publisher=publisher, secrets=secrets, clock=clock)
        )
        async with BlockingPortal() as portal, opening:
            opened.set_result((portal, store))
            await portal.sleep_until_stopped()

    def run() -> None:
        try:
            anyio.run(serve)
            closed.set_result(None)
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            (closed if opened.done() else opened).set_exception(error)

    closed: Future[None] = Future()
    Thread(target=run, name="bifrost-store", daemon=True).start()
    portal, store = opened.result()
    loop = Loop(portal)
    try:
        yield BlockingStore(store, loop)
    finally:
        if loop.is_of_this_process and not sys.is_finalizing():  # in a fork, or at the very end, there is no thread to wait for
            portal.start_task_soon(portal.stop)
            closed.result()
