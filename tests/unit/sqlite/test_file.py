"""The file of a `SqliteBackend`: how it is made, shared, and what may be wrong with it."""

# ruff: noqa: ASYNC240 - nothing else runs in the loop while a test looks at files and processes.

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import Create, Delete
from bifrost_store.core.query import Eq, Query
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents import SPECS
from bifrost_store.errors import (
    ConfigurationError,
    InvalidRequestError,
)
from bifrost_store.wrappers.checked import CheckedBackend
from tests.unit.sqlite.records import ORGANIZATION, execution, sql

pytestmark = pytest.mark.anyio


class TestFile:
    def test_implements_the_waist(self, path: Path) -> None:
        """The class has every method of the protocol."""
        assert isinstance(SqliteBackend(str(path), SPECS), Backend)

    async def test_nothing_is_created_before_first_use(self, path: Path) -> None:
        """Making and closing a backend touches no file."""
        backend = SqliteBackend(str(path), SPECS)
        await backend.aclose()

        assert not path.exists()

    async def test_works_without_provision(self, backend: CheckedBackend, path: Path) -> None:
        """The first call makes the schema; the journal is a write-ahead log."""
        stored = await backend.create(execution())

        assert stored == await backend.get(stored.key)
        assert sql(path, "PRAGMA journal_mode") == [("wal",)]

    async def test_writes_are_synchronised(self, sqlite: SqliteBackend) -> None:
        """Every commit reaches the disk before it is acknowledged (synchronous = FULL)."""
        await sqlite.provision()

        assert await sqlite._connection.execute("PRAGMA synchronous", {}) == [(2,)]

    async def test_provision_twice_changes_nothing(self, sqlite: SqliteBackend, path: Path) -> None:
        """Provisioning again leaves schema and records as they are."""
        await sqlite.provision()
        stored = await sqlite.create(execution())
        before = sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        await sqlite.provision()

        assert before == sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        assert stored == await sqlite.get(stored.key)

    async def test_ping_names_version_path_and_journal(self, sqlite: SqliteBackend, path: Path) -> None:
        """The line that ping returns says what answered."""
        answer = await sqlite.ping()

        assert f"SQLite {sqlite3.sqlite_version}, {path}, layout 7, journal mode wal" == answer

    async def test_memory(self) -> None:
        """A database in memory keeps records until it is closed."""
        backend = SqliteBackend(":memory:", SPECS)
        stored = await backend.create(execution())

        assert stored == await backend.get(stored.key)
        assert "journal mode memory" in await backend.ping()
        await backend.aclose()

    async def test_closing(self, sqlite: SqliteBackend) -> None:
        """Closing twice is harmless; a closed backend refuses to work and says so."""
        await sqlite.provision()
        await sqlite.aclose()
        await sqlite.aclose()

        with pytest.raises(InvalidRequestError, match="closed"):
            await sqlite.get(execution().key)

    @pytest.mark.parametrize(("pragma", "word"), [("user_version = 8", "version 8"), ("application_id = 7", "another application")])
    async def test_foreign_layout_is_refused(self, path: Path, pragma: str, word: str) -> None:
        """A file of a newer release or of another application is left alone."""
        first = SqliteBackend(str(path), SPECS)
        await first.provision()
        await first.aclose()
        sql(path, f"PRAGMA {pragma}")
        backend = SqliteBackend(str(path), SPECS)

        for call in (backend.provision, backend.ping):
            with pytest.raises(ConfigurationError, match=word):
                await call()
        await backend.aclose()

    async def test_foreign_tables_are_refused(self, path: Path) -> None:
        """A database that holds other tables is not taken over."""
        sql(path, "CREATE TABLE theirs (x)")
        backend = SqliteBackend(str(path), SPECS)

        with pytest.raises(ConfigurationError, match="another application"):
            await backend.get(execution().key)
        await backend.aclose()

        assert sql(path, "SELECT name FROM sqlite_master") == [("theirs",)]
        assert sql(path, "PRAGMA journal_mode") == [("delete",)]

    async def test_counts_statements(self, backend: CheckedBackend) -> None:
        """A point read, a create and a page are one statement each; a batch adds its begin and commit."""
        await backend.provision()
        with count_requests() as requests:
            stored = await backend.create(execution())
            await backend.get(stored.key, fallback=GLOBAL)
            await backend.query(Query("execution", ORGANIZATION))
            await backend.batch([Create(execution(2)), Delete(stored.key)])

        assert requests == {"sqlite": 7}

    def test_names_must_fit_into_sql(self) -> None:
        """A spec whose names could end a string in SQL is refused when the backend is made."""
        with pytest.raises(ConfigurationError, match="letters"):
            SqliteBackend(":memory:", {"x": DocumentSpec("x", queryable=frozenset({"a') --"}))})

    async def test_hostile_names_in_a_query(self, sqlite: SqliteBackend) -> None:
        """Even without the checks around it, the backend puts no other name into SQL."""
        for query in (Query("x' OR 1 --", None), Query("execution", None, (Eq("x') OR 1 --", "a"),))):
            with pytest.raises(InvalidRequestError):
                await sqlite.query(query)
