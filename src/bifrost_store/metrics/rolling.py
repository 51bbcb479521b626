"""Counts hours and days of all scopes without being told what has changed: by a timer, and after a hand-over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents.metrics import DAY, HOUR, PeriodMetrics
from bifrost_store.errors import InvalidRequestError
from bifrost_store.metrics.counting import NONE, count_runs
from bifrost_store.metrics.keeping import Keeper, Noted
from bifrost_store.metrics.periods import day_of, day_start, hour_of, hours_of
from bifrost_store.repository_protocols.metrics import MetricsReport

_LAST_HOURS: Final = 3
_CHECKED_DAYS: Final = 3
_STRETCH: Final = 4
_SHOWN_HOURS: Final = timedelta(hours=48)
_LOOKED_BACK: Final = timedelta(days=7)
"""How long a day that was not finished in time is reported."""


@dataclass(slots=True)
class _Round:
    """What one round has done so far.

    Attributes:
        touched: Hours that were counted in some scope, by day; of a day that was only looked at, none.
    """

    noted: Noted = field(default_factory=Noted)
    touched: dict[datetime, set[datetime]] = field(default_factory=dict[datetime, set[datetime]])
    finished: int = 0
    incomplete: list[str] = field(default_factory=list[str])

    def report(self, scopes: int) -> MetricsReport:
        noted = self.noted
        return MetricsReport(scopes, noted.hours, noted.days, self.finished, tuple(self.incomplete), tuple(noted.unreadable))


class Rounds:
    """Goes through scopes and days.

    Args:
        backend: Holds the runs.
        keeper: Counts.
        clock: Tells the time.
    """

    def __init__(self, backend: Backend, keeper: Keeper, clock: Clock) -> None:
        self._backend = backend
        self._keeper = keeper
        self._clock = clock

    async def rollup(self) -> MetricsReport:
        """Count the last hours, days that were never counted, the last days where they are not what a count finds; finish days."""
        now, done = self._clock(), _Round()
        last = [hour_of(now) - number * HOUR for number in range(_LAST_HOURS)]
        scopes = await self._keeper.scopes()
        for scope in scopes:
            days = self._keeper.open_days.all(now)
            stored = await self._keeper.days(scope, days[0] - _LOOKED_BACK, days[-1] + DAY)
            self._note_incomplete(scope, stored, now, done)
            recent = [day for day in days if now - day < _CHECKED_DAYS * DAY]
            is_idle = await self._is_idle(scope, recent, stored, now)
            for day in days[: -len(recent)] if is_idle else days:
                hours = {hour for hour in last if day_of(hour) == day}
                await self._look_after(scope, day, hours, stored.get(day), now, done)
        for day, hours in done.touched.items():
            await self._keeper.count_platform_day(day, hours, is_final=self._keeper.open_days.is_ending(day, now))
        return done.report(len(scopes))

    async def rebuild(self, scopes: Sequence[Scope] | None, day: date | None) -> MetricsReport:
        """Count every open day, or *day*, of *scopes*, by default of all.

        Raises:
            InvalidRequestError: *day* cannot be counted now.
        """
        now, done = self._clock(), _Round()
        days = self._keeper.open_days.all(now) if day is None else [self._checked(day, now)]
        known = await self._keeper.scopes() if scopes is None else scopes
        for scope in known:
            if day is not None and not await self._keeper.is_open(scope, days[0]):
                raise _frozen(days[0], scope)
            for one in days:
                await self._count_all(scope, one, done)
        for one in days:
            await self._keeper.count_platform_day(one, done.touched.get(one, ()))
        return done.report(len(known))

    async def count_platform(self) -> None:
        """Add up all open days of the platform, and the hours that dashboards show."""
        now = self._clock()
        for day in self._keeper.open_days.all(now):
            is_shown = now - day < _SHOWN_HOURS + DAY
            await self._keeper.count_platform_day(day, await self._keeper.hours_anywhere(day) if is_shown else ())

    def _checked(self, day: object, now: datetime) -> datetime:
        if not isinstance(day, date):
            raise InvalidRequestError(f"day: must be a date, not {type(day).__name__}")
        start = day_start(day)
        if start > now:
            raise InvalidRequestError(f"day {day}: it has not begun")
        if not self._keeper.open_days.is_open(start, now):
            raise _frozen(start, None)
        return start

    def _note_incomplete(self, scope: Scope, stored: dict[datetime, PeriodMetrics], now: datetime, done: _Round) -> None:
        for day, one in sorted(stored.items()):
            if self._keeper.open_days.state(day, now, one) == "incomplete":
                done.incomplete.append(f"{scope} {one.date}")

    async def _is_idle(
        self, scope: Scope, days: Sequence[datetime], stored: Mapping[datetime, PeriodMetrics], now: datetime
    ) -> bool:
        """Return whether there is nothing to do about *days*, which follow one another, as they had no run and have none.

        One aggregate for all of them, as most organizations are so most of the time. What ends later, the next round finds.
        """
        for day in days:
            known = stored.get(day)
            if known is None or known.total != NONE or self._is_to_be_finished(day, known, now):
                return False
        return (await count_runs(self._backend, scope, days[0], days[-1] + DAY)).total == NONE

    def _is_to_be_finished(self, day: datetime, stored: PeriodMetrics | None, now: datetime) -> bool:
        return self._keeper.open_days.is_ending(day, now, stored) and (stored is None or stored.final_at is None)

    async def _look_after(
        self, scope: Scope, day: datetime, hours: set[datetime], stored: PeriodMetrics | None, now: datetime, done: _Round
    ) -> None:
        ending = self._is_to_be_finished(day, stored, now)
        is_recent = now - day < _CHECKED_DAYS * DAY
        if not (ending or is_recent or stored is None):
            return
        found = await count_runs(self._backend, scope, day, day + DAY)
        if stored is not None and found.total == stored.total == NONE and not ending:
            return  # As of most organizations on most days; whatever comes later is found by the next round.
        if stored is None or found.total != stored.total:
            await self._count_all(scope, day, done, is_final=ending, is_empty=found.total.count == 0)
        elif hours or ending:
            await self._count(scope, day, hours, done, is_final=ending)

    async def _count_all(
        self, scope: Scope, day: datetime, done: _Round, *, is_final: bool = False, is_empty: bool | None = None
    ) -> None:
        if is_empty is None:
            is_empty = (await count_runs(self._backend, scope, day, day + DAY)).total.count == 0
        counted = await self._keeper.hours(scope, day, day + DAY)
        hours = set(counted) if is_empty else set(counted) | await self._hours_with_runs(scope, day)
        await self._count(scope, day, hours, done, is_final=is_final)

    async def _hours_with_runs(self, scope: Scope, day: datetime) -> set[datetime]:
        """Return the hours of *day* so far, but for stretches in which no run ended: most of the day, of most organizations."""
        so_far = [hour for hour in hours_of(day) if hour <= self._clock()]
        stretches = [so_far[start : start + _STRETCH] for start in range(0, len(so_far), _STRETCH)]
        found = await for_each(lambda hours: count_runs(self._backend, scope, hours[0], hours[-1] + HOUR), stretches)
        return {hour for hours, counted in zip(stretches, found, strict=True) if counted.total.count for hour in hours}

    async def _count(self, scope: Scope, day: datetime, hours: set[datetime], done: _Round, *, is_final: bool) -> None:
        if await self._keeper.count_day(scope, day, hours, is_final=is_final, noted=done.noted):
            done.finished += is_final
            done.touched.setdefault(day, set()).update(hours)


def _frozen(day: datetime, scope: Scope | None) -> InvalidRequestError:
    whose = "" if scope is None else f" of {scope}"
    return InvalidRequestError(
        f"day {day.date()}{whose}: it is frozen, as its runs are no longer all there. What is stored of it stays; "
        "nothing was written"
    )
