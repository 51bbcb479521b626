"""Sends messages to groups without anybody waiting for it: in order per group, one at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bifrost_store.core.events import log_event
from bifrost_store.realtime.messages import VARIABLES, Message, covering, joined, unsent
from bifrost_store.realtime.telemetry import RealtimeTelemetry
from bifrost_store.signalr import Sender, ThrottledError

_MOST_WAITING_BYTES: Final = 1_000_000
"""Of one group: what is behind further than that, its readers had better read."""
_MOST_BYTES: Final = 64_000_000
"""Of all groups."""
_VARIABLES_SECONDS: Final = 0.25
_LONGEST_PAUSE: Final = 30.0
_logger = logging.getLogger("bifrost_store.realtime")


class Outbox:
    """What is on its way to groups. For one event loop.

    What cannot be sent is dropped and counted: a message may be lost at any time, and its readers read what they miss.

    Args:
        sender: Sends.
        telemetry: Hears of it.
        monotonic: Seconds of this process's clock.
    """

    def __init__(
        self, sender: Sender, *, telemetry: RealtimeTelemetry | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sender = sender
        self._telemetry = telemetry or RealtimeTelemetry()
        self._monotonic = monotonic
        self._queues: dict[str, _Queue] = {}
        self._total = _Total()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused_until = 0.0
        self._is_failing = False

    def add(self, group: str, messages: Sequence[Message]) -> None:
        """Send messages to a group, behind those that are on their way to it."""
        queue = self._queues.get(group)
        if queue is None:
            queue = self._queues[group] = _Queue(self._total, self._telemetry, self._monotonic)
            task = asyncio.get_running_loop().create_task(self._serve(group, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        for one in messages:
            queue.add(one)

    async def empty(self) -> None:
        """Wait until nothing is on its way any more."""
        while self._queues:
            await asyncio.gather(*(queue.is_empty.wait() for queue in self._queues.values()))
            if all(queue.is_empty.is_set() for queue in self._queues.values()):
                return

    async def aclose(self) -> None:
        """Drop what is on its way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, group: str, queue: _Queue) -> None:
        try:
            while (batch := await queue.next()) is not None:
                await self._send(group, batch, queue)
        finally:
            del self._queues[group]
            queue.take()
            queue.is_empty.set()

    async def _send(self, group: str, batch: Sequence[Message], queue: _Queue) -> None:
        for at, one in enumerate(batch):
            if (pause := self._paused_until - self._monotonic()) > 0:
                await asyncio.sleep(pause)
            try:
                await self._sender.send_to_group(group, one.target, one.body)
            except ThrottledError as error:
                self._pause(error)
                queue.put_back(batch[at:])
                return
            except Exception as error:  # noqa: BLE001 - whatever it is: readers read what they miss
                self._dropped(error)
            else:
                self._sent(one)

    def _pause(self, error: ThrottledError) -> None:
        self._paused_until = self._monotonic() + min(error.retry_after_seconds or 1.0, _LONGEST_PAUSE)
        self._telemetry.throttled()

    def _dropped(self, error: Exception) -> None:
        name = next(kind.__name__ for kind in type(error).__mro__ if not kind.__name__.startswith("_"))
        self._telemetry.dropped(1, name)
        if not self._is_failing:
            log_event(_logger, logging.WARNING, "realtime.not_sent", error, error=name)
        self._is_failing = True

    def _sent(self, one: Message) -> None:
        self._telemetry.sent(one.target, one.size)
        if self._is_failing:
            log_event(_logger, logging.INFO, "realtime.sends_again")
        self._is_failing = False


@dataclass(slots=True)
class _Total:
    """What waits for all groups."""

    bytes: int = 0


class _Queue:
    """What waits for one group."""

    def __init__(self, total: _Total, telemetry: RealtimeTelemetry, monotonic: Callable[[], float]) -> None:
        self.is_empty = asyncio.Event()
        self._total = total
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._news = asyncio.Event()
        self._waiting: list[Message] = []
        self._bytes = 0
        self._held: Message | None = None
        self._variables_at = -_VARIABLES_SECONDS

    def add(self, one: Message) -> None:
        if one.target == VARIABLES:
            if self._seconds_of_variables() > 0:
                # Its place in the order is told now; what it shows, when it is time, unless later ones take its place.
                self._held = one
                one = covering(one)
            else:
                self._variables_at, self._held = self._monotonic(), None
        self._put(one)

    def _put(self, one: Message) -> None:
        self._keep(one)
        if self._bytes > _MOST_WAITING_BYTES or self._total.bytes > _MOST_BYTES:
            waiting = self.take()
            self._telemetry.dropped(len(waiting), "backlog")
            for each in unsent(waiting):
                self._keep(each)
        self.is_empty.clear()
        self._news.set()

    def _keep(self, one: Message) -> None:
        self._waiting.append(one)
        self._bytes += one.size
        self._total.bytes += one.size

    def take(self) -> list[Message]:
        """Return what waits, which then waits no more."""
        waiting, self._waiting = self._waiting, []
        self._total.bytes -= self._bytes
        self._bytes = 0
        return waiting

    def put_back(self, batch: Sequence[Message]) -> None:
        """Let messages that were not sent be the next again."""
        for one in (*batch, *self.take()):
            self._put(one)

    async def next(self) -> list[Message] | None:
        """Wait for messages and return them; None once none have come for a while."""
        while not self._waiting:
            left = self._seconds_of_variables()
            if left <= 0:
                if self._held is None:
                    return None
                held, self._held, self._variables_at = self._held, None, self._monotonic()
                self._put(held)
                break
            if self._held is None:
                self.is_empty.set()
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                continue
        return list(joined(self.take()))

    def _seconds_of_variables(self) -> float:
        """Return for how long variables are still held."""
        return self._variables_at + _VARIABLES_SECONDS - self._monotonic()
