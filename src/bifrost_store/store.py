"""`Store`: what an application opens, one attribute per repository."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from typing_extensions import override

from bifrost_store.backends.protocol import Difference, IndexRows, RepairReport
from bifrost_store.core.clock import Clock
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.usage import UsageReport
from bifrost_store.repositories.assembly import Context, Repositories
from bifrost_store.routing.router import RoutedBackend
from bifrost_store.secrets.remembered import RememberedSecrets
from bifrost_store.wrappers.observer import Observer

if TYPE_CHECKING:
    from bifrost_store.metrics.service import ModeOf
    from bifrost_store.protocols import Metrics
    from bifrost_store.repositories.execution_data.places import Recorder
    from bifrost_store.repositories.executions.payload_documents import IsOn


class Store(Repositories):
    """The platform's data, one attribute per repository. Safe for concurrent use within one event loop; made by `open_store`.

    Attributes:
        organizations: Customers of the platform.
        users: Who signs in, and the organizations they belong to.
        roles: What users share with forms.
        forms: What starts workflows.
        config: Settings of the platform and of organizations.
        oauth: Connections to other systems, and where their secrets are.
        integrations: Settings of the systems that workflows work with.
        branding: Logos and colours.
        uploads: Files that users have sent.
        api_keys: Keys with which other systems start workflows.
        schedules: When workflows run by themselves.
        job_statuses: How the platform's own jobs went.
        audit: What must be accounted for.
        executions: Runs of workflows, and what they take and leave.
        execution_data: Logs, variables and states of runs, while they go on and afterwards.
        metrics: Figures about runs, for dashboards.
        legacy_rows: Rows of the old application that nothing else claims.
        backend: The waist beneath them, which follows the flag: for dump, load and the like.
        context: What the repositories are made from, for those who move data.
        places: Where the data is: backend and file or account of each that may hold some. No secrets.
    """

    def __init__(
        self,
        backend: RoutedBackend,
        *,
        clock: Clock,
        observer: Observer,
        recorder: Recorder,
        is_realtime: IsOn,
        metrics_mode: ModeOf,
        retention: timedelta | None,
        secrets: RememberedSecrets,
        places: list[str],
        stack: AsyncExitStack,
    ) -> None:
        self.backend = backend
        self.places = places
        self._observer = observer
        self._clock = clock
        self._stack = stack
        self.context = Context(
            backend,
            clock,
            backend.blobs_for,
            retention,
            check_purge=self._check_purge,
            place=backend.data_place,
            data_stores=backend.data_stores,
            recorder=recorder,
            is_realtime=is_realtime,
            secrets=secrets,
        )
        super().__init__(self.context, observer.repository)
        self._retention = retention
        self._metrics_mode = metrics_mode

    # What few processes need is imported by those that do.

    @cached_property
    def metrics(self) -> Metrics:
        """Figures of days and hours, and the dashboard."""
        from bifrost_store.metrics.service import StoreMetrics  # noqa: PLC0415

        metrics = StoreMetrics(self.backend, clock=self._clock, retention=self._retention, mode_of=self._metrics_mode)
        return self._observer.repository("metrics", metrics)

    async def _check_purge(self) -> None:
        from bifrost_store.migration.purging import check_purge  # noqa: PLC0415

        await check_purge(self.backend.all_backends(), self._clock())

    @override
    def __repr__(self) -> str:
        return f"<Store of {', '.join(self.places)}>"

    async def provision(self) -> None:
        """Make tables, containers and schema where missing; changes nothing that exists."""
        await self.backend.provision()

    async def ping(self) -> list[str]:
        """Return a line about each backend and blob store in use.

        Raises:
            StoreError: One of them cannot be used; the message says why and what to do.
        """
        return (await self.backend.ping()).splitlines()

    def usage(self) -> UsageReport:
        """Return what the calls made through this store have cost since it was opened: requests, bytes, time, failures.

        Calls that are still under way are left out. Nothing is asked of any backend.
        """
        return self._observer.usage()

    async def repair(
        self,
        *,
        old_application_stopped: bool = False,
        index_rows: IndexRows | None = None,
        collect_payloads: bool = False,
        progress: Progress = silent,
    ) -> RepairReport:
        """Make rows beside the records agree with them; see `bifrost_store.backends.protocol.Repair`.

        Args:
            old_application_stopped: The operator confirms that only this library still creates executions.
            index_rows: ``stop``: the operator confirms that the old application has stopped for good, so that nobody reads the
                index rows of Table Storage: they are removed, and no longer written. ``resume`` writes them again, all of them.
            collect_payloads: The operator confirms that no other store keeps payloads in the same place: remove those of a day and
                more ago that writes left behind, and that their executions do not name.
            progress: Is told how far it is.

        Raises:
            MigrationRefusedError: Index rows cannot be stopped while a migration promises the way back to the old application.
        """
        if index_rows == "stop":
            from bifrost_store.migration.purging import check_no_way_back  # noqa: PLC0415

            await check_no_way_back(self.backend.all_backends())
        report = await self.backend.repair.run(
            old_application_stopped=old_application_stopped, index_rows=index_rows, progress=progress
        )
        if collect_payloads:
            from bifrost_store.repositories.executions.collecting import collect  # noqa: PLC0415

            names = await self.backend.serving_names()
            stores, blobs = map(self.backend.backend, names), map(self.backend.blobs, names)
            removed = await collect(list(stores), list(blobs), self._clock())
            for what, count in zip(("blobs", "documents"), removed, strict=True):
                if count:
                    report.note(f"payload {what} removed that no execution names", count)
        return report

    async def differences(self) -> list[Difference]:
        """Return how what exists differs from what the store needs; see `bifrost_store.backends.protocol.Layout`."""
        return await self.backend.layout.differences()

    async def fix(self) -> list[Difference]:
        """Fix what can be of `differences`, and return that."""
        return await self.backend.layout.fix()

    async def aclose(self) -> None:
        """Close what was opened. `open_store` does it at the end of its block; calling it twice is harmless."""
        await self._stack.aclose()
