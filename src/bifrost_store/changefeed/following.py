"""Follows one range while its lease is held: page, handler, dead letters, position, in this order."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import anyio

from bifrost_store.backends.feed import Feed
from bifrost_store.changefeed.dead_letters import DeadLetters
from bifrost_store.changefeed.handling import Handler, HandlerError, Poison, hand_over, is_passing
from bifrost_store.changefeed.holding import FeedLeaseLostError, HeldLease
from bifrost_store.changefeed.leases import STUCK_FAILURES, FeedLeases
from bifrost_store.changefeed.telemetry import FeedTelemetry
from bifrost_store.changefeed.timing import FeedTiming
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.feed import FeedItem, FeedPage, FeedRange
from bifrost_store.core.record import Record
from bifrost_store.errors import CorruptDocumentError, InvalidContinuationTokenError, InvalidRequestError, StoreError

_RELEASE_SECONDS: Final = 5.0
_MOST_PAGES: Final = 16
OnPoison = Literal["dead-letter", "stop"]
_logger: Final = logging.getLogger("bifrost_store.feed")


class PoisonError(InvalidRequestError):
    """A range has stopped at an item that its handler cannot take, as it was asked to; the message names the item."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a processor does with every range.

    Attributes:
        feed: Tells what changed.
        handler: Is given it.
        leases, dead_letters: Where positions and failed items are kept.
        on_poison: What becomes of an item that the handler cannot take.
        limit: Items of a page.
        timing: Of the processor.
        clock: Tells the time, for people.
        telemetry: Hears of it.
    """

    feed: Feed
    handler: Handler
    leases: FeedLeases
    dead_letters: DeadLetters
    on_poison: OnPoison
    limit: int
    timing: FeedTiming
    clock: Clock
    telemetry: FeedTelemetry


@dataclass(slots=True)
class Follower:
    """One range, followed until it is to stop, wanted by another process, split, or lost.

    Attributes:
        task: What to do.
        held: The lease.
        poll: Seconds to wait when nothing is new.
        split_into: The parts that the feed has made of the range; none: it is whole.
    """

    task: Task
    held: HeldLease
    poll: float
    split_into: Sequence[FeedRange] = ()
    _is_stopping: bool = False
    _woken: anyio.Event = field(default_factory=anyio.Event)
    _failures: int = 0
    _pages: int = 1

    def stop(self) -> None:
        """Let go of the range at the end of the page that is being handled."""
        self._is_stopping = True
        self.wake()

    def wake(self) -> None:
        """Look again now."""
        self._woken.set()

    async def run(self) -> None:
        """Follow the range; at the end the lease is another's or nobody's.

        Raises:
            FeedLeaseLostError: It was lost; the handler was interrupted.
            HandlerError, InvalidContinuationTokenError: Trying again cannot help.
        """
        failures: list[Exception] = []
        try:
            async with anyio.create_task_group() as tasks:

                async def until_failure(work: Callable[[], Awaitable[None]]) -> None:
                    try:
                        await work()
                    except Exception as error:  # noqa: BLE001 - raised below, once the other one has ended
                        failures.append(error)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(until_failure, self._renew)
                tasks.start_soon(until_failure, self._follow)
            if not failures and self.split_into:
                await self._split()
        finally:
            if not any(isinstance(error, FeedLeaseLostError) for error in failures) and self.held.state.owner is not None:
                with anyio.move_on_after(_RELEASE_SECONDS, shield=True), suppress(FeedLeaseLostError, StoreError):
                    await self.held.release()
        if failures:
            raise failures[0]

    async def _renew(self) -> None:
        while True:
            await self.held.renew()
            if self.held.is_wanted:
                self.wake()

    @property
    def _position(self) -> str | None:
        return self.held.state.position

    async def _follow(self) -> None:
        position = self._position
        while not (self._is_stopping or self.held.is_wanted or self.split_into):
            try:
                page = await self._read(position)
                await self._handle(page)
            except (HandlerError, InvalidContinuationTokenError):
                raise
            except PoisonError as error:
                await self._stand_still(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the position stays and it is tried again
                await self._fail(error)
                continue
            if page.items or page.unreadable:
                await self._move(page)
            else:
                self._recover()
            # A page of nothing but the library's own is not written: the lease that says so would be on the next one.
            position = page.position
            if page.is_drained:
                await self._wait(self.poll)

    async def _read(self, position: str | None) -> FeedPage:
        feed, state = self.task.feed, self.held.state
        page = await feed.items(state.feed, state.part, position, limit=self.task.limit)
        # What fails at the end of a page may be poison, which only what is taken after it can tell: further pages are read with it.
        for _ in range(self._pages - 1):
            if page.is_drained:
                break
            following = await feed.items(state.feed, state.part, page.position, limit=self.task.limit)
            page = replace(
                following, items=_latest((*page.items, *following.items)), unreadable=(*page.unreadable, *following.unreadable)
            )
        return page

    async def _handle(self, page: FeedPage) -> None:
        poison: list[Poison] = []
        if page.items:
            with self.task.telemetry.handling(len(page.items)):
                poison = await hand_over(self.task.handler, page.items)
            self.task.telemetry.handled(len(page.items) - len(poison))
        for each in poison:
            self._check_poison(each.item, each.error)
            await self.task.dead_letters.keep_item(self.held.state.feed, each.item, each.error, each.attempts)
        for error in page.unreadable:
            self._check_poison(error.key, error)
            await self.task.dead_letters.keep_unreadable(self.held.state.feed, error)
        if count := len(poison) + len(page.unreadable):
            self.task.telemetry.dead_letters(count)
            log_event(_logger, logging.ERROR, "feed.dead_letters", **self._names(), count=count)

    def _check_poison(self, item: object, error: Exception) -> None:
        if self.task.on_poison == "stop":
            name = getattr(item, "key", None) or getattr(item, "id", item)
            raise PoisonError(
                f"the handler of {self.held.state.processor!r} cannot take {name} ({type(error).__name__}); the position is before "
                "it. Correct the handler or the item, then start the processor again"
            ) from (error if isinstance(error, CorruptDocumentError) else None)

    async def _move(self, page: FeedPage) -> None:
        if self._failures >= STUCK_FAILURES:
            log_event(_logger, logging.INFO, "feed.moves_again", **self._names())
        self._failures, self._pages = 0, 1
        self.held.notes = {}
        await self.held.write(
            position=page.position,
            moved_at=self.task.clock(),
            lag_items=page.lag_items,
            lag_seconds=page.lag_seconds,
            problem=None,
            failures=0,
            failing_since=None,
        )
        self.task.telemetry.moved(self.held.state.part, page)

    def _recover(self) -> None:
        self._failures, self._pages = 0, 1
        self.held.notes = {"problem": None, "failures": 0, "failing_since": None, "lag_items": 0, "lag_seconds": 0.0}

    async def _fail(self, error: Exception) -> None:
        """Hold the position, so that everybody sees it, and wait."""
        self._failures += 1
        self._pages = 1 if is_passing(error) else min(2 * self._pages, _MOST_PAGES)
        self.task.telemetry.failed(type(error).__name__)
        since = self.held.notes.get("failing_since") or self.held.state.failing_since or self.task.clock()
        self.held.notes = {"problem": type(error).__name__, "failures": self._failures, "failing_since": since}
        name, unexpected = type(error).__name__, None if isinstance(error, StoreError) else error
        if self._failures == 1:
            log_event(_logger, logging.WARNING, "feed.held", unexpected, **self._names(), error=name)
        elif self._failures == STUCK_FAILURES:
            log_event(_logger, logging.WARNING, "feed.stuck", unexpected, **self._names(), error=name)
        if self._failures == STUCK_FAILURES:
            await self.held.write()
        await self._wait(max(self.task.timing.pause(self._failures), getattr(error, "retry_after_seconds", None) or 0.0))

    async def _stand_still(self, error: PoisonError) -> None:
        """Keep the range, so that nobody else runs into the same, until this process ends or another one wants it."""
        self.held.notes = {"problem": str(error), "failures": STUCK_FAILURES, "failing_since": self.task.clock()}
        self.task.telemetry.failed(type(error).__name__)
        log_event(_logger, logging.ERROR, "feed.stopped", **self._names(), problem=str(error))
        await self.held.write()
        while not (self._is_stopping or self.held.is_wanted or self.split_into):
            await self._wait(math.inf)

    async def _split(self) -> None:
        """Put a lease for each part in place of that of all, in one write."""
        state, feed = self.held.state, self.task.feed
        positions = {part: state.position and feed.narrowed(state.feed, state.position, part) for part in self.split_into}
        if await self.task.leases.split(self.held.row, positions):
            log_event(_logger, logging.INFO, "feed.split", **self._names(), parts=len(positions))

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._woken.wait()
        if self._woken.is_set() and not self._is_stopping:
            self._woken = anyio.Event()

    def _names(self) -> dict[str, str]:
        return {"processor": self.held.state.processor, "range": str(self.held.state.part)}


def _latest(items: Sequence[FeedItem]) -> tuple[FeedItem, ...]:
    """Return *items* without those that changed again before the next page was read: a state is never followed by an older one."""
    found: dict[object, FeedItem] = {}
    for item in items:
        identity = item.key if isinstance(item, Record) else (item.run, item.id)
        found.pop(identity, None)
        found[identity] = item
    return tuple(found.values())
