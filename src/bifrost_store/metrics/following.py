"""Follows the feed of runs: what changes makes hours dirty, and dirty hours are counted again before the position moves on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed import ChangeFeedProcessor, FeedItem, FeedTiming, leases_by_processor
from bifrost_store.core.clock import Clock, parse_time
from bifrost_store.core.events import log_event
from bifrost_store.core.meter import metering
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import LIVE_STATUSES
from bifrost_store.documents.metrics import HOUR
from bifrost_store.errors import StoreError
from bifrost_store.metrics.counting import KIND
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import day_of, hour_of
from bifrost_store.metrics.rolling import Rounds
from bifrost_store.routing.timing import running_seconds

NAME: Final = "metrics"
DELAY_SECONDS: Final = 5.0
UNITS_PER_SECOND: Final = 5.0
PLATFORM_SECONDS: Final = 60.0
_ROLLUP_SECONDS: Final = 3600.0
_LONGEST_WAIT: Final = 60.0
_PAGE: Final = 500
_LAST_MILLISECOND: Final = 9_999_999_999_999
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LIVE: Final = {status.value for status in LIVE_STATUSES}

_logger: Final = logging.getLogger("bifrost_store.metrics")
Sleep = Callable[[float], Awaitable[None]]
Hours = dict[Scope, set[datetime]]


def dirty_hours(items: Iterable[FeedItem], keeper: Keeper, now: datetime) -> Hours:
    """Return the hours whose figures *items* may have changed, by scope.

    That is where a run ended, and of a deleted one, of which nothing else is left, every open hour since its start.
    """
    dirty: Hours = {}
    for item in items:
        if not isinstance(item, Record) or item.key.kind != KIND:
            continue
        found = set(_since_start(item, now)) if item.is_tombstone else set(_of_end(item))
        if hours := {hour for hour in found if keeper.open_days.is_open(day_of(hour), now)}:
            dirty.setdefault(item.key.scope, set()).update(hours)
    return dirty


class Pace:
    """Lets the recounts of a scope follow one another at a distance.

    Args:
        delay: Seconds between two at least.
        units_per_second: How many request units recounts of a scope may take on average.
        monotonic: Seconds of this process's own clock.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        delay: float = DELAY_SECONDS,
        units_per_second: float = UNITS_PER_SECOND,
        monotonic: Callable[[], float] = running_seconds,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._delay = delay
        self._units = units_per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next: dict[Scope, float] = {}

    async def wait(self, scope: Scope) -> None:
        """Wait until *scope* may be counted again: a minute at most, as everything behind it in the feed waits too."""
        seconds = self._next.get(scope, 0.0) - self._monotonic()
        if seconds > 0:
            await self._sleep(min(seconds, _LONGEST_WAIT))

    def spent(self, scope: Scope, request_units: float) -> None:
        """Note what a recount of *scope* took."""
        now = self._monotonic()
        self._next = {one: then for one, then in self._next.items() if then > now}
        self._next[scope] = now + max(self._delay, request_units / self._units)


class DirtyHours:
    """Counts what feed items make dirty: a handler of a `ChangeFeedProcessor`, or of whatever else delivers them at least once.

    Args:
        keeper: Counts, through the route: whichever store's feed this is.
        clock: Tells the time.
        pace: Of the recounts.

    Attributes:
        due: Hours of the platform that are to be added up anew, by day.
    """

    def __init__(self, keeper: Keeper, clock: Clock, pace: Pace | None = None) -> None:
        self._keeper = keeper
        self._clock = clock
        self._pace = pace or Pace()
        self.due: dict[datetime, set[datetime]] = {}

    async def __call__(self, items: Sequence[FeedItem]) -> None:
        """Return once every hour that *items* touch was counted after they had happened."""
        dirty = dirty_hours(items, self._keeper, self._clock())
        await for_each(lambda scope: self._count(scope, dirty[scope]), sorted(dirty))

    async def count_platform(self) -> None:
        """Add up what is due of the platform. What fails stays due."""
        due, self.due = self.due, {}
        try:
            for day in sorted(due):
                await self._keeper.count_platform_day(day, due[day])
                due[day] = set()
        except BaseException:
            for day, hours in due.items():
                self.due.setdefault(day, set()).update(hours)
            raise

    async def _count(self, scope: Scope, hours: set[datetime]) -> None:
        await self._pace.wait(scope)
        with metering() as meter:
            for day, of_day in _by_day(hours).items():
                # Before, so that what is written for sure is added up for sure.
                self.due.setdefault(day, set()).update(of_day)
                await self._keeper.count_day(scope, day, of_day)
        self._pace.spent(scope, meter.request_units)


