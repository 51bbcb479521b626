"""The connections of a backend: opened on first use, each used by one task at a time, never left inside a transaction."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from contextvars import copy_context
from functools import partial
from importlib import resources
from typing import Any, Final, TypeVar, cast

import aiosqlite
import anyio
import anyio.to_thread

from bifrost_store.backends.sqlite.errors import NAME
from bifrost_store.backends.sqlite.file import IN_MEMORY, DatabaseFile
from bifrost_store.backends.sqlite.queries import FILL_CHANGES, check_names, feed_statements, feeds_of
from bifrost_store.backends.sqlite.rows import Row, Value
from bifrost_store.backends.sqlite.turns import MOST_TOGETHER, Execute, Turn, Work, carry_out, executing, together
from bifrost_store.core.spec import Specs
from bifrost_store.errors import ConfigurationError, InvalidRequestError, OutcomeUnknownError

T = TypeVar("T")

_APPLICATION_ID: Final = 0x62667374
_LAYOUT_VERSION: Final = 7
_OLDEST_SQLITE: Final = (3, 35, 0)
"""Brought RETURNING ("SQLite Release 3.35.0", sqlite.org)."""
_RETRY_SECONDS: Final = 0.02
_ROWS_AT_ONCE: Final = 64
"""The driver's default, for reading row by row, which is not done here."""


class _Driver(aiosqlite.Connection):
    """A connection of the driver, which also carries out several statements in one visit to its thread."""

    async def visit(self, work: Work[T]) -> T:
        """Return what *work* does, in the context of the caller. If cancelled, it goes on: wait for the next visit."""
        context = copy_context()
        # The driver's log shows what it is given: this has no values in its name.
        return cast(T, await self._on_thread(lambda: context.run(work, executing(self._conn))))

    async def take_turns(self, turns: Sequence[Turn[Any]], check: Callable[[], None]) -> None:
        """Carry out *turns*, as `carry_out`. If cancelled, that goes on: wait for the next visit."""
        await self._on_thread(lambda: carry_out(self._conn, turns, check))

    async def _on_thread(self, function: Callable[[], object]) -> object:
        return await self._execute(function)  # type: ignore[no-untyped-call]  # the driver's


class _Channel:
    """One connection of the driver, once it is open, and whose turn it is to use it."""

    def __init__(self) -> None:
        self.lock = anyio.Lock(fast_acquire=True)
        self.connection: _Driver | None = None

    def opened(self) -> _Driver:
        assert self.connection is not None
        return self.connection

    async def aclose(self) -> None:
        async with self.lock:
            connection, self.connection = self.connection, None
            if connection is not None:
                await connection.close()


