"""What the benchmark puts past a store's front door is what would have come through it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bench.runs import ended_runs, fill_emulator, fill_sqlite
from bifrost_store import StoreSettings, open_store
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION

pytestmark = pytest.mark.anyio

ATTEMPT = Attempt()


def runs() -> list[Record]:
    return list(ended_runs(60, ORGANIZATION, newest=START, span=timedelta(days=90)))


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


async def test_runs_in_a_file_are_those_that_create_stores(tmp_path: Path) -> None:
    """Every column of every row is the same, and so are the changes that feeds tell of."""
    own, filled = tmp_path / "own.db", tmp_path / "filled.db"
    backend = SqliteBackend(str(own), SPECS)
    for record in runs():
        await backend.write([Create(record)], attempt=ATTEMPT)
    await backend.aclose()

    assert await fill_sqlite(filled, runs(), ATTEMPT) == 60
    for statement in (
        "SELECT * FROM records ORDER BY id",
        "SELECT number, feed, kind, place, id, write_id, size FROM changes ORDER BY number",
        "SELECT type, name, sql FROM sqlite_master ORDER BY name",
    ):
        assert rows(own, statement) == rows(filled, statement)


async def test_documents_in_the_emulator_are_those_that_create_stores(tmp_path: Path) -> None:
    """Every body is the same to the byte, where it lies too, and what is stored next follows."""
    own, filled = tmp_path / "own.db", tmp_path / "filled.db"
    for path in (own, filled):
        async with CosmosEmulator(data=path) as emulator, open_store(settings(emulator, tmp_path)) as store:
            await store.provision()
            for record in runs() if path == own else ():
                await store.backend.write([Create(record)], attempt=ATTEMPT)
    assert fill_emulator(filled, StoreSettings().cosmos_database, runs(), ATTEMPT) == 60
    async with CosmosEmulator(data=filled) as emulator, open_store(settings(emulator, tmp_path)) as store:
        (after,) = ended_runs(1, ORGANIZATION, newest=START + timedelta(days=1), span=timedelta(days=1))
        (counted,) = await store.backend.aggregate(Query("execution", ORGANIZATION), group_by=())
        with pytest.raises(Exception, match="exists already"):
            await store.backend.create(after)

    (table,) = [name for (name,) in rows(own, "SELECT name FROM sqlite_master WHERE type = 'table'") if holds(own, name)]
    assert counted.count == 60
    assert documents(own, table) == documents(filled, table)


def documents(path: Path, table: str) -> list[tuple[Any, ...]]:
    """Return what is stored of items, but for who wrote them: the route says that."""
    found = rows(path, f"SELECT epk, id, ttl, body FROM {table} ORDER BY id")
    return [(*rest, re.sub('"writeId":"[0-9a-f]{32}"', "", body)) for *rest, body in found]


def holds(path: Path, table: str) -> bool:
    return table.startswith("items_") and rows(path, f"SELECT count(*) FROM {table}") == [(60,)]


def settings(emulator: CosmosEmulator, folder: Path) -> StoreSettings:
    return StoreSettings(
        backend="cosmos", cosmos_connection_string=SecretStr(emulator.connection_string), blob_folder=str(folder / "blobs")
    )