class MetricsProcessor:
    """Keeps the figures right while runs end: what `bifrost-store feed run metrics` runs. Several processes share the work.

    Once an hour, and when it begins, it also does what `metrics rollup` does; where nobody followed the feed before, everything is
    counted anew.

    Args:
        store: Whose feed is followed: ``store.backend.backend(name)`` of an open store.
        keeper: Counts, through the route.
        rounds: Goes through all scopes.
        clock: Tells the time.
        poll_seconds: How long to wait when nothing is new.
        pace: Of the recounts.
        platform_seconds: How often the platform's figures are added up, at most.
        timing: Of the feed's leases.

    Raises:
        ConfigurationError: The store has no feed.
    """

    def __init__(
        self,
        store: Backend,
        keeper: Keeper,
        rounds: Rounds,
        clock: Clock,
        *,
        poll_seconds: float = DELAY_SECONDS,
        pace: Pace | None = None,
        platform_seconds: float = PLATFORM_SECONDS,
        timing: FeedTiming | None = None,
    ) -> None:
        self._store = store
        self._rounds = rounds
        self._platform_seconds = platform_seconds
        self._hours = DirtyHours(keeper, clock, pace)
        self._processor = ChangeFeedProcessor(
            store,
            name=NAME,
            feed="executions",
            handler=self._hours,
            poll_seconds=poll_seconds,
            limit=_PAGE,
            timing=timing,
            clock=clock,
        )
        self.started = anyio.Event()

    async def run(self) -> None:
        """Follow the feed until `stop` is called, or the task is cancelled.

        Raises:
            StoreError: The store refuses, and trying again does not help.
        """
        is_new = NAME not in await leases_by_processor(self._store)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._go_around, is_new)
                await self._processor.run()
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        await self._hours.count_platform()

    def stop(self) -> None:
        """Let `run` end, after what is being counted."""
        self._processor.stop()

    async def _go_around(self, is_new: bool) -> None:
        await self._processor.started.wait()
        await self._tried(self._rebuild if is_new else self._catch_up)
        self.started.set()
        since_rollup = 0.0
        while True:
            await anyio.sleep(self._platform_seconds)
            await self._tried(self._hours.count_platform)
            since_rollup += self._platform_seconds
            if since_rollup >= _ROLLUP_SECONDS:
                since_rollup = 0.0
                await self._tried(self._rollup)

    async def _rebuild(self) -> None:
        await self._rounds.rebuild(None, None)

    async def _catch_up(self) -> None:
        """Do what was due when the process before this one ended, whichever that was."""
        await self._rounds.rollup()
        await self._rounds.count_platform()

    async def _rollup(self) -> None:
        await self._rounds.rollup()

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreError as error:
            if not error.is_retryable:
                raise
            log_event(_logger, logging.WARNING, "background.failed", work="metrics", error=type(error).__name__)


def _by_day(hours: Iterable[datetime]) -> Mapping[datetime, set[datetime]]:
    days: dict[datetime, set[datetime]] = {}
    for hour in sorted(hours):
        days.setdefault(day_of(hour), set()).add(hour)
    return days


def _of_end(record: Record) -> Iterable[datetime]:
    if record.body.get("status") in _LIVE:
        return
    try:
        yield hour_of(parse_time(str(record.body.get("completedAt"))))
    except ValueError:
        return


def _since_start(record: Record, now: datetime) -> Iterable[datetime]:
    digits = record.sort_key[:13]
    if not digits.isdecimal():
        return
    hour = max(hour_of(_EPOCH + timedelta(milliseconds=_LAST_MILLISECOND - int(digits))), hour_of(now) - timedelta(days=90))
    while hour <= now + HOUR:
        yield hour
        hour += HOUR
