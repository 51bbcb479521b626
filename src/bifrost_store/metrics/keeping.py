"""Keeps the records of hours and days: each is counted after it was read, and written only over what was read.

So of two that count at the same time, the one that counted first cannot write last: it finds the record changed, and counts again.
Nothing is left unwritten because it seems right already, or what another counted earlier could still be written over it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, Range
from bifrost_store.core.record import NEVER, Expiry, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents.metrics import (
    DAY,
    HOUR,
    PLATFORM,
    PeriodMetrics,
    daily_id,
    hourly_id,
    metrics_body,
    open_until_in,
    start_of,
    totals_of,
)
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    PreconditionFailedError,
)
from bifrost_store.metrics.counting import NONE, Counted, add_up, count_runs, unreadable_runs
from bifrost_store.metrics.periods import LEAST_OPEN, OpenDays
from bifrost_store.repositories.changes import LostRaceError, until_won
from bifrost_store.repositories.reading import all_records, readable_part

KIND: Final = PeriodMetrics.spec.kind
HOURS_KEPT: Final = 90 * DAY
_WORKFLOWS: Final = ("workflows", "others")
"""Of a record, all but the totals."""


@dataclass(slots=True)
class Noted:
    """What came up while counting.

    Attributes:
        hours, days: How many records of scopes were written.
        unreadable: Runs that cannot be read, each named once.
    """

    hours: int = 0
    days: int = 0
    unreadable: dict[str, None] = field(default_factory=dict[str, None])


class Keeper:
    """Counts hours and days of a store and keeps the figures in it.

    Args:
        backend: Holds runs and figures: where the route's primary is, both are asked and written.
        open_days: Says which days may be counted.
        clock: Tells the time.
    """

    def __init__(self, backend: Backend, open_days: OpenDays, clock: Clock) -> None:
        self._backend = backend
        self.open_days = open_days
        self._clock = clock

    async def count_day(
        self, scope: Scope, day: datetime, hours: Collection[datetime], *, is_final: bool = False, noted: Noted | None = None
    ) -> bool:
        """Count *hours* of *day*, then make the day's figures from its hours; False if it may not be counted any more.

        Args:
            is_final: This is the last time that all of the day is looked at.
            noted: Is told what was written, and what cannot be read.
        """
        noted = noted or Noted()
        key = Key(KIND, scope, daily_id(day))
        if not await self.is_open(scope, day):
            return False
        await for_each(lambda hour: self._count_hour(scope, hour, noted), sorted(hours))

        async def attempt() -> bool:
            record, stored = await self._read(key)
            now = self._clock()
            until = self._until(day, record, stored)
            if now >= until:
                return False
            counted = add_up([counted_in(one) for one in await self._hours(scope, day, noted)])
            final_at = format_time(now) if is_final else _final_at(stored)
            await self._write(key, record, counted, counted_at=now, open_until=format_time(until), final_at=final_at)
            return True

        is_written = await until_won(attempt)
        noted.days += is_written
        return is_written

    async def is_open(self, scope: Scope, day: datetime) -> bool:
        """Return whether *day* of *scope* may be counted now."""
        return self._clock() < self._until(day, *await self._read(Key(KIND, scope, daily_id(day))))

    async def count_platform_day(self, day: datetime, hours: Collection[datetime], *, is_final: bool = False) -> None:
        """Add up what all scopes have for *day* and for *hours* of it."""
        await for_each(lambda hour: self._count_platform(day, hourly_id(hour), hour), sorted(hours))
        await self._count_platform(day, daily_id(day), None, is_final=is_final)

    async def days(self, scope: Scope, since: datetime, until: datetime, *, prefix: str = "") -> dict[datetime, PeriodMetrics]:
        """Return what is stored of the days ``since <= day < until``, by day."""
        return _by_start(_readable(await self._between(scope, prefix + daily_id(since), prefix + daily_id(until))))

    async def hours(self, scope: Scope, since: datetime, until: datetime) -> dict[datetime, PeriodMetrics]:
        """Return the same of the hours ``since <= hour < until``, by hour."""
        return _by_start(_readable(await self._between(scope, hourly_id(since), hourly_id(until))))

    async def totals(
        self, scope: Scope, period: timedelta, since: datetime, until: datetime, *, prefix: str, with_workflows: bool = False
    ) -> dict[datetime, PeriodMetrics]:
        """Return the hours or days ``since <= start < until`` without workflows and others, by start.

        Args:
            period: `HOUR` or `DAY`.
            with_workflows: Their records have workflows and others as they are stored; else those are not even read.
        """
        name = hourly_id if period == HOUR else daily_id
        without = () if with_workflows else _WORKFLOWS
        return _by_start(_totals(await self._between(scope, prefix + name(since), prefix + name(until), without)))

    async def everywhere(self, record_id: str) -> list[PeriodMetrics]:
        """Return what every scope has stored under *record_id*."""
        return _readable(await all_records(self._backend, KIND, None, Eq(ID, record_id)))

    async def day_everywhere(self, day: datetime) -> list[PeriodMetrics]:
        """Return the totals of *day* of every scope that has some."""
        return list(_totals(await all_records(self._backend, KIND, None, Eq(ID, daily_id(day)), without=_WORKFLOWS)))

    async def hours_anywhere(self, day: datetime) -> set[datetime]:
        """Return the hours of *day* of which any scope, or the platform, has figures."""
        found = _readable(await all_records(self._backend, KIND, None, Eq("date", day.date().isoformat())))
        return {one.start for one in found if one.hour is not None}

    async def scopes(self) -> list[Scope]:
        """Return GLOBAL, the scopes of all organizations, and those that have figures of today or yesterday."""
        now = self._clock()
        organizations = await all_records(self._backend, "organization", GLOBAL)
        ids = {record.key.id for record in organizations} | {one.document[2] for one in organizations.unreadable if one.document}
        counted = [*await self.everywhere(daily_id(now)), *await self.everywhere(daily_id(now - DAY))]
        return sorted({GLOBAL, *map(Scope.organization, ids), *(one.scope for one in counted)})

    async def read(self, scope: Scope, record_id: str) -> PeriodMetrics | None:
        """Return what is stored under *record_id*."""
        return (await self._read(Key(KIND, scope, record_id)))[1]

    async def _count_hour(self, scope: Scope, hour: datetime, noted: Noted) -> None:
        key = Key(KIND, scope, hourly_id(hour))

        async def attempt() -> Counted:
            record, _ = await self._read(key)
            now = self._clock()
            counted = await count_runs(self._backend, scope, hour, hour + HOUR)
            await self._write(key, record, counted, counted_at=now)
            return counted

        counted = await until_won(attempt)
        noted.hours += 1
        if counted.strange:
            named = await unreadable_runs(self._backend, scope, hour, hour + HOUR, counted.strange)
            noted.unreadable.update(dict.fromkeys(named))

    async def _hours(self, scope: Scope, day: datetime, noted: Noted) -> Sequence[PeriodMetrics]:
        """Return the hours of *day*; one that cannot be read is counted again before."""
        found = await all_records(self._backend, KIND, scope, *_range(hourly_id(day), hourly_id(day + DAY)))
        spoilt = {error.document[2] for error in found.unreadable if error.document is not None}
        spoilt |= {record.key.id for record in found if _model(record) is None}
        if spoilt:
            for number in range(24):
                if hourly_id(day + number * HOUR) in spoilt:
                    await self._count_hour(scope, day + number * HOUR, noted)
            found = await all_records(self._backend, KIND, scope, *_range(hourly_id(day), hourly_id(day + DAY)))
        return _readable(found)

    async def _count_platform(self, day: datetime, record_id: str, hour: datetime | None, *, is_final: bool = False) -> None:
        key = Key(KIND, GLOBAL, PLATFORM + record_id)

        async def attempt() -> None:
            record, stored = await self._read(key)
            now = self._clock()
            # An hour is open as long as its day.
            until = self._until(day, record, stored) if hour is None else self.open_days.until(day)
            if now >= until:
                return
            counted = add_up([counted_in(one) for one in await self.everywhere(record_id)])
            if hour is not None:
                await self._write(key, record, counted, counted_at=now)
                return
            final_at = format_time(now) if is_final else _final_at(stored)
            await self._write(key, record, counted, counted_at=now, open_until=format_time(until), final_at=final_at)

        await until_won(attempt)

    async def _between(self, scope: Scope, low: str, high: str, without: tuple[str, ...] = ()) -> Page[Record]:
        return await all_records(self._backend, KIND, scope, *_range(low, high), without=without)

    async def _read(self, key: Key) -> tuple[Record | None, PeriodMetrics | None]:
        """Return the record at *key*, be it readable or not, and its model if it is."""
        record, problem = await readable_part(self._backend, key)
        return record, None if record is None or problem is not None else _model(record)

    def _until(self, day: datetime, record: Record | None, stored: PeriodMetrics | None) -> datetime:
        """Return until when *day* may be counted. One that cannot be read may have been begun under any retention."""
        if record is None or stored is not None:
            return self.open_days.until(day, None if stored is None else stored.open_until)
        return self.open_days.until(day, open_until_in(record) or day + LEAST_OPEN)

    async def _write(
        self,
        key: Key,
        stored: Record | None,
        counted: Counted,
        *,
        counted_at: datetime,
        open_until: str | None = None,
        final_at: str | None = None,
    ) -> None:
        body = metrics_body(
            key.id,
            counted.total,
            counted.workflows,
            None if counted.others == NONE else counted.others,
            counted_at=format_time(counted_at),
            open_until=open_until,
            final_at=final_at,
        )
        expires_at: Expiry = NEVER if open_until is not None else start_of(key.id) + HOURS_KEPT
        new = Record(key, body, expires_at=expires_at) if stored is None else stored.with_body(body, expires_at)
        try:
            await (self._backend.create(new) if stored is None else self._backend.replace(new, stored.etag))
        except (DocumentExistsError, DocumentNotFoundError, PreconditionFailedError) as error:
            raise LostRaceError(error) from error


def counted_in(stored: PeriodMetrics) -> Counted:
    """Return the figures of a record."""
    return Counted(stored.total, stored.workflows, stored.others or NONE)


def _range(low: str, high: str) -> tuple[Filter, ...]:
    return (Range(SORT_KEY, low, high),)


def _by_start(models: Iterable[PeriodMetrics]) -> dict[datetime, PeriodMetrics]:
    return {one.start: one for one in models}


def _totals(records: Iterable[Record]) -> Iterator[PeriodMetrics]:
    for record in records:
        with suppress(CorruptDocumentError):
            yield totals_of(record)


def _readable(records: Iterable[Record]) -> list[PeriodMetrics]:
    return [one for one in map(_model, records) if one is not None]


def _model(record: Record) -> PeriodMetrics | None:
    try:
        return PeriodMetrics.from_record(record)
    except CorruptDocumentError:
        return None


def _final_at(stored: PeriodMetrics | None) -> str | None:
    return None if stored is None or stored.final_at is None else format_time(stored.final_at)
