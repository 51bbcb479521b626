"""Figures of dashboards for one scope: two months of days, counted again, read, and removed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bifrost_store.core.clock import format_time
from bifrost_store.core.record import NEVER, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import RunCounts
from bifrost_store.documents.metrics import DAY, daily_id, metrics_body
from bifrost_store.metrics.dashboards import aggregated
from bifrost_store.metrics.keeping import KIND, Keeper
from bifrost_store.metrics.periods import OpenDays, day_of, hour_of
from bifrost_store.metrics.rolling import Rounds
from bifrost_store.repositories.reading import all_records
from bifrost_store.store import Store

_DAYS: Final = 60
"""Of a dashboard of 30 days, and as many before them."""
_WORKFLOWS: Final = 20
_HISTOGRAM: Final = {960: 1, 1_024: 2, 1_152: 1, 1_664: 1, 2_048: 1, 3_328: 1}


class Figures:
    """The figures of one scope.

    Args:
        store: Holds them.
        scope: Whose.
    """

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store = store
        self._scope = scope
        self._clock = store.context.clock
        # How long runs are kept here is no matter: nothing waits until they expire.
        self._keeper = Keeper(store.backend, OpenDays(None), self._clock)

    async def store_days(self) -> None:
        """Store what a dashboard of 30 days reads, where it is missing."""
        today = day_of(self._clock())
        days = [today - number * DAY for number in range(_DAYS)]
        stored = await self._keeper.days(self._scope, days[-1], today + DAY)
        await for_each(self._store_day, [day for day in days if day not in stored])

    async def recount(self) -> None:
        """Count this hour and its day again, as whatever follows the feed does after a run has ended."""
        now = self._clock()
        await self._keeper.count_day(self._scope, day_of(now), [hour_of(now)])

    async def read(self) -> None:
        """Read the dashboard of 30 days."""
        await aggregated(self._keeper, self._clock, self._scope, "30d")

    async def roll_up(self) -> None:
        """Count the last hours of every scope again, as a timer does."""
        await Rounds(self._store.backend, self._keeper, self._clock).rollup()

    async def clear(self) -> None:
        """Delete all figures of the scope."""
        records = await all_records(self._store.backend, KIND, self._scope)
        await for_each(self._store.backend.delete, [record.key for record in records])

    async def _store_day(self, day: datetime) -> None:
        part = RunCounts(count=8, success_count=7, failed_count=1, duration_count=7, total_duration_ms=11_487, histogram=_HISTOGRAM)
        workflows = {f"workflow {number}": part for number in range(_WORKFLOWS)}
        body = metrics_body(daily_id(day), part, workflows, None, counted_at=format_time(day + DAY))
        await self._store.backend.create(Record(Key(KIND, self._scope, daily_id(day)), body, expires_at=NEVER))
