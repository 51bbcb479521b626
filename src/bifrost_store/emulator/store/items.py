"""`ItemTable`: the items of one container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bifrost_store.emulator.store.database import Database
from bifrost_store.emulator.store.indexes import Indexes

_COLUMNS: Final = "number, epk, id, body, etag, ts, ttl, lsn"
_MAX_MERGED: Final = 1000
"""Characters of what is compared to find items that agree: all of it is held in memory."""

Condition = tuple[str, Sequence[object]]
"""A condition in SQL, and its parameters."""


@dataclass(slots=True)
class Item:
    """One item as it is stored: its properties as JSON, and what the service adds.

    Attributes:
        number: Of the item in its container; never given twice.
        epk: Tells the partition key (see `hashing`).
        ttl: As the item says, or None.
        lsn: Of the transaction that wrote it last.
    """

    number: int
    epk: str
    id: str
    body: str
    etag: str
    ts: int
    ttl: int | None
    lsn: int


class ItemTable:
    """The items of one container, and the unique keys they hold.

    Args:
        database: Where they are kept.
        number: Of the container.
    """

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self.name = f"items_{number}"
        self._unique = f"unique_{number}"
        self._indexes: Indexes | None = None
        self._get = f"SELECT {_COLUMNS} FROM {self.name} WHERE epk = ? AND id = ?"  # noqa: S608 - the name is ours
        self._by_number = f"SELECT {_COLUMNS} FROM {self.name} WHERE number = ?"  # noqa: S608
        self._insert = f"INSERT INTO {self.name} (epk, id, body, etag, ts, ttl, lsn) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._update = f"UPDATE {self.name} SET id = ?, body = ?, etag = ?, ts = ?, ttl = ?, lsn = ? WHERE number = ?"  # noqa: S608
        self._delete = f"DELETE FROM {self.name} WHERE number = ?"  # noqa: S608

    @property
    def indexes(self) -> Indexes:
        """The indexes over properties."""
        if self._indexes is None:
            self._indexes = Indexes(self._database, self.name)
        return self._indexes

    def make(self) -> None:
        """Make the tables."""
        self._database.execute(
            f"CREATE TABLE {self.name} (number INTEGER PRIMARY KEY AUTOINCREMENT, epk TEXT NOT NULL, id TEXT NOT NULL, "
            "body TEXT NOT NULL, etag TEXT NOT NULL, ts INTEGER NOT NULL, ttl INTEGER, lsn INTEGER NOT NULL, UNIQUE (epk, id))"
        )
        self._database.execute(f"CREATE INDEX {self.name}_feed ON {self.name} (lsn, epk)")
        self._database.execute(f"CREATE TABLE {self._unique} (value BLOB PRIMARY KEY, item INTEGER NOT NULL) WITHOUT ROWID")
        self._database.execute(f"CREATE INDEX {self._unique}_item ON {self._unique} (item)")

    def drop(self) -> None:
        """Remove the tables."""
        self._database.execute(f"DROP TABLE {self.name}")
        self._database.execute(f"DROP TABLE {self._unique}")

    def value(self, item: Item) -> Any:
        """Return what an item's text holds, which nobody may change."""
        return self._database.bodies.parsed(item.body)

    def get(self, epk: str, item_id: str) -> Item | None:
        """Return an item, expired or not."""
        row = self._database.execute(self._get, (epk, item_id)).fetchone()
        return None if row is None else Item(*row)

    def by_number(self, number: int) -> Item | None:
        """Return the item with a number, expired or not."""
        row = self._database.execute(self._by_number, (number,)).fetchone()
        return None if row is None else Item(*row)

    def insert(self, item: Item) -> Item:
        """Store a new item under the next number."""
        values = (item.epk, item.id, item.body, item.etag, item.ts, item.ttl, item.lsn)
        item.number = self._database.execute(self._insert, values).lastrowid or 0
        return item

    def update(self, item: Item) -> None:
        """Store an item's new state."""
        self._database.execute(self._update, (item.id, item.body, item.etag, item.ts, item.ttl, item.lsn, item.number))

    def delete(self, number: int) -> None:
        """Remove an item and the unique keys it holds."""
        self._database.execute(self._delete, (number,))
        self._database.execute(f"DELETE FROM {self._unique} WHERE item = ?", (number,))  # noqa: S608

    def delete_where(self, condition: Condition) -> int:
        """Remove the items for which a condition holds; return how many they were."""
        sql, parameters = condition
        inner = f"SELECT number FROM {self.name} WHERE {sql}"  # noqa: S608
        self._database.execute(f"DELETE FROM {self._unique} WHERE item IN ({inner})", parameters)  # noqa: S608
        return self._database.execute(f"DELETE FROM {self.name} WHERE {sql}", parameters).rowcount  # noqa: S608

    def holder(self, unique_value: bytes) -> int | None:
        """Return the number of the item that holds a unique key."""
        row = self._database.execute(f"SELECT item FROM {self._unique} WHERE value = ?", (unique_value,)).fetchone()  # noqa: S608
        return None if row is None else row[0]

    def hold(self, number: int, unique_values: Sequence[bytes]) -> None:
        """Let an item hold these unique keys, and no others."""
        self._database.execute(f"DELETE FROM {self._unique} WHERE item = ?", (number,))  # noqa: S608
        for value in unique_values:
            self._database.execute(f"INSERT INTO {self._unique} VALUES (?, ?)", (value, number))  # noqa: S608

    def select(self, conditions: Sequence[Condition], order: str, *, index: str | None = None) -> Iterator[Item]:
        """Yield the items for which all conditions hold, in an order given in SQL; over a named index if there is one."""
        for item, _ in self.select_with((), conditions, order, index=index):
            yield item

    def select_with(
        self, extra: Sequence[str], conditions: Sequence[Condition], order: str, *, index: str | None = None
    ) -> Iterator[tuple[Item, tuple[Any, ...]]]:
        """Yield items as `select` does, each with the values of further columns."""
        where = " AND ".join([f"({sql})" for sql, _ in conditions]) or "1"
        parameters = [value for _, values in conditions for value in values]
        hint = f" INDEXED BY {index}" if index else ""
        columns = ", ".join([_COLUMNS, *extra])
        statement = f"SELECT {columns} FROM {self.name}{hint} WHERE {where} ORDER BY {order}"  # noqa: S608
        for row in self._database.execute(statement, parameters):
            yield Item(*row[:8]), row[8:]

    def select_merged(
        self, columns: Sequence[str], conditions: Sequence[Condition], *, index: str | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield once the *columns*, which are texts, of items that agree in them, in the order of the first ones of such items.

        Behind them come whether any was too long and is given as None, how many items they are, how many characters those
        have, and the number of the first. Without columns there is one row, even of no items.
        """
        where = " AND ".join([f"({sql})" for sql, _ in conditions]) or "1"
        parameters = [value for _, values in conditions for value in values]
        hint = f" INDEXED BY {index}" if index else ""
        named = [f"c{number}" for number in range(len(columns))]
        read = ", ".join([*map("{} AS {}".format, columns, named), "LENGTH(body) AS size", "number"])
        texts = [f"CASE WHEN LENGTH({name}) <= {_MAX_MERGED} THEN {name} END" for name in named]
        longer = " OR ".join([f"LENGTH({name}) > {_MAX_MERGED}" for name in named]) or "0"
        selected = ", ".join([*texts, f"MAX({longer})", "COUNT(*)", "SUM(size)", "MIN(number)"])
        places = ", ".join([str(place) for place in range(1, len(columns) + 1)])
        group = f" GROUP BY {places} ORDER BY MIN(number)" if columns else ""
        # Without a limit SQLite would take each column out of an item anew wherever it stands.
        found = f"SELECT {read} FROM {self.name}{hint} WHERE {where} LIMIT -1"  # noqa: S608
        yield from self._database.execute(f"SELECT {selected} FROM ({found}){group}", parameters)  # noqa: S608

    def has_more(self, than: int, conditions: Sequence[Condition], index: str) -> bool:
        """Return whether all conditions hold for more than so many items; over a named index."""
        where = " AND ".join([f"({sql})" for sql, _ in conditions])
        parameters = [value for _, values in conditions for value in values]
        statement = f"SELECT 1 FROM {self.name} INDEXED BY {index} WHERE {where} LIMIT 1 OFFSET {than}"  # noqa: S608
        return self._database.execute(statement, parameters).fetchone() is not None

    def count(self, condition: Condition) -> tuple[int, int]:
        """Return how many items there are, and how many characters their bodies have."""
        sql, parameters = condition
        statement = f"SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM {self.name} WHERE {sql}"  # noqa: S608
        row: tuple[int, int] = self._database.execute(statement, parameters).fetchone()
        return row
