"""Hours and days in UTC, and for how long a day may be counted again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from bifrost_store.core.clock import as_utc
from bifrost_store.documents.metrics import DAY, HOUR, PeriodMetrics
from bifrost_store.errors import ConfigurationError
from bifrost_store.repository_protocols.metrics import PeriodState

LEAST_RETENTION: Final = timedelta(days=3)
_OPEN_WITHOUT_RETENTION: Final = timedelta(days=30)
_LONGEST: Final = timedelta(days=90)
"""Hours are kept for so long, and a day is made of its hours."""
_MARGIN: Final = DAY
"""Before the first runs of a day end, it is no longer counted; and for as long before that, it is counted for the last time."""

LEAST_OPEN: Final = LEAST_RETENTION - _MARGIN
"""For so long all runs of a day are there, whatever the retention."""


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of *moment* begins."""
    return as_utc(moment).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """Return when the day of *moment* begins."""
    return hour_of(moment).replace(hour=0)


def day_start(day: date) -> datetime:
    """Return when *day* begins."""
    return datetime.combine(day, time(), UTC)


def hours_of(day: datetime) -> list[datetime]:
    """Return when the hours of *day* begin."""
    return [day + number * HOUR for number in range(24)]


@dataclass(frozen=True, slots=True)
class OpenDays:
    """For how long days are open.

    Args:
        retention: How long runs are kept; None: for ever. Days are open as if for
            30 days then, and as if for 90 days where it is more.

    Raises:
        ConfigurationError: Runs are kept for less than three days: a day could not be counted once it is over.
    """

    retention: timedelta | None

    def __post_init__(self) -> None:
        if self.retention is not None and self.retention < LEAST_RETENTION:
            raise ConfigurationError(
                f"metrics need runs to be kept for {LEAST_RETENTION.days} days or more, not {self.retention.days}; set "
                "BIFROST_STORE_EXECUTION_RETENTION_DAYS, or BIFROST_STORE_METRICS=live"
            )

    def until(self, day: datetime, begun: datetime | None = None) -> datetime:
        """Return until when *day* may be counted: while all its runs are there for sure.

        Runs end by the retention under which they were written, so that a day which was begun under a shorter one keeps that.

        Args:
            begun: Until when it was to be counted when it was counted before.
        """
        own = day + (_OPEN_WITHOUT_RETENTION if self.retention is None else min(self.retention, _LONGEST)) - _MARGIN
        return own if begun is None else min(own, begun)

    def is_open(self, day: datetime, now: datetime, stored: PeriodMetrics | None = None) -> bool:
        """Return whether *day* may be counted at *now*."""
        return now < self._until(day, stored)

    def is_ending(self, day: datetime, now: datetime, stored: PeriodMetrics | None = None) -> bool:
        """Return whether *day* should be counted for the last time at *now*."""
        return now < self._until(day, stored) <= now + _MARGIN

    def state(self, day: datetime, now: datetime, stored: PeriodMetrics) -> PeriodState:
        """Return what is true at *now* of a day that was counted."""
        if self.is_open(day, now, stored):
            return "open"
        return "incomplete" if stored.final_at is None else "frozen"

    def all(self, now: datetime) -> list[datetime]:
        """Return the days that may be open at *now*, oldest first, today the last."""
        days = [day_of(now)]
        while self.is_open(days[-1] - DAY, now):
            days.append(days[-1] - DAY)
        return days[::-1]

    def _until(self, day: datetime, stored: PeriodMetrics | None) -> datetime:
        return self.until(day, None if stored is None else stored.open_until)
