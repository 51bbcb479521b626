"""What lists and look-ups read on SQLite does not grow with what is stored: counted in steps of its virtual machine."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, combinations, product
from typing import Any, Final, TypeVar

import pytest

from bifrost_store.backends.sqlite import queries
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.clock import reverse_timestamp
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, In, Query, Range, matches
from bifrost_store.core.record import Key, Record, default_sort_key
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import SPECS, ExecutionStatus
from bifrost_store.testing import examples
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, execution

T = TypeVar("T")
pytestmark = pytest.mark.anyio

RUNS: Final = 1_000
LIMIT: Final = 5
MOST: Final = 2_500
"""Steps of a page of five; to look at a thousand runs SQLite takes 5,000 and more."""


async def steps(backend: SqliteBackend, answer: Awaitable[T]) -> tuple[T, int]:
    """Return an answer of the store, and how many steps it took, to the last hundred."""
    connection = backend._connection._reader.opened()
    count = 0

    def hundred() -> None:
        nonlocal count
        count += 100

    await connection.set_progress_handler(hundred, 100)
    try:
        return await answer, count
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
                page, count = await steps(backend, backend.query(query))
                assert expected[start : start + LIMIT] == [one.key for one in page]
                assert count < MOST, filters
                if page.continuation_token is None:
                    break
                query = replace(query, continuation_token=page.continuation_token)
            assert (page.continuation_token is None) == (len(expected) <= start + LIMIT)


def day(number: int) -> str:
    return (START + timedelta(days=number)).date().isoformat()


def audit(number: int, **fields: Any) -> Record:
    """Return an event of its own minute, in one of four scopes."""
    return examples.audit_event(number, scope=SCOPES[number % 4], moment=minute(number), **fields)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def dead_letter(number: int, processor: str) -> Record:
    return Record(Key("feed_dead_letter", SYSTEM, f"{number:032x}"), {"processor": processor})


OTHERS: Final = 600
SCOPES: Final = (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION, Scope("org-z"))
DUE: Final = Range("nextRunAt", None, day(1))
IN_USE: Final = Eq("isRevoked", False)
WINDOW: Final = Range(SORT_KEY, reverse_timestamp(minute(7)), reverse_timestamp(minute(7)) + "`")
ENDED: Final = Range("completedAt", day(7), day(8))
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
    "schedules that are due": (lambda n: examples.schedule(f"w-{n}", nextRunAt=day(n + 1 if n != 7 else 0)), GLOBAL, (DUE,)),
    "keys in use": (lambda n: examples.api_key(f"k-{n}", isRevoked=n != 7), GLOBAL, (IN_USE,)),
    "keys in use, of a user": (
        lambda n: examples.api_key(f"k-{n}", isRevoked=n != 7, createdBy="a"),
        GLOBAL,
        (IN_USE, Eq("createdBy", "a")),
    ),
    "keys in use, of a workflow": (
        lambda n: examples.api_key(f"k-{n}", workflowId=f"w-{n}"),
        GLOBAL,
        (IN_USE, Eq("workflowId", "w-7")),
    ),
    "dead letters": (lambda n: dead_letter(n, "p" if n == 7 else "q"), SYSTEM, (Eq("processor", "p"),)),
    "audit of a window, in all scopes": (audit, None, (WINDOW,)),
    "audit of a window and a type, in all scopes": (
        lambda n: examples.audit_event(n, moment=minute(7), eventType=f"type-{n}"),
        None,
        (WINDOW, Eq("eventType", "type-7")),
    ),
    "runs that ended in a window, in all scopes": (lambda n: execution(n, completedAt=day(n) + "T02"), None, (ENDED,)),
    "runs by id": (execution, None, (In(ID, ("e-7", "e-x")),)),
    "runs by status": (lambda n: execution(n, status="Failed" if n == 7 else "Success"), None, (Eq("status", "Failed"),)),
}


NOT_INDEXED: Final = {
    "config": {"configType": "nobody asks"},
    "execution": {"startedAt": "comes with a range of sort keys", "durationMs": "is summed"},
    "feed_lease": {"processor": "there are as many as ranges of feeds"},
    "form": {"isActive": "few in a scope", "accessLevel": "nobody asks"},
    "journal": dict.fromkeys(("recordKind", "recordScope", "writer"), "it is read whole"),
    "organization": {"isActive": "most are"},
    "role": {"isActive": "few in a scope"},
    "user": {"userType": "comes with addresses", **dict.fromkeys(("isActive", "isPlatformAdmin"), "nobody asks")},
}
"""Fields that queries may name and no index has, by kind, and why that does."""


def in_order(record: Record) -> Record:
    """Return *record* with the sort key that it is stored with."""
    return record if record.sort_key else replace(record, sort_key=default_sort_key(record.key.id))


@pytest.mark.parametrize("name", SEVENTH)
async def test_what_is_looked_up_is_found_without_the_others(name: str) -> None:
    """One of hundreds, in a scope or in all."""
    make, scope, filters = SEVENTH[name]
    backend = SqliteBackend(":memory:", SPECS)
    stored = await create_all(backend, [in_order(make(number)) for number in range(OTHERS)])
    query = Query(stored[7].key.kind, scope, filters, 500)
    page, count = await steps(backend, backend.query(query))
    await backend.aclose()

    assert [stored[7].key] == [one.key for one in page]
    assert count < OTHERS


@pytest.mark.parametrize("scope", [ORGANIZATION, None])
async def test_runs_that_ended_in_a_window_are_counted_without_the_others(scope: Scope | None) -> None:
    """Of one scope and of all, as a dashboard of the whole platform counts them, one period after the other."""
    backend = SqliteBackend(":memory:", SPECS)
    await create_all(backend, [execution(number, completedAt=day(number) + "T02") for number in range(OTHERS)])
    groups, count = await steps(backend, backend.aggregate(Query("execution", scope, (ENDED,)), group_by=("status",)))
    await backend.aclose()

    assert [1] == [group.count for group in groups]
    assert count < OTHERS


@pytest.mark.parametrize("filters", [(), (Eq("eventType", "a"),)])
@pytest.mark.parametrize("limit", [LIMIT, 7, 50])
async def test_pages_of_a_window_in_all_scopes_read_what_they_show(filters: tuple[Filter, ...], limit: int) -> None:
    """The first and every later one; together they are all of it, scope by scope."""
    backend = SqliteBackend(":memory:", SPECS)
    stored = await create_all(backend, [in_order(audit(n, eventType="a" if n % 9 else "b")) for n in range(OTHERS)])
    window = Range(SORT_KEY, reverse_timestamp(minute(400)), reverse_timestamp(minute(200)))
    query = Query("audit_event", None, (window, *filters), limit)
    found: list[Key] = []
    while True:
        page, count = await steps(backend, backend.query(query))
        found += [one.key for one in page]
        assert count < 100 * (limit + 10)
        if page.continuation_token is None:
            break
        query = replace(query, continuation_token=page.continuation_token)
    await backend.aclose()

    expected = [one for one in stored if matches(one, query.filters)]
    assert [one.key for one in sorted(expected, key=lambda one: (one.key.scope.value, one.sort_key))] == found


def test_every_field_that_a_query_may_name_is_decided_about() -> None:
    """There is an index, which the tests above hold, or a reason why there is none."""
    looked_up = {"execution": {"executedBy", "workflowName", "formId", "status"}}
    for make, _, filters in SEVENTH.values():
        looked_up.setdefault(make(1).key.kind, set()).update(one.field for one in filters)

    for kind, spec in SPECS.items():
        decided = looked_up.get(kind, set()) - {ID, SORT_KEY} | NOT_INDEXED.get(kind, {}).keys()
        assert spec.queryable - {ID, SORT_KEY} == decided & spec.queryable, kind


def test_the_statuses_of_runs_are_those_that_indexes_know() -> None:
    """Else runs of a new status would all be looked at."""
    assert set(ExecutionStatus) == set(queries._STATUSES)
