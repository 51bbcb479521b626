"""`ChangeFeedProcessor`: a feed followed by as many processes as there are, each change handled at least once."""

from __future__ import annotations

import logging
import os
import random
import re
import secrets
import socket
from collections.abc import Callable
from typing import Final, Literal, get_args

import anyio
from anyio.abc import TaskGroup

from bifrost_store.backends.feed import Feed
from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed.dead_letters import DeadLetters
from bifrost_store.changefeed.following import Follower, OnPoison, Task
from bifrost_store.changefeed.handling import Handler, check_handler
from bifrost_store.changefeed.holding import FeedLeaseLostError, HeldLease
from bifrost_store.changefeed.leases import FeedLeaseRow, FeedLeases, OwnersSilence
from bifrost_store.changefeed.positions import start_at, unpack
from bifrost_store.changefeed.power import feed_of
from bifrost_store.changefeed.sharing import gaps, pieces, to_claim
from bifrost_store.changefeed.telemetry import FeedTelemetry
from bifrost_store.changefeed.timing import FeedTiming
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.events import log_event
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.query import check_page_size
from bifrost_store.core.spec import FeedName
from bifrost_store.errors import ConfigurationError, InvalidRequestError, StoreError
from bifrost_store.routing.timing import running_seconds
from bifrost_store.wrappers.feed import check_feed_name

_logger: Final = logging.getLogger("bifrost_store.feed")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
Start = Literal["now", "beginning"] | str


