"""Two whole stores side by side in bounded memory: digests of both in a temporary file, and what does not match."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.errors import MigrationRefusedError, NextStep

Side = Literal["primary", "secondary"]
_CHUNK: Final = 1000
_SCHEMA: Final = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; PRAGMA temp_store = FILE;
CREATE TABLE primary_side (kind TEXT, scope TEXT, id TEXT, mark TEXT, past INT, PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE TABLE secondary_side (kind TEXT, scope TEXT, id TEXT, mark TEXT, past INT, PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE TABLE unreadable (text TEXT PRIMARY KEY, side TEXT) WITHOUT ROWID;
"""
_INSERT: Final = {
    "primary": "INSERT OR REPLACE INTO primary_side VALUES (?, ?, ?, ?, ?)",
    "secondary": "INSERT OR REPLACE INTO secondary_side VALUES (?, ?, ?, ?, ?)",
}
_TOMBSTONE: Final = 2
_SAME: Final = """
SELECT p.kind, p.past, count(*) FROM primary_side p JOIN secondary_side s USING (kind, scope, id)
WHERE p.mark = s.mark GROUP BY p.kind, p.past
"""
_OTHERS: Final = """
SELECT kind, scope, id FROM primary_side p LEFT JOIN secondary_side s USING (kind, scope, id)
WHERE s.mark IS NULL OR s.mark <> p.mark
UNION ALL
SELECT kind, scope, id FROM secondary_side s LEFT JOIN primary_side p USING (kind, scope, id) WHERE p.mark IS NULL
"""


class Sides:
    """What both stores hold, as digests. Open it as a context; the file is gone afterwards."""

    def __enter__(self) -> Self:
        with _room(), ExitStack() as undone:
            folder = undone.enter_context(tempfile.TemporaryDirectory(prefix="bifrost-verify-"))
            self._database = sqlite3.connect(Path(folder) / "sides.sqlite")
            undone.callback(self._database.close)
            self._database.executescript(_SCHEMA)
            self._opened = undone.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._opened.close()

    def add(self, side: Side, records: Sequence[tuple[Record, bool]]) -> None:
        """Note records of one store, each with whether it counts as expired. One that is met twice counts as met last.

        Raises:
            MigrationRefusedError: There is no space left.
        """
        rows = [
            (r.key.kind, r.key.scope.value, r.key.id, _mark(r), _TOMBSTONE if r.is_tombstone else int(past)) for r, past in records
        ]
        self._write(_INSERT[side], rows)

    def add_unreadable(self, side: Side, text: str) -> bool:
        """Note what could not be read, by its message; return whether it is new."""
        return self._write("INSERT OR IGNORE INTO unreadable VALUES (?, ?)", [(text, side)]) > 0

    def same(self) -> Iterator[tuple[str, bool, int]]:
        """Give the kind, whether expired, and the number of records that match. Tombstones are left out."""
        with _room():
            counts = self._database.execute(_SAME).fetchall()
        for kind, past, count in counts:
            if past != _TOMBSTONE:
                yield kind, bool(past), count

    def others(self) -> Iterator[list[Key]]:
        """Give the keys that one store has differently or not at all, in chunks."""
        with _room():
            rows = self._database.execute(_OTHERS)
        while chunk := _chunk(rows):
            yield [Key(kind, Scope(scope), record_id) for kind, scope, record_id in chunk]

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
        with _room(), self._database:
            return self._database.executemany(statement, rows).rowcount


@contextmanager
def _room() -> Iterator[None]:
    """Turn what a full disk does into an error that says what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise MigrationRefusedError(
            f"the temporary file of the comparison cannot be written ({error}); nothing was lost",
            next_steps=(NextStep("make room in the temporary folder, or set TMPDIR to another, then repeat the command"),),
        ) from error


def _chunk(rows: sqlite3.Cursor) -> list[tuple[str, str, str]]:
    with _room():
        return rows.fetchmany(_CHUNK)


def _mark(record: Record) -> str:
    version = record.version
    return f"{version.epoch}.{version.revision}.{version.write_id}.{int(record.is_tombstone)}.{record.digest}.{record.sort_key}"
