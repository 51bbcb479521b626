"""Compares what is stored with a count made now, while both go on changing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import RunCounts
from bifrost_store.documents.metrics import DAY, HOUR, PLATFORM, PeriodMetrics, daily_id, hourly_id
from bifrost_store.errors import InvalidRequestError
from bifrost_store.metrics.counting import COUNT_FIELDS, NONE, add, count_runs
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import hours_of
from bifrost_store.repository_protocols.metrics import MetricsComparison, MetricsDifference

PATIENCE_SECONDS: Final = 90.0
"""How long neither side may have changed before a difference is named: by then the platform's figures, which are added up once a
minute, have followed those of the scopes."""
_PAUSES: Final = 6
_ROUNDS: Final = 60
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Both sides at one moment."""

    etag: str | None
    stored: RunCounts | None
    counted: RunCounts

    @property
    def is_equal(self) -> bool:
        return (self.stored or NONE) == self.counted


@dataclass(frozen=True, slots=True)
class _Case:
    """A record, and how to count what it should hold."""

    scope: Scope
    id: str
    count: Callable[[], Awaitable[RunCounts]]


class Comparing:
    """Compares open hours and days.

    Args:
        backend: Holds the runs.
        keeper: Reads what is stored.
        clock: Tells the time.
        patience: Seconds; see `PATIENCE_SECONDS`.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        backend: Backend,
        keeper: Keeper,
        clock: Clock,
        *,
        patience: float = PATIENCE_SECONDS,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._backend = backend
        self._keeper = keeper
        self._clock = clock
        self._patience = patience
        self._sleep = sleep

    async def compare(self, scope: Scope | None, days: int | None) -> MetricsComparison:
        """Return what differs in the last *days*, of one scope or of all and the platform.

        Raises:
            InvalidRequestError: *days* is not from 1 on.
        """
        if days is not None and (type(days) is not int or days < 1):
            raise InvalidRequestError(f"days: must be a whole number from 1, not {days}")
        now = self._clock()
        looked_at = self._keeper.open_days.all(now)[-(days or 0) :]
        scopes = await self._keeper.scopes() if scope is None else [scope]
        found = await for_each(lambda place: self._cases(*place), [(one, day) for one in scopes for day in looked_at])
        cases = list(chain.from_iterable(found))
        if scope is None:
            cases += [case for day in looked_at for case in self._platform_cases(day)]
        differences, unsettled = await self._settled(cases)
        return MetricsComparison(len(cases), tuple(differences), tuple(f"{case.scope} {case.id}" for case in unsettled))

    async def _cases(self, scope: Scope, day: datetime) -> list[_Case]:
        """Return the day and its hours: of a day without runs only those that are stored."""
        if not await self._keeper.is_open(scope, day):
            return []
        hours = set(await self._keeper.hours(scope, day, day + DAY))
        if (await count_runs(self._backend, scope, day, day + DAY)).total.count:
            hours |= set(hours_of(day))
        return [
            self._case(scope, daily_id(day), day, day + DAY),
            *(self._case(scope, hourly_id(hour), hour, hour + HOUR) for hour in sorted(hours)),
        ]

    def _case(self, scope: Scope, record_id: str, start: datetime, end: datetime) -> _Case:
        async def count() -> RunCounts:
            return (await count_runs(self._backend, scope, start, end)).total

        return _Case(scope, record_id, count)

    def _platform_cases(self, day: datetime) -> list[_Case]:
        return [self._platform_case(daily_id(day))]

    def _platform_case(self, record_id: str) -> _Case:
        async def count() -> RunCounts:
            return add(one.total for one in await self._keeper.everywhere(record_id))

        return _Case(GLOBAL, PLATFORM + record_id, count)

    async def _settled(self, cases: list[_Case]) -> tuple[list[MetricsDifference], list[_Case]]:
        """Return what differs and has not changed on either side for as long as patience goes, and what goes on changing."""
        seen = dict(zip(cases, await for_each(self._look, cases), strict=True))
        unchanged = dict.fromkeys(cases, 0)
        differences: list[MetricsDifference] = []
        for _ in range(_ROUNDS):
            seen = {case: one for case, one in seen.items() if not one.is_equal}
            for case in [case for case in seen if unchanged[case] == _PAUSES]:
                differences += _differences(case, seen.pop(case))
            if not seen:
                break
            await self._sleep(self._patience / _PAUSES)
            left = list(seen)
            for case, again in zip(left, await for_each(self._look, left), strict=True):
                unchanged[case] = unchanged[case] + 1 if again == seen[case] else 0
                seen[case] = again
        return sorted(differences, key=lambda one: (one.scope, one.id)), list(seen)

    async def _look(self, case: _Case) -> _Seen:
        """Read what is stored, count, and read again until nobody wrote meanwhile."""
        stored = await self._keeper.read(case.scope, case.id)
        counted = await case.count()
        for _ in range(_ROUNDS):
            again = await self._keeper.read(case.scope, case.id)
            if _etag(again) == _etag(stored):
                break
            stored, counted = again, await case.count()
        return _Seen(_etag(stored), None if stored is None else stored.total, counted)


def _etag(stored: PeriodMetrics | None) -> str | None:
    return None if stored is None else stored.etag


def _differences(case: _Case, seen: _Seen) -> list[MetricsDifference]:
    stored = seen.stored or NONE
    found = [
        MetricsDifference(
            case.scope, case.id, name, None if seen.stored is None else getattr(stored, name), getattr(seen.counted, name)
        )
        for name in COUNT_FIELDS
        if getattr(stored, name) != getattr(seen.counted, name)
    ]
    buckets = sorted(stored.histogram.keys() | seen.counted.histogram.keys())
    return found + [
        MetricsDifference(
            case.scope, case.id, f"histogram {bucket}", stored.histogram.get(bucket, 0), seen.counted.histogram.get(bucket, 0)
        )
        for bucket in buckets
        if stored.histogram.get(bucket, 0) != seen.counted.histogram.get(bucket, 0)
    ]


def differences_between(scope: Scope, record_id: str, stored: RunCounts | None, counted: RunCounts) -> Sequence[MetricsDifference]:
    """Return the figures in which *stored* is not *counted*."""
    return _differences(_Case(scope, record_id, _never), _Seen(None, stored, counted))


async def _never() -> RunCounts:
    raise AssertionError
