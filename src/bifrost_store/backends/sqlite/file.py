"""The database's files: made for their owner alone, and watched, since SQLite goes on writing into one that was deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bifrost_store.backends.sqlite.errors import NAME
from bifrost_store.core.files import FILE_MODE, restrict
from bifrost_store.errors import BackendUnavailableError, OutcomeUnknownError

IN_MEMORY: Final = ":memory:"
_SUFFIXES: Final = ("", "-wal", "-shm")
"""The database, its write-ahead log and the index of that ("Temporary Files Used By SQLite", sqlite.org)."""
_NEXT_STEP: Final = "put it back, or close the store and open it again to go on with what is there now"


class DatabaseFile:
    """The files of one open database.

    Args:
        path: Of the database, or ``:memory:``, which has none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._paths = () if path == IN_MEMORY else tuple(path + suffix for suffix in _SUFFIXES)
        self._seen: tuple[tuple[int, int] | None, ...] = ()

    def prepare(self) -> None:
        """Let only their owner read the files. A database that is missing is made empty; its others take after it."""
        for path in self._paths:
            restrict(Path(path))
        for path in self._paths[:1]:
            try:
                # Never opened if it is there: closing it again would drop the locks that this process holds on it.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
            except OSError:
                return  # It is there, or SQLite will say why it cannot be made.
            restrict(Path(path))

    def note(self) -> None:
        """Take the files that are there now for those that are open."""
        self._seen = tuple(self._identities())

    def check(self) -> None:
        """Refuse to go on with files that nobody else will find.

        Raises:
            BackendUnavailableError: One was deleted, moved or replaced since they were opened.
        """
        if self._is_lost():
            raise BackendUnavailableError(
                f"SQLite database {self._path!r}: the file, or its -wal or -shm, was deleted, moved or replaced while open, "
                f"so that nobody would see what is written; nothing was; {_NEXT_STEP}",
                backend=NAME,
            )

    def check_written(self) -> None:
        """Refuse to acknowledge a write to files that nobody else will find.

        Raises:
            OutcomeUnknownError: One was deleted, moved or replaced meanwhile.
        """
        if self._is_lost():
            raise OutcomeUnknownError(
                f"SQLite database {self._path!r}: the file, or its -wal or -shm, was deleted, moved or replaced during the "
                f"write, which may be in the file that is gone; {_NEXT_STEP}, then read the document",
                backend=NAME,
            )

    def _is_lost(self) -> bool:
        return any(seen != now for seen, now in zip(self._seen, self._identities(), strict=False) if seen is not None)

    def _identities(self) -> Iterator[tuple[int, int] | None]:
        for path in self._paths:
            try:
                found = os.stat(path)  # noqa: PTH116 - for every statement, and twice as fast on a text
            except OSError:
                yield None
            else:
                yield found.st_dev, found.st_ino
