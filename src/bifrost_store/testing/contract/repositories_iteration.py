"""Every list that has pages, gone through whole: what `iterate` promises, one list after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Final
from unittest.mock import patch

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.errors import CorruptDocumentError, DocumentNotFoundError, InvalidRequestError
from bifrost_store.protocols import ExecutionFilter, LogLine
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, audit_event, execution, legacy_row
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class PagedList:
    """A list: its records by number, which is their order; what goes through it; what spoils a record, if that can be written."""

    record: Callable[[int], Record]
    newest_first: bool
    iterate: Callable[..., AsyncIterator[Any]]
    spoilt: dict[str, Any]


LISTS: Final = {
    "executions": PagedList(
        lambda number: execution(number, scope=ORGANIZATION),
        True,
        lambda repositories, **options: repositories.executions.iterate(ORGANIZATION, **options),
        {"status": "Exploded"},
    ),
    "audit": PagedList(
        lambda number: audit_event(number, moment=START - timedelta(hours=30) + timedelta(hours=5 * number)),
        True,
        lambda repositories, **options: repositories.audit.iterate(ORGANIZATION, since=START - timedelta(days=3), **options),
        {"eventType": 5},
    ),
    "legacy_rows": PagedList(
        lambda number: legacy_row(f"audit:{number:03}", scope=ORGANIZATION),
        False,
        lambda repositories, **options: repositories.legacy_rows.iterate(ORGANIZATION, **options),
        {},
    ),
}
pages = pytest.mark.parametrize("paged", LISTS.values(), ids=LISTS)


async def _create(backend: Backend, records: Iterable[Record]) -> None:
    for record in records:
        await backend.create(record)


def shown(paged: PagedList, numbers: Sequence[int]) -> list[str]:
    """Return the ids of records as the list shows them."""
    return [paged.record(number).key.id for number in sorted(numbers, reverse=paged.newest_first)]


@pages
@pytest.mark.parametrize("size", [1, 3, 7, 500])
async def test_everything_is_met_once(store: StoreUnderTest, repositories: Repositories, paged: PagedList, size: int) -> None:
    """Whatever the size of pages, each item is met once, in the order of the list; none of another scope."""
    await _create(store.backend, [paged.record(number) for number in range(7)])
    await store.backend.create(execution(90, scope=OTHER_ORGANIZATION))

    assert shown(paged, range(7)) == [one.record.key.id async for one in paged.iterate(repositories, page_size=size)]


@pages
async def test_nothing_there(repositories: Repositories, paged: PagedList) -> None:
    """Of an empty list nothing is met."""
    assert [] == [one async for one in paged.iterate(repositories)]


@pages
async def test_a_page_is_read_when_it_is_needed(store: StoreUnderTest, repositories: Repositories, paged: PagedList) -> None:
    """Nothing is asked before the first item is wanted, nor for a second page before the first is used up."""
    await _create(store.backend, [paged.record(number) for number in range(7)])
    asked = count()
    query = type(store.backend).query

    async def counted(backend: Backend, wanted: Query) -> Any:
        next(asked)
        return await query(backend, wanted)

    with patch.object(type(store.backend), "query", counted):
        items = paged.iterate(repositories, page_size=3)
        seen = [next(asked)]
        for _ in range(4):
            await anext(items)
            seen.append(next(asked))

    assert [0, 2, 3, 4, 6] == seen  # each look counts too


@pages
async def test_what_changes_meanwhile(store: StoreUnderTest, repositories: Repositories, paged: PagedList) -> None:
    """Items that others add before the place reached are not met, and none is met twice or left out."""
    await _create(store.backend, [paged.record(number) for number in range(2, 8)])
    met = []
    async for one in paged.iterate(repositories, page_size=2):
        met.append(one.record.key.id)
        if len(met) == 2:
            await store.backend.create(paged.record(9 if paged.newest_first else 1))

    assert shown(paged, range(2, 8)) == met


@pytest.mark.parametrize("paged", [paged for paged in LISTS.values() if paged.spoilt], ids=["executions", "audit"])
async def test_what_cannot_be_read(store: StoreUnderTest, repositories: Repositories, paged: PagedList) -> None:
    """A record that cannot be read ends the iteration after the others of its page; with somebody to tell, it goes on."""
    records = [paged.record(number) for number in range(6)]
    bad = records[3]
    await _create(store.backend, [one for one in records if one is not bad])
    await store.backend.create(bad.with_body({**bad.body, **paged.spoilt}))
    readable = [id_ for id_ in shown(paged, range(6)) if id_ != bad.key.id]
    told: list[CorruptDocumentError] = []
    everything = [one.record.key.id async for one in paged.iterate(repositories, page_size=3, on_unreadable=told.append)]
    met: list[str] = []

    async def meet() -> None:
        async for one in paged.iterate(repositories, page_size=3):
            met.append(one.record.key.id)  # noqa: PERF401 - what was met before the error counts

    with pytest.raises(CorruptDocumentError) as caught:
        await meet()

    assert readable == everything
    assert [bad.key.id] == [error.document[2] for error in told if error.document is not None]
    assert str(told[0]) == str(caught.value)
    assert readable[: len(met)] == met
    assert len(met) in (2, 3)  # a page may be filled up with what follows


@pages
@pytest.mark.parametrize("size", [0, 501, True, "10"])
async def test_bad_sizes(repositories: Repositories, paged: PagedList, size: Any) -> None:
    """A page has 1 to 500 items."""
    with pytest.raises(InvalidRequestError, match="limit"):
        await anext(paged.iterate(repositories, page_size=size))


async def test_filters_are_kept(store: StoreUnderTest, repositories: Repositories) -> None:
    """Every page is of the same question: users, types and tables that were asked for."""
    await _create(store.backend, [execution(number, executedBy=("a", "b")[number % 2]) for number in range(6)])
    await _create(store.backend, [legacy_row(f"r:{number}", table=("Entities", "Config")[number % 2]) for number in range(6)])
    runs = repositories.executions.iterate(ORGANIZATION, ExecutionFilter(user="a"), page_size=2)
    rows = repositories.legacy_rows.iterate(GLOBAL, table="Config", page_size=2)

    assert ["e-4", "e-2", "e-0"] == [one.record.key.id async for one in runs]
    assert ["r:1", "r:3", "r:5"] == [one.row_key async for one in rows]


async def test_items_of_a_run(repositories: Repositories) -> None:
    """What a run left is gone through in the order of its items, and searched; of a run that is not there nothing."""
    run = await repositories.executions.create(ORGANIZATION, workflow_name="w", executed_by="a", executed_by_name="A")
    lines = [{"timestamp": f"2025-01-26T10:00:{number:02}Z", "level": "info", "message": f"line {number}"} for number in range(8)]
    run = await repositories.executions.save_logs(run, lines)
    await repositories.executions.complete(run, "Success")  # type: ignore[arg-type]
    data = repositories.execution_data
    items = [item async for item in data.iterate(ORGANIZATION, run.execution_id, types=["log"], page_size=3)]
    found = [line async for line in data.iterate_found(ORGANIZATION, run.execution_id, "LINE 7", page_size=3)]

    assert [f"line {number}" for number in range(8)] == [item.message for item in items if isinstance(item, LogLine)]
    assert ["line 7"] == [line.message for line in found]
    with pytest.raises(DocumentNotFoundError):
        await anext(data.iterate(ORGANIZATION, "nobody"))
