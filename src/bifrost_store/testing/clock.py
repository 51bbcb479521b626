"""A clock that stands until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2025, 11, 14, 12, tzinfo=UTC)
"""Where a `SettableClock` stands at first."""


class SettableClock:
    """A `bifrost_store.core.clock.Clock` for tests.

    Attributes:
        now: What it shows; timezone-aware.
    """

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return what the clock shows."""
        return self.now

    def advance(self, *, seconds: float = 0, days: float = 0) -> datetime:
        """Move the clock and return what it shows then."""
        self.now += timedelta(days=days, seconds=seconds)
        return self.now
