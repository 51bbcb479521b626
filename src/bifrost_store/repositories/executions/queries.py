"""Filters of execution lists, in the terms of the waist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bifrost_store.core.clock import format_time, reverse_timestamp
from bifrost_store.core.query import SORT_KEY, Eq, Filter, In, Range
from bifrost_store.documents import ExecutionStatus
from bifrost_store.errors import InvalidRequestError
from bifrost_store.repositories.checks import check_string, one_of, utc
from bifrost_store.repository_protocols.executions import ExecutionFilter

_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_END = _FIRST + timedelta(milliseconds=10**13)
"""No run starts before the first, or at the end or later: 13 digits of milliseconds order them."""


def compile_filter(where: ExecutionFilter) -> tuple[Filter, ...] | None:
    """Return the filters that *where* means, the same for equal ones; None if nothing can meet them."""
    conditions: list[Filter] = []
    for name, value in (("executedBy", where.user), ("workflowName", where.workflow), ("formId", where.form)):
        if value is not None:
            check_string(value, name)
            conditions.append(Eq(name, value))
    if where.statuses is not None:
        if not where.statuses:
            return None
        conditions.append(status_filter(where.statuses))
    window = compile_window(where.since, where.until)
    return None if window is None else (*conditions, *window)


def status_filter(statuses: Sequence[ExecutionStatus]) -> In:
    """Return the filter for any of *statuses*, in one order, so that a continuation token does not depend on theirs."""
    wanted = {one_of(ExecutionStatus, status, "statuses") for status in statuses}
    return In("status", tuple(status.value for status in ExecutionStatus if status in wanted))


def compile_window(since: datetime | None, until: datetime | None) -> tuple[Filter, ...] | None:
    """Return the filters for ``since <= startedAt < until``; None if nothing can meet them.

    The range of sort keys says the same to the millisecond, for backends that keep records in that order; the range of
    start times decides at the edges. Sort keys run backwards, the newest run has the smallest: they begin with the
    millisecond of the last moment before *until*, and end before that of the millisecond before *since*.
    """
    if since is None and until is None:
        return ()
    since = None if since is None else utc(since, "since")
    until = None if until is None else utc(until, "until")
    if (since is not None and since >= _END) or (until is not None and until <= _FIRST):
        return None
    key_ge = key_lt = None
    if until is not None and until <= _END:
        key_ge = reverse_timestamp(until - _MICROSECOND)
    if since is not None and since >= _FIRST + _MILLISECOND:
        key_lt = reverse_timestamp(since - _MILLISECOND)
    time_ge = None if since is None else format_time(since)
    time_lt = None if until is None else format_time(until)
    return (Range("startedAt", time_ge, time_lt), Range(SORT_KEY, key_ge, key_lt))


def started_before(now: datetime, timeout: object, field: str) -> datetime:
    """Return the moment before which a run must have started to be older than *timeout*."""
    if not isinstance(timeout, timedelta) or timeout < timedelta(0):
        raise InvalidRequestError(f"{field}: must be a timedelta, not negative")
    try:
        return utc(now, "now") - timeout
    except OverflowError:
        raise InvalidRequestError(f"{field}: reaches back before the year 1") from None
