"""When to leave a failing store alone, and when to try it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_PAUSE_GROWTH: Final = 2.0


class CircuitBreaker:
    """Opens after failures in a row; then lets one call through after each pause, until one succeeds.

    Args:
        failures: In a row, until it opens.
        pause_seconds, longest_pause_seconds: Between trials; twice as long after each that fails.
        now: Seconds that only ever go forward.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        pause_seconds: float = 1.0,
        longest_pause_seconds: float = 30.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._first_pause = pause_seconds
        self._longest_pause = longest_pause_seconds
        self._now = now
        self._failures = 0
        self._pause = pause_seconds
        self._open_until: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the store is being left alone, but for trials."""
        return self._open_until is not None

    def may_try(self) -> bool:
        """Return whether a call may be made now. While it is open that makes the call a trial, and the next one waits."""
        if self._open_until is None:
            return True
        if self._now() < self._open_until:
            return False
        self._open_until = self._now() + self._pause
        return True

    def succeeded(self) -> None:
        """Take note that the store answered."""
        self._failures = 0
        self._pause = self._first_pause
        self._open_until = None

    def failed(self, retry_after_seconds: float | None = None) -> None:
        """Take note that it did not; *retry_after_seconds* is when it asked to be tried again, if it did."""
        self._failures += 1
        if self._open_until is not None:
            self._pause = min(self._pause * _PAUSE_GROWTH, self._longest_pause)
        if self._open_until is not None or self._failures >= self._limit:
            self._open_until = self._now() + max(self._pause, retry_after_seconds or 0.0)
