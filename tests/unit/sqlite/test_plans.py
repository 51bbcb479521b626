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
        found = [step for step in found if "COVERING INDEX records_in_order" not in step]  # which scopes there are

        # A window of all scopes is read in the position's scope, and in those after it.
        rests = 2 if scope is None and window and position is not None else 1
        assert [True] * 3 * rests == ["USING INDEX records_execution_by_status (<expr>=?" in step for step in found]


USER, WORKFLOW, FORM = Eq("executedBy", "kim"), Eq("workflowName", "nightly"), Eq("formId", "f")
LIVE, ENDED = In("status", ("Pending", "Running", "Cancelling")), In("status", ("Timeout",))


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ((USER,), "executedBy"),
        ((WORKFLOW,), "workflowName"),
        ((FORM,), "of_form"),
        ((USER, ENDED), "executedBy_status"),
        ((USER, LIVE), "executedBy_status"),
        ((WORKFLOW, ENDED), "workflowName_status"),
        ((WORKFLOW, LIVE), "workflowName_status"),
        ((FORM, ENDED), "formId_status"),
        ((FORM, LIVE), "formId_status"),
        ((USER, WORKFLOW, ENDED), "executedBy_workflowName_status"),
        ((USER, WORKFLOW, LIVE), "executedBy_workflowName_status"),
        ((FORM, WORKFLOW, ENDED), "formId_workflowName_status"),
        ((FORM, USER, WORKFLOW, ENDED), "formId_executedBy_workflowName_status"),
    ],
)
@pytest.mark.parametrize("window", [(), (Range("startedAt", "2025", "2026"), Range(SORT_KEY, "1", "2"))])
async def test_a_list_reads_what_it_shows(
    sqlite: SqliteBackend, filters: tuple[Filter, ...], index: str, window: tuple[Filter, ...]
) -> None:
    """By one field or by several, in order: what is rare among the common costs no more than what it holds."""
    query = Query("execution", ORGANIZATION, (*filters, *window))
    for position in (None, ["1"]):
        statement, parameters = queries.compile_page(query, position, NOW)
        found = await searches(sqlite, (statement, parameters))
        plan = await sqlite._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        sorts = [step for step in plan if "TEMP B-TREE" in str(step[3])]

        assert all(f"USING INDEX records_execution_{index} (scope=? AND <expr>=?" in step for step in found)
        assert len(found) == (3 if LIVE in filters else 1)
        assert sorts == []


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ((USER, WORKFLOW), "executedBy_workflowName_status"),
        ((FORM, USER), "formId_executedBy_status"),
        ((FORM, WORKFLOW), "formId_workflowName_status"),
        ((FORM, USER, WORKFLOW), "formId_executedBy_workflowName_status"),
    ],
)
@pytest.mark.parametrize("window", [(), (Range("startedAt", "2025", "2026"), Range(SORT_KEY, "1", "2"))])
async def test_a_list_by_several_fields_merges_the_statuses(
    sqlite: SqliteBackend, filters: tuple[Filter, ...], index: str, window: tuple[Filter, ...]
) -> None:
    """Each is in order in an index; what has none of the statuses is in one by itself, which is empty."""
    query = Query("execution", ORGANIZATION, (*filters, *window))
    for position in (None, ["1"]):
        statement, parameters = queries.compile_page(query, position, NOW)
        found = await searches(sqlite, (statement, parameters))
        plan = await sqlite._connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)

        assert all(f"USING INDEX records_execution_{index} (scope=? AND <expr>=?" in step for step in found[:-1])
        assert ["USING INDEX records_execution_other_status (scope=?" in found[-1], 9] == [True, len(found)]
        assert not any("TEMP B-TREE" in str(step[3]) for step in plan)


@pytest.mark.parametrize("scope", [ORGANIZATION, OTHER_ORGANIZATION, None])
@pytest.mark.parametrize("limit", [1, 2, 500])
@pytest.mark.parametrize("is_cut", [False, True])
async def test_pages_of_several_statuses_are_one_list(sqlite: SqliteBackend, scope: Scope | None, limit: int, is_cut: bool) -> None:
    """What is read status by status comes in one order, each record once, also where a status is named twice, or a window cuts."""
    statuses = ("Failed", "Running", "Success", "Timeout")
    records = [
        execution(number, status=statuses[number % 4], scope=(ORGANIZATION, OTHER_ORGANIZATION)[number // 4 % 2])
        for number in range(24)
    ]
    await create_all(sqlite, records)
    window = (Range(SORT_KEY, ge=records[15].sort_key, lt=records[3].sort_key),) if is_cut else ()
    query = Query("execution", scope, (In("status", ("Timeout", "Failed", "Nothing", "Failed")), *window), limit)

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
