"""Lists and figures of runs: filters, order, pages, stuck runs, counts, statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ExecutionStatus
from bifrost_store.errors import (
    InvalidContinuationTokenError,
    InvalidRequestError,
)
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START
from bifrost_store.testing.contract.repositories_executions import ids, start
from bifrost_store.testing.examples import ORGANIZATION, execution
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


_STATUSES = list(ExecutionStatus)
_RUNS = [
    execution(
        number,
        started_at=START - timedelta(milliseconds=number // 3, microseconds=7 * number),
        status=_STATUSES[number % len(_STATUSES)].value,
        workflowName=("nightly", "nightly2", "night'ly")[number % 3],
        executedBy=("a@b.co", "a@b.com")[number // 2 % 2],
        formId=(None, "f-1", "f-1:2")[number // 5 % 3],
        durationMs=(None, 10, 15, 2**31 - 1)[number % 4],
    )
    for number in range(30)
]
_moments = st.none() | st.sampled_from([START - timedelta(microseconds=n) for n in (0, 1, 7, 1000, 1006, 2014, 3000, 9999, 10_203)])
filters = st.builds(
    ExecutionFilter,
    user=st.sampled_from([None, None, "a@b.co", "a@b.com", "a@b"]),
    workflow=st.sampled_from([None, None, "nightly", "night'ly", "Nightly"]),
    form=st.sampled_from([None, None, "f-1", "f-1:2", "f-"]),
    statuses=st.none() | st.lists(st.sampled_from(_STATUSES), max_size=4),
    since=_moments,
    until=_moments,
)


def _meets(record: Any, where: ExecutionFilter) -> bool:
    """Say in plain Python what a filter means."""
    body, started_at = record.body, datetime.fromisoformat(record.body["startedAt"])
    return (
        where.user in (None, body["executedBy"])
        and where.workflow in (None, body["workflowName"])
        and where.form in (None, body["formId"])
        and (where.statuses is None or body["status"] in where.statuses)
        and (where.since is None or where.since <= started_at)
        and (where.until is None or started_at < where.until)
    )


@given(where=filters, limit=st.sampled_from([1, 4, 500]))
async def test_any_filter(store: StoreUnderTest, repositories: Repositories, where: ExecutionFilter, limit: int) -> None:
    """Any combination of filters finds what a plain Python filter finds, newest first, ties by id, in full pages."""
    if await store.backend.get(_RUNS[0].key) is None:
        await create_all(store.backend, [*_RUNS, *(execution(number, scope=GLOBAL) for number in range(3))])
    found: list[str] = []
    following: str | None = None
    while True:
        page = await repositories.executions.list(ORGANIZATION, where, limit=limit, continuation_token=following)
        found += ids(page)
        following = page.continuation_token
        assert following is None or len(page) == limit
        if following is None:
            break

    wanted = sorted((record for record in _RUNS if _meets(record, where)), key=lambda record: record.sort_key)
    assert found == [record.key.id for record in wanted]


async def test_order_is_newest_first(repositories: Repositories) -> None:
    """The newest start comes first, to the millisecond; within one, ids decide."""
    for number, moment in (("b", 1_999), ("a", 1_000), ("c", 2_000), ("d", 999)):
        await start(repositories, execution_id=number, started_at=START + timedelta(microseconds=moment))

    assert ids(await repositories.executions.list(ORGANIZATION)) == ["c", "a", "b", "d"]


async def test_tokens_of_lists(repositories: Repositories) -> None:
    """A list's token fits that list alone; the order in which statuses are named does not matter."""
    for number in range(4):
        await start(repositories, execution_id=f"e-{number}")
    executions = repositories.executions
    live = [ExecutionStatus.RUNNING, ExecutionStatus.PENDING]
    page = await executions.list(ORGANIZATION, ExecutionFilter(statuses=live), limit=1)
    more: dict[str, Any] = {"limit": 1, "continuation_token": page.continuation_token}

    assert ids(await executions.list(ORGANIZATION, ExecutionFilter(statuses=live[::-1]), **more)) == ["e-1"]
    for scope, where in (
        (GLOBAL, ExecutionFilter(statuses=live)),
        (ORGANIZATION, ExecutionFilter()),
        (ORGANIZATION, ExecutionFilter(statuses=live, user="kim@x.com")),
        (ORGANIZATION, ExecutionFilter(statuses=[])),
    ):
        with pytest.raises(InvalidContinuationTokenError):
            await executions.list(scope, where, **more)
    assert await executions.list(ORGANIZATION, ExecutionFilter(statuses=[])) == type(page)(())


