"""What SQLite's writes and errors become."""

# ruff: noqa: ASYNC240 - nothing else runs in the loop while a test looks at files and processes.

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.errors import map_error
from bifrost_store.core.operations import Apply, Create, Delete, Replace
from bifrost_store.core.record import Record
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    DocumentTooLargeError,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
)
from bifrost_store.wrappers.checked import CheckedBackend
from tests.unit.sqlite.records import NOW, execution, sql

pytestmark = pytest.mark.anyio


class TestApplyOver:
    async def test_over_exactly_what_was_read(self, backend: CheckedBackend) -> None:
        """With a native etag, an older version goes over exactly that state, tombstones included, and over no other."""
        stored = await backend.create(execution(), epoch=3)
        older = replace(execution(), version=Version(1, "f" * 32, 0))

        assert not await backend.apply(older)
        assert await backend.delete(stored.key, epoch=4)
        (page,) = [page async for page in backend.scan()]
        (tombstone,) = page.records
        assert (tombstone.is_tombstone, tombstone.version.age, tombstone.sort_key) == (True, (4, 2), stored.sort_key)
        assert not await backend.apply(older, over=stored.native_etag)
        assert await backend.apply(older, over=tombstone.native_etag)
        assert not await backend.apply(older, over=tombstone.native_etag)
        assert older == await backend.get(stored.key)

    async def test_batch_of_applies(self, backend: CheckedBackend) -> None:
        """In a batch, an apply that finds a newer version writes nothing and fails nothing."""
        stored = await backend.create(execution())
        newer = replace(execution(), version=Version(5, "a" * 32))

        assert await backend.batch([Apply(newer), Apply(replace(execution(2), version=Version(1, "b" * 32)))]) == [True, True]
        applied, deleted = await backend.batch([Apply(replace(newer, version=stored.version)), Delete(execution(2).key)])
        assert (applied, isinstance(deleted, Record)) == (False, True)
        with pytest.raises(StoreError) as raised:
            await backend.batch([Apply(replace(newer, version=Version(6, "c" * 32))), Replace(stored, stored.etag)])
        assert str(stored.key) in str(raised.value.key) if raised.value.key else True


