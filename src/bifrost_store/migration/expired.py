"""Which executions are past their retention, and how they are carried all the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bifrost_store.core.clock import parse_time
from bifrost_store.core.record import NEVER, Record

_EXECUTION: Final = "execution"


def is_past(record: Record, now: datetime, retention: timedelta | None) -> bool:
    """Return whether *record* has expired, or is an execution of the old application older than *retention*."""
    if record.is_tombstone:
        return False
    if record.key.kind != _EXECUTION or record.expires_at is not None or retention is None:
        return record.is_expired(now)
    moment = record.body.get("completedAt") or record.body.get("startedAt")
    try:
        return isinstance(moment, str) and parse_time(moment) + retention <= now
    except (ValueError, OverflowError):
        return False


def kept(record: Record) -> Record | None:
    """Return the expired *record* without an expiry, or None: only executions are carried past it."""
    if record.key.kind != _EXECUTION:
        return None
    return record if record.expires_at is None else replace(record, expires_at=NEVER)
