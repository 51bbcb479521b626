"""`Database`: the SQLite connection, its transactions, and the file it may live in."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final

APPLICATION_ID: Final = 0x42694643
"""Marks a file as ours (``BiFC``), in SQLite's header."""

SCHEMA_VERSION: Final = 2
_MAGIC: Final = b"SQLite format 3\x00"


class DataFileError(Exception):
    """A file that cannot be used; it was left as it was."""


class DiskFullError(Exception):
    """There is no room for what was to be written."""


class Bodies:
    """The values of the last two items that were read: each is taken apart once for all indexes and for the query's row."""

    def __init__(self) -> None:
        self._last: tuple[str, Any] = ("null", None)
        self._before = self._last

    def parsed(self, body: str) -> Any:
        """Return the value of an item's text, which nobody may change."""
        for text, value in (self._last, self._before):
            if text == body:
                return value
        self._before, self._last = self._last, (body, json.loads(body))
        return self._last[1]


class Database:
    """One SQLite database that this process alone uses.

    Args:
        path: Of the file, made where it is missing; None keeps everything in memory.

    Attributes:
        bodies: Takes texts of items apart.

    Raises:
        DataFileError: The file is not ours, damaged, of a later version, or used by another server.
    """

    def __init__(self, path: Path | None) -> None:
        is_new = path is None or _is_new(path)
        if path is not None and not is_new:
            _check_content(path)
        if path is not None:
            _make_private(path)
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else str(path), isolation_level=None, check_same_thread=False, cached_statements=512
            )
        except sqlite3.Error as error:
            raise DataFileError(f"{path} cannot be opened: {error}") from error
        try:
            self._prepare(is_new, is_file=path is not None)
        except sqlite3.Error as error:
            self._connection.close()
            raise DataFileError(f"{path} cannot be used; another server may have it open: {error}") from error
        self.execute: Callable[..., sqlite3.Cursor] = self._connection.execute
        self.bodies = Bodies()

    def _prepare(self, is_new: bool, *, is_file: bool) -> None:
        run = self._connection.execute
        run("PRAGMA busy_timeout = 200")
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA temp_store = MEMORY")
        if is_new:
            script = resources.files("bifrost_store.emulator.store").joinpath("schema.sql").read_text()
            marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
            self._connection.executescript(f"BEGIN EXCLUSIVE; {marks} {script} COMMIT;")
        if is_file:
            # Both reach the disk at checkpoints only; what a killed process committed is kept, for the system has it.
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = NORMAL")
            run("BEGIN EXCLUSIVE")
            run("COMMIT")

    def define(self, name: str, arguments: int, function: Callable[..., Any]) -> None:
        """Give SQL a deterministic function, so that indexes may be made over it."""
        self._connection.create_function(name, arguments, function, deterministic=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written within, or nothing if it raises."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException as error:
            # Where the disk is full, SQLite may have rolled back by itself.
            if self._connection.in_transaction:
                self.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise DiskFullError("The disk that holds the emulator's data is full; nothing was written.") from error
            raise

    def close(self) -> None:
        """Close the file; what is committed stays."""
        self._connection.close()


def _is_new(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise DataFileError(f"{path} cannot be made: there is no folder {path.parent}") from None
        return True
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror}") from error
    if not header:
        return True
    if not header.startswith(_MAGIC) or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise DataFileError(f"{path} is no data file of this server; it was left as it is")
    version = int.from_bytes(header[60:64], "big")
    if version != SCHEMA_VERSION:
        raise DataFileError(f"{path} was written by another version of this server (format {version}, not {SCHEMA_VERSION})")
    return False


def _make_private(path: Path) -> None:
    """Let only its owner read the file, before anything is in it; SQLite makes those beside it alike."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        with suppress(PermissionError):
            path.chmod(0o600)
    except OSError as error:
        raise DataFileError(f"{path} cannot be made: {error.strerror}") from error


def _check_content(path: Path) -> None:
    """Read all of the file without writing to it, or leaving anything beside it."""
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    is_clean = not beside[0].exists()
    made = [each for each in beside if not each.exists()]
    # Without a log of writes to come, the file is all there is, and SQLite need not look for one.
    mode = "immutable=1" if is_clean else "mode=ro"
    connection = None
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)
        ((finding,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise DataFileError(f"{path} is damaged, or another server has it open: {error}") from error
    finally:
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
        for each in made:
            each.unlink(missing_ok=True)
    if finding != "ok":
        raise DataFileError(f"{path} is damaged; it was left as it is: {' '.join(finding.split())}")
