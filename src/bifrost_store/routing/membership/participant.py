"""This process's part in hand-overs: it hears of one, drains, acknowledges, and calls off what nobody carries on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import Context

import anyio

from bifrost_store.core.events import log_event
from bifrost_store.core.scope import Scope
from bifrost_store.errors import StoreError
from bifrost_store.routing.control import Control, Move
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.membership.leases import Lease
from bifrost_store.routing.timing import Timing

_logger = logging.getLogger("bifrost_store.routing")


class News:
    """Wakes whoever waits for operations to end or documents to be read."""

    def __init__(self, poll: float) -> None:
        self._poll = poll
        self._event = asyncio.Event()

    def clear(self) -> None:
        """Forget what was told; before looking at what it may be about."""
        self._event.clear()

    def tell(self) -> None:
        """Wake everybody."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until something is told, at most for the pause between two readings of the documents."""
        with anyio.move_on_after(self._poll):
            await self._event.wait()


class Participant:
    """Does what "What a process does on each observation" in the hand-over protocol asks for a move.

    Args:
        copies: The control documents.
        under_way: Operations that have begun and not ended, by scope.
        drain: Brings all writes that were begun to their end; whether nothing is pending.
        news: Told of every change of what is under way and seen.
        timing: Of all processes of the migration.
        monotonic: Seconds of a clock that runs on while the machine sleeps.
    """

    def __init__(
        self,
        copies: ControlCopies,
        under_way: Mapping[Scope, int],
        drain: Callable[[], Awaitable[bool]],
        news: News,
        *,
        timing: Timing,
        monotonic: Callable[[], float],
    ) -> None:
        self._copies = copies
        self._under_way = under_way
        self._drain = drain
        self._news = news
        self._timing = timing
        self._monotonic = monotonic
        self._first_seen: dict[str, tuple[Move, float]] = {}
        self._draining: dict[str, asyncio.Task[None]] = {}

    async def take_part(self, lease: Lease) -> bool:
        """Do what the move in the document of *lease*'s store asks for; return whether there is one, to be watched."""
        move = move_in(lease)
        if move is None:
            self._first_seen.pop(lease.store, None)
            return False
        seen, since = self._first_seen.get(lease.store, (None, 0.0))
        # Counted from the first look of this process: no time that is stored is ever compared with a clock.
        if seen != move:
            since = self._monotonic()
            self._first_seen[lease.store] = (move, since)
        age = self._monotonic() - since
        # Nothing is prepared before every process polls: one that did not would write on for a whole renewal (step 3).
        if lease.state.heard != move.attempt and not await lease.say(heard=move.attempt):
            return True
        if move.stage == "prepared":
            if lease.state.acknowledged != move.attempt and move.attempt not in self._draining:
                draining = self._acknowledge(lease, move)
                task = self._draining[move.attempt] = asyncio.create_task(draining, context=Context())
                task.add_done_callback(lambda task: self._drained(move.attempt, task))
            if age >= self._timing.call_off:
                await self._call_off(lease, move)
        elif age >= self._timing.withdraw:
            await self._call_off(lease, move)
        return True

    async def aclose(self) -> None:
        """Acknowledge nothing any more."""
        tasks = list(self._draining.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drained(self, attempt: str, task: asyncio.Task[None]) -> None:
        """Take note that draining has ended, in whatever way: unless it is acknowledged, the next look begins it again."""
        self._draining.pop(attempt, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log_event(_logger, logging.ERROR, "routing.draining_failed", error, error=type(error).__name__)

    async def _acknowledge(self, lease: Lease, move: Move) -> None:
        """Say that nothing of the move's scopes is under way or pending, once that is so."""
        lease_id = lease.id
        while _is_still_prepared(lease, move):
            self._news.clear()
            if self._is_idle(lease):
                is_settled = await self._drain()
                # Draining takes time: what is acknowledged must hold now, under the lease that it was begun under (W6).
                if is_settled and self._is_idle(lease) and lease.id == lease_id and _is_still_prepared(lease, move):
                    with suppress(StoreError):
                        await lease.say(acknowledged=move.attempt)
                        return
            await self._news.wait()

    def _is_idle(self, lease: Lease) -> bool:
        control = lease.seen[lease.store].control
        return not any(control.is_moving(scope) for scope in self._under_way)

    async def _call_off(self, lease: Lease, move: Move) -> None:
        """Remove a move that nobody carries on, if it is there still as it was seen; then read again, whatever came of it."""
        copy = lease.seen[lease.store]
        if copy.control.move == move:
            await self._copies.change(copy, copy.control.model_copy(update={"move": None}))
        await lease.look()
        self._news.tell()


def move_in(lease: Lease) -> Move | None:
    """Return the move in the document of *lease*'s store, as last read."""
    copy = lease.seen.get(lease.store)
    return None if copy is None else copy.control.move


def is_prepared(control: Control) -> bool:
    """Return whether nobody may begin anything in the scopes that move."""
    return control.move is not None and control.move.stage == "prepared"


def _is_still_prepared(lease: Lease, move: Move) -> bool:
    now = move_in(lease)
    return now is not None and now.attempt == move.attempt and now.stage == "prepared"
