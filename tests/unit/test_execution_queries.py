"""`repositories.executions.queries`: filters that lose no run at their edges, and do not depend on how they were written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.clock import format_time
from bifrost_store.core.query import SORT_KEY, In, Range, matches
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ExecutionStatus
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.errors import InvalidRequestError
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.repositories.executions.queries import compile_filter, compile_window, started_before

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2286, 11, 20, 17, 46, 39, 999_999, tzinfo=UTC)
NOW = datetime(2025, 11, 14, 12, tzinfo=UTC)
STEPS = [timedelta(microseconds=n) for n in (-1_001, -1_000, -999, -1, 0, 1, 999, 1_000, 1_001)]
STARTS = [FIRST, FIRST + timedelta(microseconds=999), *(NOW + step for step in STEPS), LAST]
BOUNDS = [
    None,
    *STARTS,
    FIRST + timedelta(milliseconds=1),
    LAST + timedelta(microseconds=1),
    datetime(9999, 12, 31, tzinfo=UTC),
]


def run_at(moment: datetime) -> Record:
    body = {"startedAt": format_time(moment)}
    return Record(Key("execution", GLOBAL, "Az-09"), body, execution_sort_key(moment, "Az-09"))


def is_shown(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    window = compile_window(since, until)
    return window is not None and matches(run_at(moment), window)


def is_in_window(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or moment >= since) and (until is None or moment < until)


def test_edges_of_windows_are_exact() -> None:
    """At every edge, to the microsecond and at both ends of time, a window shows just what starts in it."""
    for moment, since, until in product(STARTS, BOUNDS, BOUNDS):
        assert is_in_window(moment, since, until) == is_shown(moment, since, until), (moment, since, until)


@given(*[st.integers(0, 3_000).map(lambda n: NOW + timedelta(microseconds=n))] * 3)
def test_windows_are_exact_anywhere(moment: datetime, since: datetime, until: datetime) -> None:
    """Whatever the microseconds, the range of sort keys cuts off nothing that the range of times shows."""
    assert is_in_window(moment, since, until) == is_shown(moment, since, until)


def test_a_window_narrows_by_key_to_the_millisecond() -> None:
    """Every bound that can be a sort key is one, so that backends read no more than the window."""
    window = compile_window(NOW, NOW + timedelta(milliseconds=2))
    assert window is not None

    keys = Range(SORT_KEY, *(execution_sort_key(NOW + timedelta(milliseconds=n), "")[:-1] for n in (1, -1)))
    assert window[1] == keys


def test_windows_in_which_no_run_can_start() -> None:
    """Before 1970 and after 2286 there are no runs, and no request is needed to know it."""
    assert compile_window(None, FIRST) is None
    assert compile_window(LAST + timedelta(microseconds=1), None) is None
    assert compile_window(None, None) == ()


def test_zones_do_not_matter() -> None:
    """One moment gives one filter, in whatever zone it was given; a naive one is UTC."""
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))

    assert compile_window(NOW, None) == compile_window(elsewhere, None) == compile_window(NOW.replace(tzinfo=None), None)


def test_statuses_are_a_set() -> None:
    """The order and repetition of statuses change nothing, so a continuation token outlives them; none match nothing."""
    one = compile_filter(ExecutionFilter(statuses=[ExecutionStatus.FAILED, ExecutionStatus.PENDING]))
    other = compile_filter(ExecutionFilter(statuses=[ExecutionStatus.PENDING, ExecutionStatus.FAILED, ExecutionStatus.PENDING]))

    assert one == other == (In("status", ("Pending", "Failed")),)
    assert compile_filter(ExecutionFilter(statuses=[])) is None


@pytest.mark.parametrize("timeout", [timedelta(seconds=-1), 600, timedelta.max])
def test_timeouts_that_make_no_sense_are_refused(timeout: object) -> None:
    """A timeout is a timedelta, not negative, that reaches back to a moment."""
    with pytest.raises(InvalidRequestError, match=r"^pending_timeout"):
        started_before(NOW, timeout, "pending_timeout")
