"""What a copy may use of the target a second: a budget that shrinks when the service says 429 and grows back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from bifrost_store.core.meter import Meter, metering
from bifrost_store.errors import ThrottledError

_SHRINK: Final = 0.5
_GROWTH: Final = 1.1
"""A second."""
_SECONDS_PER_STEP: Final = 1.0
"""What is refused together makes the rate fall once: calls under way were sent at the rate before."""
_LEAST: Final = 400.0
"""Request units a second that are always tried: what the smallest account gives."""


class Budget:
    """Request units a second, shared by all workers of one copy. Where nothing is charged it holds nobody back.

    Args:
        request_units: The most to use a second; None: what the service gives, found out by its refusals.
        monotonic: Seconds of a clock that never goes back.
        sleep: Waits for so many seconds.

    Attributes:
        spent: Request units used so far.
        throttled: How often the service refused or had to be asked again.
    """

    def __init__(
        self,
        request_units: float | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._most = request_units
        self.rate = request_units
        self._monotonic = monotonic
        self._sleep = sleep
        self._began = self._free_at = self._changed_at = monotonic()
        self._slowed_at = self._began - _SECONDS_PER_STEP
        self.spent = 0.0
        self.throttled = 0

    @asynccontextmanager
    async def spending(self) -> AsyncIterator[None]:
        """Wait until there is something to spend, and note what the block is charged.

        A `ThrottledError` of the block lowers the rate, keeps everybody waiting as long as the service asks, and is raised.
        """
        while (wait := self._free_at - self._monotonic()) > 0:
            await self._sleep(wait)
        with metering() as meter:
            try:
                yield
            except ThrottledError as error:
                self._note(meter)
                self._slow_down()
                self._free_at = max(self._free_at, self._monotonic() + (error.retry_after_seconds or 1.0))
                raise
        self._note(meter)
        if meter.retries:
            self._slow_down()
        elif self.rate is not None:
            now = self._monotonic()
            grown = self.rate * _GROWTH ** (now - self._changed_at)
            self.rate, self._changed_at = grown if self._most is None else min(self._most, grown), now

    def _note(self, meter: Meter) -> None:
        self.spent += meter.request_units
        if self.rate is not None:
            self._free_at = max(self._free_at, self._monotonic()) + meter.request_units / self.rate

    def _slow_down(self) -> None:
        self.throttled += 1
        now = self._monotonic()
        if now - self._slowed_at < _SECONDS_PER_STEP:
            return
        self._slowed_at = self._changed_at = now
        elapsed = max(now - self._began, 1.0)
        rate = self.spent / elapsed if self.rate is None else self.rate
        self.rate = max(_LEAST if self._most is None else min(_LEAST, self._most), rate * _SHRINK)
