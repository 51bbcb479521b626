"""`store.metrics`: dashboards, and what keeps their figures right."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Execution
from bifrost_store.documents.metrics import DAY, PLATFORM, PeriodMetrics
from bifrost_store.errors import InvalidRequestError
from bifrost_store.metrics.comparing import Comparing, differences_between
from bifrost_store.metrics.dashboards import WINDOWS, aggregated, live
from bifrost_store.metrics.keeping import KIND, Keeper
from bifrost_store.metrics.periods import OpenDays, day_of
from bifrost_store.metrics.rolling import Rounds
from bifrost_store.repositories.checks import check_scope
from bifrost_store.repository_protocols.metrics import (
    Dashboard,
    Metrics,
    MetricsComparison,
    MetricsReport,
    MetricsStatus,
    Window,
)
from bifrost_store.routing.flag import MetricsMode

_logger: Final = logging.getLogger("bifrost_store.metrics")
ModeOf = Callable[[Scope], Awaitable[MetricsMode]]
_SHOWN_DAYS: Final = 180


class StoreMetrics(Metrics):
    """The `Metrics` of a store. See `bifrost_store.protocols.Metrics`.

    Args:
        backend: Holds runs and figures.
        clock: Tells the time.
        retention: How long runs are kept; None: for ever.
        mode_of: Says where the figures of a scope's dashboard come from.
    """

    def __init__(self, backend: Backend, *, clock: Clock, retention: timedelta | None, mode_of: ModeOf) -> None:
        self._backend = backend
        self._clock = clock
        self._retention = retention
        self._mode_of = mode_of

    def keeper(self) -> Keeper:
        """What counts and keeps the figures.

        Raises:
            ConfigurationError: Runs are kept for less than three days.
        """
        return Keeper(self._backend, OpenDays(self._retention), self._clock)

    def rounds(self) -> Rounds:
        """What goes through all scopes; raises as `keeper`."""
        return Rounds(self._backend, self.keeper(), self._clock)

    @override
    async def dashboard(self, scope: Scope | None, window: Window) -> Dashboard:
        if scope is not None:
            check_scope(scope, Execution.spec)
        if not isinstance(window, str) or window not in WINDOWS:
            raise InvalidRequestError(f"window {str(window)[:40]!r}: expected {', '.join(WINDOWS)}")
        mode = await self._mode_of(scope or GLOBAL)
        if mode == "live":
            return await live(self._backend, self._retention, self._clock, scope, window)
        shown = await aggregated(self.keeper(), self._clock, scope, window)
        if mode == "both":
            self._tell_differences(shown, await live(self._backend, self._retention, self._clock, scope, window))
        return shown

    @override
    async def rollup(self) -> MetricsReport:
        return await self.rounds().rollup()

    @override
    async def rebuild(self, scope: Scope | None = None, *, day: date | None = None) -> MetricsReport:
        if scope is not None:
            check_scope(scope, PeriodMetrics.spec)
        return await self.rounds().rebuild(None if scope is None else [scope], day)

    @override
    async def compare(self, scope: Scope | None = None, *, days: int | None = None) -> MetricsComparison:
        if scope is not None:
            check_scope(scope, PeriodMetrics.spec)
        return await Comparing(self._backend, self.keeper(), self._clock).compare(scope, days)

    @override
    async def status(self) -> Sequence[MetricsStatus]:
        keeper = self.keeper()
        scopes: list[Scope | None] = [None, *await keeper.scopes()]
        return await for_each(lambda scope: self._status(keeper, scope), scopes)

    @override
    async def purge_expired(self) -> int:
        count = 0
        while purged := await self._backend.purge_expired(kind=KIND):
            count += len(purged)
        return count

    async def _status(self, keeper: Keeper, scope: Scope | None) -> MetricsStatus:
        now = self._clock()
        whose, prefix = (GLOBAL, PLATFORM) if scope is None else (scope, "")
        stored = await keeper.days(whose, day_of(now) - _SHOWN_DAYS * DAY, day_of(now) + DAY, prefix=prefix)
        states = {day: keeper.open_days.state(day, now, one) for day, one in sorted(stored.items())}
        return MetricsStatus(
            scope,
            since=min(stored).date() if stored else None,
            counted_at=max((one.counted_at for one in stored.values()), default=None),
            open_days=sum(state == "open" for state in states.values()),
            frozen_days=sum(state == "frozen" for state in states.values()),
            incomplete=tuple(day.date() for day, state in states.items() if state == "incomplete"),
        )

    def _tell_differences(self, shown: Dashboard, counted: Dashboard) -> None:
        """Log where what is shown of open periods is not what a count finds; runs may have ended between the two."""
        whose = shown.scope or GLOBAL
        for stored, now in zip(shown.series, counted.series, strict=False):
            if stored.state != "open" or now.state != "open":
                continue
            for one in differences_between(whose, stored.start.isoformat(), stored.counts, now.counts):
                log_event(
                    _logger, logging.WARNING, "metrics.differs",
                    scope=str(shown.scope or "platform"), period=one.id, field=one.field, stored=one.stored, counted=one.counted,
                )  # fmt: skip