async def test_stuck_runs(repositories: Repositories) -> None:
    """Live runs of every scope that started strictly longer ago than their status allows: by status, then id."""
    now = START + timedelta(hours=1)
    ages = {"Pending": timedelta(minutes=10), "Running": timedelta(minutes=30), "Cancelling": timedelta(minutes=3)}
    for number, (status, age) in enumerate(ages.items()):
        for offset, scope in ((0, ORGANIZATION), (1, ORGANIZATION), (2, GLOBAL)):
            await start(
                repositories,
                scope,
                execution_id=f"{2 - offset}-{number}",
                status=ExecutionStatus(status),
                started_at=now - age - timedelta(microseconds=offset),
            )
    await start(repositories, execution_id="done", status=ExecutionStatus.SUCCESS, started_at=START - timedelta(days=1))

    stuck = await repositories.executions.stuck(now=now)
    assert ids(stuck) == ["0-0", "1-0", "0-1", "1-1", "0-2", "1-2"]
    assert stuck[0].scope == GLOBAL
    longer = await repositories.executions.stuck(now=now, running_timeout=timedelta(minutes=31), pending_timeout=timedelta(hours=2))
    assert ids(longer) == ["0-2", "1-2"]
    assert ids(await repositories.executions.stuck(now=now - timedelta(days=1))) == []


async def test_counts_and_statistics(store: StoreUnderTest, repositories: Repositories) -> None:
    """Counts, rate, average and recent failures of a window are those of a plain computation over its runs."""
    await create_all(store.backend, [*_RUNS, execution(100, scope=GLOBAL)])
    since, until = START - timedelta(microseconds=8_000), START - timedelta(microseconds=1_000)
    for window in ((since, until), (since, None), (until, since), (START, None)):
        inside = [record.body for record in _RUNS if _meets(record, ExecutionFilter(since=window[0], until=window[1]))]
        counts = {status: sum(body["status"] == status for body in inside) for status in ExecutionStatus}
        final = [body for body in inside if ExecutionStatus(body["status"]).is_final]
        timed = [body["durationMs"] for body in inside if body["status"] == "Success" and body["durationMs"] is not None]
        failed = [body["executionId"] for body in inside if body["status"] in ("Failed", "Timeout", "CompletedWithErrors")]

        found = await repositories.executions.statistics(ORGANIZATION, since=window[0], until=window[1])
        assert found.total == len(inside)
        assert found.by_status == {status: count for status, count in counts.items() if count}
        assert found.by_status == await repositories.executions.count_by_status(ORGANIZATION, since=window[0], until=window[1])
        assert found.success_rate == (round(100 * counts[ExecutionStatus.SUCCESS] / len(final), 1) if final else 0.0)
        assert found.average_duration_ms == (int(sum(timed) / len(timed) + 0.5) if timed else None)
        order = {record.key.id: record.sort_key for record in _RUNS}
        assert ids(found.recent_failures) == sorted(failed, key=order.__getitem__)[:10]


@pytest.mark.parametrize("limit", [0, 501, -1, True, 1.5, "10"])
async def test_bad_limits(repositories: Repositories, limit: Any) -> None:
    """A page has 1 to 500 runs."""
    with pytest.raises(InvalidRequestError, match="limit"):
        await repositories.executions.list(ORGANIZATION, limit=limit)


async def test_one_unreadable_run_hides_no_other(store: StoreUnderTest, repositories: Repositories) -> None:
    """A run that no model fits is named in `unreadable`, and the others are listed, in full pages."""
    runs = [await start(repositories, execution_id=f"e-{number}") for number in range(3)]
    record = runs[1].record
    await store.backend.replace(record.with_body({**record.body, "status": "Exploded"}), record.etag)

    page = await repositories.executions.list(ORGANIZATION)
    assert ids(page) == ["e-0", "e-2"]
    (error,) = page.unreadable
    assert "e-1" in str(error)
    assert "status" in str(error)