class Connection:
    """Serialised writes to one database, and beside them reads, which need not wait for a write that waits for a lock.

    There are two connections to a file: one writes, the other only reads, each one statement at a time. With a write-ahead log
    a read sees what was committed before it began. A database in memory has one for both. Writes that wait for the same moment
    are carried out in one transaction, each as if it were alone.

    Args:
        path: Of the file, or ``:memory:``. Nothing is touched before the first statement.
        specs: The kinds to keep.
        busy_timeout_seconds: How long a statement waits for other processes.
    """

    def __init__(self, path: str, specs: Specs, busy_timeout_seconds: float) -> None:
        if not path:
            raise ConfigurationError("the path of the SQLite database is empty; name a file, or :memory:")
        check_names(specs)
        self.path = path
        self._specs = specs
        self._busy_timeout_seconds = busy_timeout_seconds
        self._file = DatabaseFile(path)
        self._writer = _Channel()
        self._reader = self._writer if path == IN_MEMORY else _Channel()
        self._waiting: deque[Turn[Any]] = deque()
        self._opening = anyio.Lock(fast_acquire=True)
        self._is_open = False
        self._is_closed = False

    async def read(self, sql: str, parameters: Mapping[str, Value]) -> list[Row]:
        """Carry out one statement that changes nothing."""
        await self._open_once()
        async with self._reader.lock:
            self._check()
            return await self._reader.opened().visit(lambda execute: execute(sql, parameters))

    async def execute(self, sql: str, parameters: Mapping[str, Value]) -> list[Row]:
        """Carry out one statement in a transaction of its own. If cancelled, it has ended, in one way or the other."""
        return await self.write(lambda execute: execute(sql, parameters))

    async def write(self, work: Work[T]) -> T:
        """Carry out *work*, each statement in a transaction of its own, without anybody between them.

        If cancelled, it has ended, in one way or the other. So has all that is written by `write_together`.
        """
        return await self._take_turn(Turn(work, is_atomic=False))

    async def write_together(self, work: Work[T]) -> T:
        """Carry out *work* in one transaction: committed at its end, rolled back if it raises."""
        return await self._take_turn(Turn(work, is_atomic=True))

    async def _take_turn(self, turn: Turn[T]) -> T:
        await self._open_once()
        self._waiting.append(turn)
        try:
            await self._until_ended(turn)
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                with anyio.CancelScope(shield=True):
                    await self._until_ended(turn)
            raise
        return turn.outcome()

    async def _until_ended(self, turn: Turn[Any]) -> None:
        """Carry out all that waits, *turn* first, unless whoever had the connection before has begun with it."""
        async with self._writer.lock:
            if turn.has_ended:
                return
            self._check()
            connection = self._writer.opened()
            if turn not in self._waiting:
                await _roll_back(connection)
                return
            turns = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
            try:
                await connection.take_turns(turns, self._check)
            except BaseException as error:
                await _roll_back(connection)
                _fail(turns, error)
                raise
            finally:
                self._check_written(turns)

    def _check_written(self, turns: Sequence[Turn[Any]]) -> None:
        try:
            self._file.check_written()
        except OutcomeUnknownError as error:
            for turn in turns:
                turn.fail(error)

    async def provision(self) -> None:
        """Make tables, indexes and triggers where missing; of an older layout, what it lacks."""
        with anyio.CancelScope(shield=True):
            await self.write_together(lambda execute: _provision(execute, self.path, self._specs))

    async def aclose(self) -> None:
        """Close the connections. A later statement is refused: a database in memory would come back empty."""
        with anyio.CancelScope(shield=True):
            async with self._opening:
                self._is_closed = True
                await self._reader.aclose()
                await self._writer.aclose()

    def _check(self) -> None:
        if self._is_closed:
            raise InvalidRequestError("the store is closed; open it again", backend=NAME)
        self._file.check()

    async def _open_once(self) -> None:
        if self._is_open:
            return
        async with self._opening:
            if self._is_closed:
                raise InvalidRequestError("the store is closed; open it again", backend=NAME)
            if not self._is_open:
                with anyio.CancelScope(shield=True):
                    await self._open()
                self._is_open = True

    async def _open(self) -> None:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            oldest = ".".join(map(str, _OLDEST_SQLITE))
            raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old, {oldest} is needed; use a newer Python")
        async with AsyncExitStack() as undone:
            # A failure inside aiosqlite.connect would leave its thread behind, reporting to an event loop that may be gone.
            await anyio.to_thread.run_sync(self._try_to_open)
            writer = reader = await self._connect(undone)
            await writer.visit(lambda execute: _provision_if_missing(execute, self.path, self._specs))
            await self._use_wal(writer)
            if self._reader is not self._writer:
                reader = await self._connect(undone)
                await reader.visit(lambda execute: execute("PRAGMA query_only = ON", {}))
            # The first read in WAL mode makes the log and its index.
            await reader.visit(lambda execute: execute("SELECT count(*) FROM sqlite_master", {}))
            self._file.note()
            undone.pop_all()
        self._writer.connection, self._reader.connection = writer, reader

    async def _connect(self, undone: AsyncExitStack) -> _Driver:
        options: dict[str, Any] = {"timeout": self._busy_timeout_seconds, "isolation_level": None, "cached_statements": 256}
        opening = _Driver(lambda: sqlite3.connect(self.path, **options), _ROWS_AT_ONCE)
        # A program that ends without closing the store must end all the same.
        thread: Any = getattr(opening, "_thread", opening)
        thread.daemon = True
        connection = cast(_Driver, await opening)
        undone.push_async_callback(connection.close)
        # Text that is no UTF-8 must not fail the whole page it is on: rows.py refuses it row by row.
        connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        return connection

    def _try_to_open(self) -> None:
        self._file.prepare()
        sqlite3.connect(self.path).close()

    async def _use_wal(self, connection: _Driver) -> None:
        await connection.visit(lambda execute: execute("PRAGMA synchronous = FULL", {}))
        deadline = anyio.current_time() + self._busy_timeout_seconds
        while True:
            try:
                ((mode,),) = await connection.visit(lambda execute: execute("PRAGMA journal_mode = WAL", {}))
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


async def _roll_back(connection: _Driver) -> None:
    """Wait for what a cancelled task left running; then end its transaction, if one is open."""
    with anyio.CancelScope(shield=True):
        await connection.rollback()


def _fail(turns: Sequence[Turn[Any]], error: BaseException) -> None:
    """Let *turns* that the driver has not carried out fail as whoever was going to."""
    for turn in turns:
        if not turn.has_ended:
            turn.fail(error)


def _provision_if_missing(execute: Execute, path: str, specs: Specs) -> None:
    if not _is_provisioned(execute, path) or not _knows_kinds(execute, specs):
        together(execute, lambda execute: _provision(execute, path, specs))


def _provision(execute: Execute, path: str, specs: Specs) -> None:
    schema = resources.files("bifrost_store.backends.sqlite").joinpath("schema.sql").read_text("utf-8")
    _is_provisioned(execute, path)
    for statement in (*schema.split("\n\n"), *feed_statements(specs), *FILL_CHANGES):
        execute(statement, {})
    execute(f"PRAGMA application_id = {_APPLICATION_ID}", {})
    execute(f"PRAGMA user_version = {_LAYOUT_VERSION}", {})


def _knows_kinds(execute: Execute, specs: Specs) -> bool:
    return feeds_of(specs).items() <= dict(execute("SELECT kind, feed FROM feeds", {})).items()


def _is_provisioned(execute: Execute, path: str) -> bool:
    """Return whether the schema is there, all of it.

    Raises:
        ConfigurationError: The file holds something else, or a layout that this release does not know.
    """
    ((application_id,),) = execute("PRAGMA application_id", {})
    ((layout_version,),) = execute("PRAGMA user_version", {})
    ((table_count,),) = execute("SELECT count(*) FROM sqlite_master", {})
    if (application_id, layout_version, table_count) == (0, 0, 0):
        return False
    if application_id != _APPLICATION_ID:
        raise ConfigurationError(
            f"SQLite database {path!r}: it belongs to another application; choose another path",
            backend=NAME,
        )
    if not 1 <= layout_version <= _LAYOUT_VERSION:
        raise ConfigurationError(
            f"SQLite database {path!r}: its layout has version {layout_version}, this release of bifrost-store knows "
            f"{_LAYOUT_VERSION}; use the release that wrote it, or dump there and load here",
            backend=NAME,
        )
    return bool(layout_version == _LAYOUT_VERSION)
