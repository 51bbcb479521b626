"""What lists and look-ups read on SQLite does not grow with what is stored: counted in steps of its virtual machine."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain, combinations, product
from typing import Final

import pytest

from bifrost_store.backends.sqlite import queries
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.page import Page
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, In, Query, Range, matches
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import SPECS, ExecutionStatus
from bifrost_store.testing import examples
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, execution

pytestmark = pytest.mark.anyio

RUNS: Final = 1_000
LIMIT: Final = 5
MOST: Final = 2_500
"""Steps of a page of five; to look at a thousand runs SQLite takes 5,000 and more."""


async def steps(backend: SqliteBackend, query: Query) -> tuple[Page[Record], int]:
    """Return a page, and how many steps it took, to the last hundred."""
    connection = backend._connection._reader.opened()
    count = 0

    def hundred() -> None:
        nonlocal count
        count += 100

    await connection.set_progress_handler(hundred, 100)
    try:
        return await backend.query(query), count
    finally:
        await connection.set_progress_handler(lambda: None, 0)


def lists(values: Sequence[str], window: tuple[Filter, ...]) -> Iterator[tuple[Filter, ...]]:
    """Yield every combination of filters by fields and statuses."""
    fields = list(map(Eq, ("executedBy", "workflowName", "formId"), values))
    statuses = (None, ("Cancelled",), ("Failed",), ("Timeout", "Success"), tuple(map(str, ExecutionStatus)))
    for some, names in product(chain.from_iterable(combinations(fields, size) for size in range(4)), statuses):
        yield (*some, *(() if names is None else (In("status", names),)), *window)


@pytest.fixture(scope="module", params=range(2))
async def runs(request: pytest.FixtureRequest) -> AsyncIterator[tuple[SqliteBackend, list[Record]]]:
    """Runs by two users, workflows and forms, some by no form, and a few of statuses that there are not; many of the ways in which
    these may meet never occur, though each of them is common.
    """
    draw = random.Random(request.param)
    ways = draw.sample(list(product("ab", "vw", ("f", "g", None), ("Success", "Failed", "Running"))), 14)
    records = [
        execution(number, executedBy=user, workflowName=workflow, formId=form, status=status, scope=ORGANIZATION)
        for number in range(RUNS)
        for user, workflow, form, status in [ways[number % len(ways)]]
    ]
    for number, status in ((RUNS, "Odd"), (RUNS + 1, None), (RUNS + 2, "Zero")):
        records.append(execution(number, executedBy="a", workflowName="v", formId="f", status=status))
    backend = SqliteBackend(":memory:", SPECS)
    await create_all(backend, records)
    await create_all(backend, [execution(number, scope=OTHER_ORGANIZATION) for number in range(20)])
    yield backend, sorted(records, key=lambda one: one.sort_key)
    await backend.aclose()


async def test_a_page_of_any_combination_of_filters_reads_what_it_shows(runs: tuple[SqliteBackend, list[Record]]) -> None:
    """Whether none, few or most runs meet it: first page and the next, in windows too; and it is the right page."""
    backend, records = runs
    middle, last = records[RUNS // 2].sort_key, records[-1].sort_key
    windows: list[tuple[Filter, ...]] = [(), (Range(SORT_KEY, middle, last),)]
    for window, values in product(windows, product("ab", "v", ("f", "none"))):
        for filters in lists(values, window):
            expected = [one.key for one in records if matches(one, filters)]
            query = Query("execution", ORGANIZATION, filters, LIMIT)
            for start in (0, LIMIT):
                page, count = await steps(backend, query)
                assert expected[start : start + LIMIT] == [one.key for one in page]
                assert count < MOST, filters
                if page.continuation_token is None:
                    break
                query = replace(query, continuation_token=page.continuation_token)
            assert (page.continuation_token is None) == (len(expected) <= start + LIMIT)


def day(number: int) -> str:
    return (START + timedelta(days=number)).date().isoformat()


OTHERS: Final = 600
SEVENTH: Final[dict[str, tuple[Callable[[int], Record], Scope | None, tuple[Filter, ...]]]] = {
    "audit": (lambda n: examples.audit_event(n, eventType=f"type-{n}"), ORGANIZATION, (Eq("eventType", "type-7"),)),
    "users": (lambda n: examples.user(f"{n}@x.example", entraUserId=f"entra-{n}"), GLOBAL, (Eq("entraUserId", "entra-7"),)),
    "users by address": (lambda n: examples.user(f"{n}@x.example"), GLOBAL, (Eq("userType", "ORG"), In(ID, ("7@x.example", "x")))),
    "memberships": (lambda n: examples.membership(f"{n}@x.example"), None, (Eq("email", "7@x.example"),)),
    "keys": (lambda n: examples.api_key(f"k-{n}", workflowId=f"w-{n}"), GLOBAL, (In("workflowId", ("w-7", None)),)),
    "roles of a user": (lambda n: examples.role_user(f"{n}@x.example"), ORGANIZATION, (Eq("userId", "7@x.example"),)),
    "users of roles": (lambda n: examples.role_user(role_id=f"r-{n}"), ORGANIZATION, (In("roleId", ("r-7", "r-x")),)),
    "roles of a form": (lambda n: examples.role_form(f"f-{n}"), ORGANIZATION, (Eq("formId", "f-7"),)),
    "forms of roles": (lambda n: examples.role_form(role_id=f"r-{n}"), ORGANIZATION, (In("roleId", ("r-7", "r-x")),)),
    "forms": (lambda n: examples.form(f"f-{n}", linkedWorkflow=f"w-{n}"), ORGANIZATION, (Eq("linkedWorkflow", "w-7"),)),
    "organizations": (lambda n: examples.organization(f"o-{n}", domain=f"x-{n}"), GLOBAL, (Eq("domain", "x-7"),)),
    "rows": (lambda n: examples.legacy_row(table=f"Table{n}"), GLOBAL, (Eq("table", "Table7"),)),
    "metrics": (lambda n: examples.metrics(f"daily-{day(n)}"), None, (Eq("date", day(7)),)),
    "metrics by id": (lambda n: examples.metrics(f"daily-{day(n)}"), None, (Eq(ID, f"daily-{day(7)}"),)),
    "runs by id": (execution, None, (In(ID, ("e-7", "e-x")),)),
    "runs by status": (lambda n: execution(n, status="Failed" if n == 7 else "Success"), None, (Eq("status", "Failed"),)),
}


@pytest.mark.parametrize("name", SEVENTH)
async def test_what_is_looked_up_is_found_without_the_others(name: str) -> None:
    """One of hundreds, in a scope or in all."""
    make, scope, filters = SEVENTH[name]
    backend = SqliteBackend(":memory:", SPECS)
    stored = await create_all(backend, [make(number) for number in range(OTHERS)])
    page, count = await steps(backend, Query(stored[7].key.kind, scope, filters, 500))
    await backend.aclose()

    assert [stored[7].key] == [one.key for one in page]
    assert count < OTHERS


def test_the_statuses_of_runs_are_those_that_indexes_know() -> None:
    """Else runs of a new status would all be looked at."""
    assert set(ExecutionStatus) == set(queries._STATUSES)
