"""The one connection of a backend: opened on first use, used by one task at a time, never left inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from typing import Any, Final, cast

import aiosqlite
import anyio
import anyio.to_thread

from bifrost_store.backends.sqlite.errors import NAME
from bifrost_store.backends.sqlite.queries import check_names, index_statements
from bifrost_store.backends.sqlite.rows import Row, Value
from bifrost_store.core.meter import count
from bifrost_store.core.spec import Specs
from bifrost_store.errors import ConfigurationError, InvalidRequestError

Execute = Callable[[str, Mapping[str, Value]], Awaitable[list[Row]]]
"""Carries out one statement and returns all its rows."""

_APPLICATION_ID: Final = 0x62667374
_LAYOUT_VERSION: Final = 1
_OLDEST_SQLITE: Final = (3, 35, 0)
"""Brought RETURNING ("SQLite Release 3.35.0", sqlite.org)."""
_RETRY_SECONDS: Final = 0.02


class Connection:
    """Serialised access to one database.

    Args:
        path: Of the file, or ``:memory:``. Nothing is touched before the first statement.
        specs: Decide which indexes are made.
        busy_timeout_seconds: How long a statement waits for other processes.
    """

    def __init__(self, path: str, specs: Specs, busy_timeout_seconds: float) -> None:
        if not path:
            raise ConfigurationError("the path of the SQLite database is empty; name a file, or :memory:")
        check_names(specs)
        self.path = path
        self._specs = specs
        self._busy_timeout_seconds = busy_timeout_seconds
        self._lock = anyio.Lock(fast_acquire=True)
        self._connection: aiosqlite.Connection | None = None
        self._is_closed = False

    async def execute(self, sql: str, parameters: Mapping[str, Value]) -> list[Row]:
        """Carry out one statement in a transaction of its own."""
        async with self._lock:
            connection = await self._opened()
            return await _fetch(connection, sql, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Execute, None]:
        """Hold a write transaction: committed at the end of the block, rolled back if it raises or is cancelled."""
        async with self._lock, _transaction(await self._opened()) as execute:
            yield execute

    async def provision(self) -> None:
        """Make the table and indexes where missing."""
        async with self._lock:
            connection = await self._opened()
            with anyio.CancelScope(shield=True):
                await _provision(connection, self.path, self._specs)

    async def aclose(self) -> None:
        """Close the connection. A later statement is refused: a database in memory would come back empty."""
        with anyio.CancelScope(shield=True):
            async with self._lock:
                self._is_closed = True
                connection, self._connection = self._connection, None
                if connection is not None:
                    await connection.close()

    async def _opened(self) -> aiosqlite.Connection:
        if self._is_closed:
            raise InvalidRequestError("the store is closed; open it again", backend=NAME)
        if self._connection is None:
            with anyio.CancelScope(shield=True):
                self._connection = await self._open()
        return cast(aiosqlite.Connection, self._connection)

    async def _open(self) -> aiosqlite.Connection:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            oldest = ".".join(map(str, _OLDEST_SQLITE))
            raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old, {oldest} is needed; use a newer Python")
        # A failure inside aiosqlite.connect would leave its thread behind, reporting to an event loop that may be gone.
        await anyio.to_thread.run_sync(self._try_to_open)
        opening = aiosqlite.connect(self.path, timeout=self._busy_timeout_seconds, isolation_level=None, cached_statements=256)
        # A program that ends without closing the store must end all the same.
        thread: Any = getattr(opening, "_thread", opening)
        thread.daemon = True
        connection = await opening
        try:
            # Text that is no UTF-8 must not fail the whole page it is on: rows.py refuses it row by row.
            connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
            await _provision_if_missing(connection, self.path, self._specs)
            await self._use_wal(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    def _try_to_open(self) -> None:
        sqlite3.connect(self.path).close()

    async def _use_wal(self, connection: aiosqlite.Connection) -> None:
        await _fetch(connection, "PRAGMA synchronous = FULL")
        deadline = anyio.current_time() + self._busy_timeout_seconds
        while True:
            try:
                ((mode,),) = await _fetch(connection, "PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                # Two processes that switch at once find each other's lock without waiting for it.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or anyio.current_time() >= deadline:
                    raise
                await anyio.sleep(_RETRY_SECONDS)
        if mode not in ("wal", "memory"):
            raise ConfigurationError(
                f"SQLite database {self.path!r}: its file system allows no write-ahead log; move it to a local disk",
                backend=NAME,
            )


async def _fetch(connection: aiosqlite.Connection, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
    count(NAME)
    return cast(list[Row], await connection.execute_fetchall(sql, parameters or {}))


@asynccontextmanager
async def _transaction(connection: aiosqlite.Connection) -> AsyncGenerator[Execute, None]:
    try:
        await _fetch(connection, "BEGIN IMMEDIATE")
        yield partial(_fetch, connection)
        await _fetch(connection, "COMMIT")
    except BaseException:
        # Queued behind whatever a cancelled task left running; does nothing where no transaction is open.
        with anyio.CancelScope(shield=True):
            await connection.rollback()
        raise


async def _provision_if_missing(connection: aiosqlite.Connection, path: str, specs: Specs) -> None:
    if not await _is_provisioned(partial(_fetch, connection), path):
        await _provision(connection, path, specs)


async def _provision(connection: aiosqlite.Connection, path: str, specs: Specs) -> None:
    schema = resources.files("bifrost_store.backends.sqlite").joinpath("schema.sql").read_text("utf-8")
    async with _transaction(connection) as execute:
        await _is_provisioned(execute, path)
        for statement in (*schema.split(";\n"), *index_statements(specs)):
            if statement.strip():
                await execute(statement, {})
        await execute(f"PRAGMA application_id = {_APPLICATION_ID}", {})
        await execute(f"PRAGMA user_version = {_LAYOUT_VERSION}", {})


async def _is_provisioned(execute: Execute, path: str) -> bool:
    """Return whether the schema is there.

    Raises:
        ConfigurationError: The file holds something else, or a layout that this release does not know.
    """
    ((application_id,),) = await execute("PRAGMA application_id", {})
    ((layout_version,),) = await execute("PRAGMA user_version", {})
    ((table_count,),) = await execute("SELECT count(*) FROM sqlite_master", {})
    if (application_id, layout_version, table_count) == (0, 0, 0):
        return False
    if application_id != _APPLICATION_ID:
        raise ConfigurationError(
            f"SQLite database {path!r}: it belongs to another application; choose another path",
            backend=NAME,
        )
    if layout_version != _LAYOUT_VERSION:
        raise ConfigurationError(
            f"SQLite database {path!r}: its layout has version {layout_version}, this release of bifrost-store knows "
            f"{_LAYOUT_VERSION}; use the release that wrote it, or dump there and load here",
            backend=NAME,
        )
    return True
