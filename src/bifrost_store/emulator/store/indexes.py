"""Indexes over properties of items, made when a query first needs them."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from bifrost_store.emulator.store.database import Database

MIN_ITEMS: Final = 300
"""Below this a container is read faster without an index than one is made."""

MAX_INDEXES: Final = 12
"""Of a container; the one longest unused makes room for the next, for every index slows writes down."""

Path = tuple[str | int, ...]
Part = tuple[Path, bool]
"""A property, and whether it is sorted descending."""

UNREADABLE: Final = frozenset(["_rid", "_self", "_etag", "_attachments", "_lsn"])
"""Properties that are no part of the stored text, so that no index can be made over them."""

_COLUMNS: Final[dict[Path, str]] = {("id",): "sort_key(id)", ("_ts",): "sort_key(ts)"}
_HAS_ARROW: Final = sqlite3.sqlite_version_info >= (3, 38)
"""Brought the operator -> ("SQLite Release 3.38.0", sqlite.org)."""

_PLAIN_NAME: Final = re.compile(r"[ -!#-\[\]-~]+")
"""Names that JSON writes in one way only: SQLite compares them as they are written."""

_SHORT: Final = 200
"""Characters of texts whose sort keys are remembered."""


def expression(path: Path) -> str:
    """Return SQL for the sort key of a property."""
    column = _COLUMNS.get(path)
    if column is not None:
        return column
    if is_extracted(path):
        return f"sort_key_of({extract(path)})"
    text = json.dumps(path).replace("'", "''")
    return f"sort_key_at(body, '{text}')"


def is_extracted(path: Path) -> bool:
    """Return whether SQLite itself can take the property out of an item's text."""
    return _HAS_ARROW and all(isinstance(step, str) and _PLAIN_NAME.fullmatch(step) for step in path)


def extract(path: Path) -> str:
    """Return SQL for a property's JSON as it is stored, NULL where there is none; the path `is_extracted`."""
    steps = "".join([f'."{step}"' for step in path]).replace("'", "''")
    return f"body -> '${steps}'"


def define_sort_keys(database: Database, sort_key: Callable[[Any], bytes], lookup: Callable[[Any, Path], Any]) -> None:
    """Let SQL compute sort keys."""

    @lru_cache(maxsize=4096)
    def steps(path: str) -> Path:
        return tuple(json.loads(path))

    def sort_key_at(body: str, path: str) -> bytes:
        return sort_key(lookup(database.bodies.parsed(body), steps(path)))

    undefined = sort_key(lookup(None, ("",)))
    remembered = lru_cache(maxsize=4096)(lambda text: sort_key(json.loads(text)))

    def sort_key_of(text: str | None) -> bytes:
        if text is None:
            return undefined
        return remembered(text) if len(text) <= _SHORT else sort_key(json.loads(text))

    database.define("sort_key_of", 1, sort_key_of)
    database.define("sort_key_at", 2, sort_key_at)
    database.define("sort_key", 1, sort_key)


class Indexes:
    """The indexes of one container's table."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table
        self._prefix = f"{table}_by_"
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,)).fetchall()
        self._names = [name for (name,) in names if name.startswith(self._prefix)]

    def last_number(self) -> int:
        """Return the highest number of an item: at least as many as there are."""
        ((number,),) = self._database.execute(f"SELECT COALESCE(MAX(number), 0) FROM {self._table}").fetchall()  # noqa: S608
        return int(number)

    def ensure(self, parts: Sequence[Part], *, within_key: bool) -> str | None:
        """Return the name of an index over properties, made where it is missing; None where it would not pay.

        Args:
            parts: The properties in order; each may be read in its direction or all of them in the other one.
            within_key: Whether the items of one partition key lie together.
        """
        columns = ["epk"] if within_key else []
        columns += [expression(path) + (" DESC" if is_descending else "") for path, is_descending in parts]
        name = self._prefix + hashlib.sha1("\n".join(columns).encode(), usedforsecurity=False).hexdigest()[:16]
        if name in self._names:
            self._names.remove(name)
            self._names.append(name)
            return name
        if self.last_number() < MIN_ITEMS:
            return None
        try:
            self._database.execute(f"CREATE INDEX {name} ON {self._table} ({', '.join(columns)})")
        except sqlite3.OperationalError:
            return None
        self._names.append(name)
        if len(self._names) > MAX_INDEXES:
            self._database.execute(f"DROP INDEX {self._names.pop(0)}")
        return name
