"""Which indexes SQLite reads for lists of several statuses and for counts by completion, and that the answers stay the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bifrost_store.backends.sqlite import queries
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.queries import Statement
from bifrost_store.core.clock import format_time
from bifrost_store.core.query import SORT_KEY, Eq, Filter, In, Query, Range, matches
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.testing.bulk import create_all, joined
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, execution

pytestmark = pytest.mark.anyio

NOW = format_time(START)
HOUR = Range("completedAt", "2025-01-01T00", "2025-01-01T01")


@pytest.fixture
async def sqlite() -> AsyncIterator[SqliteBackend]:
    """An empty database in memory."""
    backend = SqliteBackend(":memory:", SPECS)
    await backend.provision()
    yield backend
    await backend.aclose()


async def searches(backend: SqliteBackend, compiled: Statement) -> list[str]:
    """Return how the statement reaches the records, step by step."""
    statement, parameters = compiled
    plan = await backend._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return [str(step[3]) for step in plan if " records" in str(step[3])]


@pytest.mark.parametrize("scope", [ORGANIZATION, None])
@pytest.mark.parametrize("window", [(), (Range(SORT_KEY, ge="1"),)])
async def test_each_of_several_statuses_is_read_by_itself(
    sqlite: SqliteBackend, scope: Scope | None, window: tuple[Filter, ...]
) -> None:
    """However many others there are: of one scope or of all, the first page or a later one."""
    query = Query("execution", scope, (In("status", ("Pending", "Running", "Cancelling")), *window))
    for position in (None, ["0"] if scope is not None else ["org-a", "0"]):
        found = await searches(sqlite, queries.compile_page(query, position, NOW))

        assert [True] * 3 == ["USING INDEX records_execution_by_status (<expr>=?" in step for step in found]


@pytest.mark.parametrize("scope", [ORGANIZATION, OTHER_ORGANIZATION, None])
@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_pages_of_several_statuses_are_one_list(sqlite: SqliteBackend, scope: Scope | None, limit: int) -> None:
    """What is read status by status comes in one order, each record once, also where a status is named twice."""
    statuses = ("Failed", "Running", "Success", "Timeout")
    records = [
        execution(number, status=statuses[number % 4], scope=(ORGANIZATION, OTHER_ORGANIZATION)[number // 4 % 2])
        for number in range(24)
    ]
    await create_all(sqlite, records)
    query = Query("execution", scope, (In("status", ("Timeout", "Failed", "Nothing", "Failed")),), limit)

    wanted = [one for one in records if scope in (None, one.key.scope) and matches(one, query.filters)]
    wanted.sort(key=lambda one: (one.key.scope.value, one.sort_key))
    assert [one.key for one in wanted] == [one.key for one in await joined(sqlite, query)]


@pytest.mark.parametrize(
    "beside", [(), (Eq("status", "Success"),), (In("status", ("Success", "Failed")),), (Eq("workflowName", "nightly"),)]
)
async def test_a_window_by_completion_is_counted_from_an_index(sqlite: SqliteBackend, beside: tuple[Filter, ...]) -> None:
    """An hour of runs costs what it holds, however many runs there are."""
    query = Query("execution", ORGANIZATION, (*beside, HOUR))
    groups = ["status", "workflowName"]
    (found,) = await searches(sqlite, queries.compile_aggregate(query, groups, ["durationMs"], "durationMs", NOW))

    assert "USING INDEX records_execution_completedAt (scope=? AND <expr>>? AND <expr><?)" in found
