"""SQLite's errors as this library's, by result code ("Result and Error Codes", sqlite.org)."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from bifrost_store.core.record import Key
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

NAME: Final = "sqlite"

DAMAGED: Final = "the file is damaged; restore it from a backup, or salvage it with sqlite3's .recover"
_BUSY: Final = "another process holds the lock on it for longer than the busy timeout; try again"
_MEANING: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_BUSY: (BackendUnavailableError, _BUSY),
    sqlite3.SQLITE_LOCKED: (BackendUnavailableError, _BUSY),
    sqlite3.SQLITE_PROTOCOL: (BackendUnavailableError, _BUSY),
    sqlite3.SQLITE_SCHEMA: (BackendUnavailableError, "its schema changed during the call; try again"),
    sqlite3.SQLITE_INTERRUPT: (BackendUnavailableError, "the statement was interrupted; try again"),
    sqlite3.SQLITE_ABORT: (BackendUnavailableError, "the statement was rolled back; try again"),
    sqlite3.SQLITE_NOMEM: (BackendUnavailableError, "out of memory; try again when there is more"),
    sqlite3.SQLITE_CANTOPEN: (
        ConfigurationError,
        "it cannot be opened; its folder must exist, and this process must be allowed to read and write in it",
    ),
    sqlite3.SQLITE_NOTADB: (ConfigurationError, "it is not an SQLite database (or is encrypted); choose another path"),
    sqlite3.SQLITE_READONLY: (AccessDeniedError, "it is read-only; let this process write to the file and its folder"),
    sqlite3.SQLITE_PERM: (AccessDeniedError, "access was refused; let this process read and write the file"),
    sqlite3.SQLITE_AUTH: (AccessDeniedError, "access was refused; let this process read and write the file"),
    sqlite3.SQLITE_FULL: (BackendError, "the disk is full; nothing was written; free some space"),
    sqlite3.SQLITE_IOERR: (BackendError, "reading or writing failed; check the disk and the file system"),
    sqlite3.SQLITE_CORRUPT: (BackendError, DAMAGED),
    sqlite3.SQLITE_NOLFS: (BackendError, "the file system cannot hold a file of this size; move it to another"),
    sqlite3.SQLITE_TOOBIG: (DocumentTooLargeError, "a value is longer than SQLite can keep; make it smaller"),
}


@contextmanager
def mapped_errors(path: str, operation: str, key: Key | None = None, *, is_write: bool = False) -> Generator[None, None, None]:
    """Turn any error of SQLite inside the block into the one of this library that stands for it, chained.

    Args:
        path: Of the database; named in messages.
        operation: Method of the waist; named in errors.
        key: What the operation is about.
        is_write: A failure of the disk leaves open whether a write survives; it raises OutcomeUnknownError.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise map_error(error, path, operation, key, is_write=is_write) from error
    except StoreError as error:
        if error.operation is None:
            error.operation, error.key = operation, None if key is None else str(key)
        raise


def map_error(error: sqlite3.Error, path: str, operation: str, key: Key | None = None, *, is_write: bool = False) -> StoreError:
    """Return what stands for *error*. Its own text is left out: it may quote content."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    primary = code & 0xFF
    kind, meaning = _MEANING.get(primary, (BackendError, "SQLite refused a statement; this may be a defect, please report it"))
    if primary == sqlite3.SQLITE_ERROR and str(error).startswith("no such table: "):
        kind, meaning = NotProvisionedError, "a table is missing; run `bifrost-store init`"
    if primary == sqlite3.SQLITE_IOERR and is_write:
        kind, meaning = OutcomeUnknownError, f"{meaning}, then read the document: the write may have been kept"
    message = f"SQLite database {path!r}: {meaning} ({name})"
    return kind(message, backend=NAME, operation=operation, key=None if key is None else str(key))