class ChangeFeedProcessor:
    """Follows a feed of one store and hands what changes to a handler, page by page.

    Processes that run one with the same name share the ranges of the feed, and take over from one that ends. A position is written
    only after the handler has returned, so that each change is handled at least once, in order per partition key.

    Args:
        store: Whose feed: ``store.backend.backend(name)`` of an open store. Positions and dead letters are kept there too.
        name: Of the processor: what its processes have in common. Lower-case letters, digits, ``.``, ``_`` and ``-``.
        feed: ``entities``, ``executions`` or ``execution_data``.
        handler: An async function of a list of items. An error of a connection, or a retryable one, holds the position until it
            passes, however long that takes.
        start: Where a processor begins that has no positions yet: ``now``, ``beginning``, or the `position` of a `FeedReader`.
        on_poison: What becomes of an item that fails alone with another error while others of its page succeed: ``dead-letter``
            notes it and goes on; ``stop`` lets the range stand still before it.
        poll_seconds: How long to wait when nothing is new; may be changed while it runs.
        limit: Items of a page, 1 to 500. Where something fails, the handler may be given several pages at once.
        timing: Of leases; the same in all processes.
        clock: Tells the time, for people.
        monotonic: Seconds of this process's own clock, by which leases expire.
        telemetry: Hears of it; by default OpenTelemetry.

    Attributes:
        started: Set once every range has a lease: what changes from then on will be handled.

    Raises:
        ConfigurationError: The store has no feed; the message says what to use instead.
        InvalidRequestError: An argument is wrong; the message names it.
    """

    def __init__(
        self,
        store: Backend,
        *,
        name: str,
        feed: FeedName,
        handler: Handler,
        start: Start = "now",
        on_poison: OnPoison = "dead-letter",
        poll_seconds: float = 5.0,
        limit: int = 100,
        timing: FeedTiming | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = running_seconds,
        telemetry: FeedTelemetry | None = None,
    ) -> None:
        _check_arguments(name, feed, on_poison, poll_seconds, limit)
        check_handler(handler)
        if start not in ("now", "beginning"):
            unpack(feed, start)
        self.poll_seconds = poll_seconds
        self.started = anyio.Event()
        self._name = name
        self._feed_name: FeedName = feed
        self._feed: Feed = feed_of(store)
        self._start = start
        self._timing = timing or FeedTiming()
        self._monotonic = monotonic
        self._leases = FeedLeases(store, name)
        self._silence = OwnersSilence(monotonic)
        self._token = secrets.token_hex(16)
        self._choose = random.Random(self._token)  # noqa: S311 - only so that processes do not reach for the same
        self._process = f"{socket.gethostname()} {os.getpid()}"
        self._followers: dict[str, Follower] = {}
        self._looked_at_ranges: float | None = None
        self._is_stopping = False
        self._stopped = anyio.Event()
        letters = DeadLetters(store, name, clock=clock)
        telemetry = telemetry or FeedTelemetry(name, feed)
        self._task = Task(self._feed, handler, self._leases, letters, on_poison, limit, self._timing, clock, telemetry)

    async def run(self) -> None:
        """Follow the feed until `stop` is called, or the task is cancelled; then pass the ranges on.

        Raises:
            HandlerError: The handler does not do what one has to.
            InvalidContinuationTokenError: The store was made anew, and positions of the old one lead nowhere.
            ConfigurationError: Another feed is followed under this name.
            StoreError: The store refuses, and trying again does not help.
        """
        failures: list[Exception] = []
        await self._leases.purge()
        await self._task.dead_letters.purge()
        async with anyio.create_task_group() as tasks:
            try:
                await self._share(tasks, failures)
            except Exception as error:  # noqa: BLE001 - raised below, once all ranges are passed on
                failures.append(error)
            for follower in self._followers.values():
                follower.stop()
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Let `run` end: each range at the end of the page that is being handled."""
        self._is_stopping = True
        self._stopped.set()

    async def _share(self, tasks: TaskGroup, failures: list[Exception]) -> None:
        errors = 0
        while not (self._is_stopping or failures):
            pause = self._timing.look
            try:
                await self._look(tasks, failures)
                errors = 0
            except StoreError as error:
                if not error.is_retryable:
                    raise
                errors += 1
                pause = min(pause, self._timing.pause(errors))
                log_event(_logger, logging.WARNING, "background.failed", work=f"feed {self._name}", error=type(error).__name__)
            with anyio.move_on_after(pause):
                await self._stopped.wait()

    async def _look(self, tasks: TaskGroup, failures: list[Exception]) -> None:
        rows = await self._rows()
        if self._looked_at_ranges is None or self._monotonic() - self._looked_at_ranges >= self._timing.ranges:
            ranges = await self._feed.ranges(self._feed_name)
            if missing := gaps(ranges, [row.state.part for row in rows]):
                await self._begin(missing)
                rows = await self._rows()
            for row in rows:
                self._cut(row, ranges)
            self._looked_at_ranges = self._monotonic()
        self.started.set()
        self._silence.see(rows)
        for follower in self._followers.values():
            follower.poll = self.poll_seconds
        for row in rows:
            if row.state.owner == self._token and row.id not in self._followers:
                self._follow(row, tasks, failures)
        for row in to_claim(rows, self._token, self._is_silent, self._choose):
            await self._claim(row, tasks, failures)

    async def _rows(self) -> list[FeedLeaseRow]:
        rows = await self._leases.all()
        other = next((row.state.feed for row in rows if row.state.feed != self._feed_name), None)
        if other is not None:
            raise ConfigurationError(
                f"processor {self._name!r}: the feed {other} of this store is followed under this name; choose another name for "
                f"{self._feed_name}"
            )
        return rows

    async def _begin(self, missing: list[FeedRange]) -> None:
        for gap in missing:
            for part, position in (await start_at(self._feed, self._feed_name, self._start, gap)).items():
                await self._leases.begin(part, self._feed_name, position)

    def _cut(self, row: FeedLeaseRow, ranges: list[FeedRange]) -> None:
        follower = self._followers.get(row.id)
        parts = pieces(row.state.part, ranges)
        if follower is not None and parts:
            follower.split_into = parts
            follower.wake()

    def _is_silent(self, row: FeedLeaseRow) -> bool:
        return self._silence.seconds(row) >= self._timing.expire

    async def _claim(self, row: FeedLeaseRow, tasks: TaskGroup, failures: list[Exception]) -> None:
        if row.state.owner is not None and not self._is_silent(row):
            await self._leases.change(row, row.state.model_copy(update={"wanted_by": self._token}))
            return
        mine = {"owner": self._token, "process": self._process, "wanted_by": None}
        if (claimed := await self._leases.change(row, row.state.changed(mine))) is not None:
            self._follow(claimed, tasks, failures)

    def _follow(self, row: FeedLeaseRow, tasks: TaskGroup, failures: list[Exception]) -> None:
        held = HeldLease(row, self._leases, self._timing, self._monotonic)
        follower = self._followers[row.id] = Follower(self._task, held, self.poll_seconds)
        # Whether the feed has split the range since, is looked at once it is held.
        self._looked_at_ranges = None
        log_event(_logger, logging.INFO, "feed.range_taken", processor=self._name, range=str(row.state.part))
        tasks.start_soon(self._run, row, follower, failures)

    async def _run(self, row: FeedLeaseRow, follower: Follower, failures: list[Exception]) -> None:
        try:
            await follower.run()
        except FeedLeaseLostError:
            log_event(_logger, logging.WARNING, "feed.lost", processor=self._name, range=str(row.state.part))
        except Exception as error:  # noqa: BLE001 - `run` raises it
            failures.append(error)
            self._stopped.set()
        finally:
            del self._followers[row.id]


def _check_arguments(name: str, feed: str, on_poison: str, poll_seconds: float, limit: int) -> None:
    check_feed_name(feed)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidRequestError(
            f"name {str(name)[:80]!r}: expected 1 to 64 lower-case letters, digits, dots, dashes and underscores, no sign first"
        )
    if on_poison not in get_args(OnPoison):
        raise InvalidRequestError(f"on_poison {on_poison!r}: expected {' or '.join(get_args(OnPoison))}")
    if not 0 < poll_seconds < float("inf"):
        raise InvalidRequestError(f"poll_seconds: expected a positive number of seconds, not {poll_seconds}")
    check_page_size(limit)