class TestErrors:
    CODES = tuple(
        value
        for name, value in vars(sqlite3).items()
        if name.startswith("SQLITE_") and isinstance(value, int) and not name.startswith(("SQLITE_LIMIT", "SQLITE_DBCONFIG"))
    )

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("SQLITE_BUSY", BackendUnavailableError),
            ("SQLITE_BUSY_SNAPSHOT", BackendUnavailableError),
            ("SQLITE_LOCKED", BackendUnavailableError),
            ("SQLITE_CANTOPEN", ConfigurationError),
            ("SQLITE_NOTADB", ConfigurationError),
            ("SQLITE_READONLY", AccessDeniedError),
            ("SQLITE_PERM", AccessDeniedError),
            ("SQLITE_FULL", BackendError),
            ("SQLITE_IOERR_FSYNC", BackendError),
            ("SQLITE_CORRUPT", BackendError),
            ("SQLITE_TOOBIG", DocumentTooLargeError),
            ("SQLITE_MISUSE", BackendError),
        ],
    )
    def test_codes(self, name: str, expected: type[StoreError]) -> None:
        """Each result code has its class, and a message that names code and path but not SQLite's own text."""
        error = sqlite3.OperationalError("quotes a document")
        error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
        mapped = map_error(error, "/data/x.db", "get")

        assert expected is type(mapped)
        assert [text in str(mapped) for text in (name, "/data/x.db", "quotes")] == [True, True, False]

    def test_every_class_and_code_is_mapped(self) -> None:
        """Whatever sqlite3 can raise becomes an error of this library."""
        for kind in [value for value in vars(sqlite3).values() if isinstance(value, type) and issubclass(value, sqlite3.Error)]:
            assert isinstance(map_error(kind("x"), "p", "get"), BackendError)
            for code in self.CODES:
                error = kind("x")
                error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_X"
                assert isinstance(map_error(error, "p", "get"), StoreError)

    def test_a_failing_disk_leaves_a_write_unknown(self) -> None:
        """An error of the disk during a write says that the write may have been kept."""
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"

        assert isinstance(map_error(error, "p", "create", is_write=True), OutcomeUnknownError)

    @pytest.mark.usefixtures("leaves_no_worker")
    async def test_path_that_cannot_be_opened(self, tmp_path: Path) -> None:
        """A missing folder is a configuration error that names the path; nothing is made."""
        backend = SqliteBackend(str(tmp_path / "missing" / "x.db"), SPECS)
        with pytest.raises(ConfigurationError, match=r"missing/x\.db.*folder must exist"):
            await backend.provision()
        await backend.aclose()

        assert list(tmp_path.iterdir()) == []

    async def test_file_that_is_no_database(self, path: Path) -> None:
        """A file of another kind is refused and left as it is."""
        path.write_text("dear diary " * 100)
        backend = SqliteBackend(str(path), SPECS)
        with pytest.raises(ConfigurationError, match="not an SQLite database"):
            await backend.get(execution().key)
        await backend.aclose()

        assert path.read_text().startswith("dear diary")

    async def test_full_disk(self, sqlite: SqliteBackend) -> None:
        """A full disk fails the write as a whole, says what to do, and leaves the store readable."""
        stored = await sqlite.create(execution())
        ((pages,),) = await sqlite._connection.execute("PRAGMA page_count", {})
        await sqlite._connection.execute(f"PRAGMA max_page_count = {pages}", {})
        with pytest.raises(BackendError, match="disk is full"):
            await sqlite.batch([Create(execution(2)), Create(execution(3, inputData={"x": "y" * 100_000}))])

        assert await sqlite.get(execution(2).key) is None
        assert stored == await sqlite.get(stored.key)

    async def test_dropped_table(self, sqlite: SqliteBackend, path: Path) -> None:
        """A missing table names the command that makes it, and provision makes it."""
        await sqlite.provision()
        sql(path, "DROP TABLE records")
        with pytest.raises(NotProvisionedError, match="bifrost-store init"):
            await sqlite.get(execution().key)
        await sqlite.provision()

        assert await sqlite.get(execution().key) is None

    async def test_damaged_file(self, path: Path) -> None:
        """Ping finds a damaged file and says how to mend it."""
        backend = SqliteBackend(str(path), SPECS)
        await backend.batch([Create(execution(number, inputData={"x": "y" * 3000})) for number in range(30)])
        await backend.aclose()
        data = bytearray(path.read_bytes())
        data[-30_000:-10_000] = b"\xa5" * 20_000
        path.write_bytes(data)
        with pytest.raises(BackendError, match="damaged"):
            await backend_ping(path)


async def backend_ping(path: Path) -> str:
    backend = SqliteBackend(str(path), SPECS)
    try:
        return await backend.ping()
    finally:
        await backend.aclose()


class TestExpiry:
    async def test_purge_removes_for_good(self, backend: CheckedBackend, path: Path) -> None:
        """Purging removes expired records of the kind, oldest first, and neither tombstones nor what never expires."""
        for number in range(4):
            await backend.create(replace(execution(number), expires_at=NOW - timedelta(seconds=10 - number)))
        await backend.create(execution(7))
        await backend.create(execution(8))
        await backend.delete(execution(8).key)

        purged = [await backend.purge_expired(kind="execution", limit=3) for _ in range(3)]

        assert [sorted(record.key.id for record in records) for records in purged] == [["e-0", "e-1", "e-2"], ["e-3"], []]
        assert sql(path, "SELECT id FROM records ORDER BY id") == [("e-7",), ("e-8",)]

    async def test_purge_returns_what_it_could_not_read(self, backend: CheckedBackend, path: Path) -> None:
        """An expired record whose body cannot be read is purged too, and returned without its body."""
        for number in (1, 2):
            await backend.create(replace(execution(number), expires_at=NOW))
        sql(path, "UPDATE records SET body = '{'")
        sql(path, "UPDATE records SET scope = 'nobody''s' WHERE id = 'e-2'")
        (purged,) = await backend.purge_expired(kind="execution")

        assert (execution().key, {}) == (purged.key, purged.body)
        assert sql(path, "SELECT id FROM records") == []
