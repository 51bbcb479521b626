"""Writes of one process that wait for the same SQLite file: they share a transaction, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

from bifrost_store.backends.sqlite import turns as turns_module
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS, Apply, Create
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, DocumentExistsError, StoreError
from bifrost_store.testing.examples import execution

pytestmark = pytest.mark.anyio

ORGANIZATION = Scope.organization("o-1")


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[SqliteBackend]:
    backend = SqliteBackend(str(tmp_path / "store.db"), SPECS)
    await backend.provision()
    yield backend
    await backend.aclose()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns the first words of what is carried out from now on."""
    found: list[str] = []
    fetch = turns_module._fetch

    def noted(connection: sqlite3.Connection, sql: str, parameters: Any) -> Any:
        found.append(sql.split(maxsplit=1)[0])
        return fetch(connection, sql, parameters)

    monkeypatch.setattr(turns_module, "_fetch", noted)
    return found


def runs(first: int, count: int, revision: int = 1) -> list[Record]:
    version = Version(revision, "0" * 32)
    return [replace(execution(first + number, scope=ORGANIZATION), version=version) for number in range(count)]


async def while_one_writes(backend: SqliteBackend, *writes: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Return what became of *writes*, all of which waited for the same write to end."""
    goes_on = Event()
    outcomes: dict[int, Any] = {}

    async def note(number: int) -> None:
        try:
            outcomes[number] = await writes[number]()
        except StoreError as error:
            outcomes[number] = error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(backend._connection.write, lambda execute: goes_on.wait() or [])
        await anyio.wait_all_tasks_blocked()
        for number in range(len(writes)):
            tasks.start_soon(note, number)
        await anyio.wait_all_tasks_blocked()
        goes_on.set()
    return [outcomes[number] for number in range(len(writes))]


async def test_writes_that_wait_are_committed_together(backend: SqliteBackend, statements: list[str]) -> None:
    """Three batches and a create: one transaction, one wait for the disk."""
    batches = [[Apply(record) for record in runs(first, 3)] for first in (10, 20, 30)]

    outcomes = await while_one_writes(
        backend, *(lambda batch=batch: backend.batch(batch) for batch in batches), lambda: backend.create(runs(40, 1)[0])
    )

    assert [[True] * 3] * 3 == outcomes[:3]
    assert ["BEGIN", *["SELECT", "INSERT"] * 3, "INSERT", "COMMIT"] == statements
    stored = await backend.stored_all([record.key for first in (10, 20, 30) for record in runs(first, 3)])
    assert None not in stored
    assert outcomes[3].version == (await backend.stored(runs(40, 1)[0].key)).version  # type: ignore[union-attr]


async def test_one_that_fails_takes_no_other_with_it(backend: SqliteBackend) -> None:
    """Only the writer of what was there already hears of it; of its batch nothing is stored."""
    await backend.create(runs(0, 1)[0])

    outcomes = await while_one_writes(
        backend,
        lambda: backend.create(runs(1, 1)[0]),
        lambda: backend.batch([Create(record) for record in (*runs(50, 2), *runs(0, 1))]),
        lambda: backend.create(runs(2, 1)[0]),
    )

    assert ["Record", "DocumentExistsError", "Record"] == [type(outcome).__name__ for outcome in outcomes]
    assert isinstance(outcomes[1], DocumentExistsError)
    found = await backend.stored_all([record.key for record in (*runs(0, 3), *runs(50, 2))])
    assert [True, True, True, False, False] == [record is not None for record in found]


async def test_a_commit_that_fails_fails_for_all(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that something was written that was not."""
    fetch = turns_module._fetch

    def fail(connection: sqlite3.Connection, sql: str, parameters: Any) -> Any:
        if sql == "COMMIT":
            error = sqlite3.OperationalError("busy")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return fetch(connection, sql, parameters)

    monkeypatch.setattr(turns_module, "_fetch", fail)
    outcomes = await while_one_writes(backend, *(lambda one=one: backend.create(one) for one in runs(0, 3)))

    assert [BackendUnavailableError] * 3 == list(map(type, outcomes))
    assert [None] * 3 == await backend.stored_all([record.key for record in runs(0, 3)])


@pytest.mark.parametrize("cancelled", range(3))
async def test_whoever_is_cancelled_leaves_the_others_their_answers(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch, cancelled: int
) -> None:
    """Cancelled while all are carried out, by whoever comes first: each is stored, and the others hear of it."""
    fetch, token = turns_module._fetch, anyio.lowlevel.current_token()
    scopes = [anyio.CancelScope() for _ in range(3)]
    answered: list[int] = []

    def cancel(connection: sqlite3.Connection, sql: str, parameters: Any) -> Any:
        if sql == "COMMIT":
            anyio.from_thread.run_sync(scopes[cancelled].cancel, token=token)
        return fetch(connection, sql, parameters)

    async def create(number: int) -> None:
        with scopes[number]:
            await backend.create(runs(number, 1)[0])
            answered.append(number)

    monkeypatch.setattr(turns_module, "_fetch", cancel)
    await while_one_writes(backend, *(lambda number=number: create(number) for number in range(3)))

    assert [number for number in range(3) if number != cancelled] == sorted(answered)
    assert None not in await backend.stored_all([record.key for record in runs(0, 3)])


async def test_a_batch_of_new_records_is_few_statements(backend: SqliteBackend) -> None:
    """Beginning, a look at what is there, what stores all of it, and the commit; to read all of them again is one."""
    records = runs(0, MAX_BATCH_OPERATIONS)
    with count_requests() as requests:
        assert [True] * MAX_BATCH_OPERATIONS == await backend.batch([Apply(record) for record in records])
    assert requests == {"sqlite": 4}

    with count_requests() as requests:
        stored = await backend.stored_all([record.key for record in records])
    assert records == stored
    assert requests == {"sqlite": 1}


async def test_what_is_there_is_compared_record_by_record(backend: SqliteBackend) -> None:
    """Of a batch, what is missing or newer is written, and the answer says which."""
    await backend.batch([Apply(record) for record in (*runs(0, 2, 3), *runs(2, 1, 1))])

    written = await backend.batch([Apply(record) for record in runs(0, 4, 2)])

    assert [False, False, True, True] == written
    stored = await backend.stored_all([record.key for record in runs(0, 4)])
    assert [3, 3, 2, 2] == [record and record.version.revision for record in stored]
