"""What is special to the feeds of SQLite: numbers by triggers, one range, pages that end at a size."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.feed import SqliteFeed
from bifrost_store.core.feed import WHOLE, FeedRange
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import Create
from bifrost_store.core.record import NEVER, Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import InvalidContinuationTokenError, InvalidRequestError, NotProvisionedError
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import config, execution, touched

pytestmark = pytest.mark.anyio


@pytest.fixture
async def backend(path: Path) -> AsyncIterator[SqliteBackend]:
    opened = SqliteBackend(str(path), SPECS)
    yield opened
    await opened.aclose()


@pytest.fixture
def feed(backend: SqliteBackend) -> SqliteFeed:
    return backend.feed


def sql(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


def ids(items: object) -> list[str]:
    assert isinstance(items, tuple)
    return [item.key.id for item in items]


async def test_there_is_one_range(feed: SqliteFeed) -> None:
    """All of a feed is one range, and another one is refused."""
    assert [WHOLE] == await feed.ranges("entities")
    for call in (feed.items("entities", FeedRange("", "7F")), feed.tip("entities", FeedRange("", "7F"))):
        with pytest.raises(InvalidRequestError, match="range"):
            await call


async def test_a_page_is_one_statement(backend: SqliteBackend, feed: SqliteFeed) -> None:
    """Once the database is known, items and a tip are one statement each."""
    await backend.create(config())
    position = (await feed.items("entities", WHOLE)).position
    with count_requests() as requests:
        await feed.items("entities", WHOLE, position)
        await feed.tip("entities", WHOLE)
    assert {"sqlite": 2} == requests


async def test_a_page_ends_at_a_size(backend: SqliteBackend, feed: SqliteFeed) -> None:
    """Large items come few at a time, one at least; a batch of them is not cut."""
    large = {"kind": "large"} | {str(number): "x" * 100_000 for number in range(3)}
    for number in range(14):
        await backend.create(execution(number, inputData={"a": large, "b": large}))
    first = await feed.items("executions", WHOLE, limit=500)
    assert 1 < len(first.items) < 14
    assert not first.is_drained
    found, page = ids(first.items), first
    while not page.is_drained:
        page = await feed.items("executions", WHOLE, page.position, limit=500)
        assert page.items
        found += ids(page.items)
    assert [f"e-{number}" for number in range(14)] == found

    await backend.batch([Create(execution(number, inputData=large)) for number in range(20, 40)])
    assert 20 == len((await feed.items("executions", WHOLE, page.position, limit=1)).items)


async def test_lag_is_counted(backend: SqliteBackend, feed: SqliteFeed) -> None:
    """A page tells how many items come after it, of its feed alone."""
    for number in range(5):
        await backend.create(config(f"c-{number}"))
    await backend.create(execution())
    page = await feed.items("entities", WHOLE, limit=2)
    assert (3, False) == (page.lag_items, page.is_drained)


async def test_what_was_purged_leaves_nothing(backend: SqliteBackend, path: Path) -> None:
    """With a record its change goes, so that the table has one row for each that is there."""
    await create_all(backend, [config(name, expires_at=NEVER if name == "a" else START) for name in "abc"])
    await backend.purge_expired(kind="config")
    assert [("a",)] == sql(path, "SELECT id FROM changes")


async def test_a_database_that_was_put_back(backend: SqliteBackend, feed: SqliteFeed, path: Path) -> None:
    """A position ahead of what it holds by now is refused, where nothing would be told of what takes its numbers again."""
    await backend.create(config("old"))
    await backend.aclose()
    shutil.copy(path, path.with_suffix(".copy"))
    later = SqliteBackend(str(path), SPECS)
    await create_all(later, [config(f"c-{number}") for number in range(3)])
    position = await later.feed.tip("entities", WHOLE)
    await later.aclose()
    path.with_suffix(".copy").replace(path)
    again = SqliteBackend(str(path), SPECS)
    with pytest.raises(InvalidContinuationTokenError, match="put back"):
        await again.feed.items("entities", WHOLE, position)
    await again.aclose()


async def test_a_file_that_was_made_anew(backend: SqliteBackend, feed: SqliteFeed, tmp_path: Path) -> None:
    """Its feed takes no positions of the one that had its name."""
    await backend.create(config())
    position = await feed.tip("entities", WHOLE)
    other = SqliteBackend(str(tmp_path / "other.db"), SPECS)
    await other.create(config())
    with pytest.raises(InvalidContinuationTokenError, match="another store"):
        await other.feed.items("entities", WHOLE, position)
    await other.aclose()


async def test_an_unreadable_row_is_named(backend: SqliteBackend, feed: SqliteFeed, path: Path) -> None:
    """It hides no other, and the error names it."""
    await create_all(backend, [config(name) for name in "abc"])
    sql(path, "UPDATE records SET body = '[' WHERE id = 'b'")
    page = await feed.items("entities", WHOLE)
    assert ["a", "c"] == ids(page.items)
    (error,) = page.unreadable
    assert "'b'" in str(error)
    assert ["b"] == [error.document[2] for error in page.unreadable if error.document]


async def test_pages_are_read_by_the_index(backend: SqliteBackend) -> None:
    """However many changes there are, a page looks at no more than it may hold."""
    await backend.provision()
    from bifrost_store.backends.sqlite.feed import _RECORDS

    parameters: dict[str, str | int | float | bytes | None] = {"feed": "entities", "after": 0, "limit": 10}
    plan = [row[3] for row in await backend._connection.read(f"EXPLAIN QUERY PLAN {_RECORDS}", parameters)]
    looks = [line for line in plan if "changes" in line or "records" in line]
    assert looks
    assert all(line.startswith("SEARCH") for line in looks)


async def test_a_missing_table_says_what_to_do(backend: SqliteBackend, feed: SqliteFeed, path: Path) -> None:
    """Somebody who drops the table of changes is told to provision, which makes it and fills it."""
    stored = await backend.create(config())
    sql(path, "DROP TABLE changes")
    for call in (lambda: feed.items("entities", WHOLE), lambda: backend.replace(touched(stored), stored.etag)):
        with pytest.raises(NotProvisionedError, match="init"):
            await call()
    await backend.provision()
    (item,) = (await feed.items("entities", WHOLE)).items
    assert isinstance(item, Record)
    assert stored.version == item.version
