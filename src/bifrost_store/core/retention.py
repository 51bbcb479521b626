"""How long what the old application wrote is kept: its rows say nothing about it, a migration's control document does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bifrost_store.core.clock import as_utc, format_time, parse_time
from bifrost_store.core.record import Expiry, Record

MAX_RETENTION: Final = timedelta(days=36_500)
_LAST_YEAR: Final = 9000
"""From any moment until then, the longest retention ends within the calendar."""


def last_change(body: Mapping[str, object]) -> datetime | None:
    """Return when an execution of the old application ended, else began, or None if it tells neither."""
    for name in ("completedAt", "startedAt"):
        text = body.get(name)
        if isinstance(text, str):
            try:
                return parse_time(text)
            except ValueError:
                continue
    return None


@dataclass(frozen=True, slots=True)
class Retention:
    """What the start of a migration recorded for executions without an expiry of their own.

    Attributes:
        period: They are kept that long after their last change; at most `MAX_RETENTION`.
        since: When the migration began. Nothing ends before that long after it: what readers see then, they see at a flip too.
    """

    period: timedelta
    since: datetime

    def __post_init__(self) -> None:
        """Refuse what no start recorded.

        Raises:
            ValueError: With such a period everything would end at once, or the end lies outside the calendar.
        """
        if not timedelta() < self.period <= MAX_RETENTION:
            raise ValueError(f"kept for {self.period.days} days")
        if as_utc(self.since).year > _LAST_YEAR:
            raise ValueError(f"begun after the year {_LAST_YEAR}")

    def expiry_of(self, body: Mapping[str, object]) -> datetime | None:
        """Return when an execution that stores no expiry ends; None: never, as the calendar ends before."""
        began = as_utc(self.since)
        try:
            return max(last_change(body) or began, began) + self.period
        except OverflowError:
            return None

    def values(self) -> dict[str, object]:
        """Return it as a JSON object."""
        return {"days_after_last_change": self.period.days, "not_before": format_time(self.since + self.period)}


def agreed(*recorded: Retention | None) -> Retention | None:
    """Return what copies of a control document record together: of two starts of which one was killed, the later counts."""
    return max((one for one in recorded if one is not None), key=lambda one: (as_utc(one.since), one.period), default=None)


@dataclass(slots=True)
class Recorded:
    """What this process knows of the recorded retention; shared by all that must agree on it.

    Attributes:
        retention: None while no migration has recorded one: then such records stay for good.
    """

    retention: Retention | None = None

    def ended_before(self, now: datetime) -> datetime | None:
        """Return the moment whose last changes, and all earlier ones, have ended at *now* where none is stored; None: none have."""
        one = self.retention
        if one is None or now < as_utc(one.since) + one.period:
            return None
        return now - one.period

    def expiry_of(self, body: Mapping[str, object], stored: Expiry) -> Expiry:
        """Return when an execution ends: as *stored*, else as the retention says."""
        return stored if stored is not None or self.retention is None else self.retention.expiry_of(body)

    def aged(self, record: Record) -> Record:
        """Return *record*, an execution, with the expiry that follows where it stores none."""
        if record.expires_at is not None or record.is_tombstone or self.retention is None:
            return record
        return replace(record, expires_at=self.expiry_of(record.body, None))
