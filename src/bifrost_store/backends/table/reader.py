"""Finds records by key: rows, markers, and executions whose row key only a locator or a scan can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from azure.core.exceptions import ResourceNotFoundError

from bifrost_store.backends.table.account import StoredRow, TableAccount
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.homes import Homes
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.mappings.base import TABLES, Address, Marker, RowMapping, end_of, read_marker
from bifrost_store.backends.table.mappings.execution import LOCATED_MARK, ExecutionMapping
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each, together
from bifrost_store.errors import DocumentExistsError


@dataclass(frozen=True, slots=True)
class State:
    """What is stored for a key: the record, expired or not, its rows, and the row beside its anchor."""

    record: Record | None
    rows: Sequence[StoredRow]
    marker: Marker | None


class TableReader:
    """Reads single records. Raises the SDK's errors and CorruptDocumentError."""

    def __init__(self, account: TableAccount, mappings: Mappings) -> None:
        self._account = account
        self._mappings = mappings
        self._homes = Homes(account)
        self._located: set[str] = set()

    def mapping(self, kind: str) -> RowMapping:
        """Return how *kind* is stored."""
        return self._mappings.by_kind[kind]

    async def row(self, address: Address) -> StoredRow | None:
        """Return the row at *address*."""
        try:
            return await self._account.read(address.table, address.partition_key, address.row_key)
        except ResourceNotFoundError:
            if address.table in TABLES:
                raise
            return None

    async def get(self, keys: Sequence[Key]) -> list[Record | None]:
        """Return the record of each key, all of one kind and id; what a locator finds spares the others a search."""
        mapping = self.mapping(keys[0].kind)
        if not isinstance(mapping, ExecutionMapping):
            return await for_each(lambda key: self._by_key(mapping, key), keys)
        markers = await for_each(lambda key: self.marker(key, ""), keys)
        is_found = any(marker is not None and marker.tombstone is None for marker in markers)

        async def resolve(key: Key, marker: Marker | None) -> Record | None:
            if marker is None:
                return None if is_found else await self._search(mapping, key)
            return None if marker.tombstone is not None else await self.anchored(key, marker.sort_key)

        return await for_each(lambda pair: resolve(*pair), list(zip(keys, markers, strict=True)))

    async def anchored(self, key: Key, sort_key: str) -> Record | None:
        """Return the record whose anchor lies where *sort_key* says."""
        return self.mapping(key.kind).merge(key, await self.rows(key, sort_key))

    async def rows(self, key: Key, sort_key: str) -> list[StoredRow]:
        """Return every row of the record whose anchor lies where *sort_key* says, in the order of the mapping's places."""
        mapping = self.mapping(key.kind)
        if isinstance(mapping, ExecutionMapping):
            row = await self.row(mapping.address(key, sort_key))
            return [] if row is None else [row]
        return await self._owned(mapping, key, await self._at_places(mapping, key))

    async def marker(self, key: Key, sort_key: str) -> Marker | None:
        """Return the row beside the anchor."""
        mapping = self.mapping(key.kind)
        stored = await self.row(mapping.marker(key, sort_key)) if mapping.has_marker else None
        return None if stored is None else read_marker(key, stored)

    async def state(self, key: Key, sort_key: str | None) -> State:
        """Return rows and marker. Without *sort_key* they are found as `get` finds them; with it, also an anchor elsewhere.

        Raises:
            DocumentExistsError: The row belongs to another scope's record, or to none: today's key does not tell them apart.
        """
        mapping = self.mapping(key.kind)
        if isinstance(mapping, ExecutionMapping):
            return await self._execution_state(mapping, key, sort_key)
        found, beside = await together(lambda: self._at_places(mapping, key), lambda: self._beside(mapping, key))
        rows = await self._owned(mapping, key, found)
        if found and not rows:
            row = f"{mapping.table}/{found[0].partition_key}/{found[0].row_key}"
            raise DocumentExistsError(f"{key}: row {row} holds something else", backend=BACKEND, key=str(key))
        return State(mapping.merge(key, rows), rows, read_marker(key, beside[0]) if beside else None)

    async def _beside(self, mapping: RowMapping, key: Key) -> list[StoredRow]:
        row = await self.row(mapping.marker(key, "")) if mapping.has_marker else None
        return [] if row is None else [row]

    async def _execution_state(self, mapping: ExecutionMapping, key: Key, sort_key: str | None) -> State:
        marker = await self.marker(key, "")
        if marker is not None:
            sort_key = marker.sort_key
        elif sort_key is None:
            found = await self._search(mapping, key)
            if found is None:
                return State(None, (), None)
            sort_key = found.sort_key
        rows = await self.rows(key, sort_key)
        return State(mapping.merge(key, rows), rows, marker)

    async def _by_key(self, mapping: RowMapping, key: Key) -> Record | None:
        if mapping.span(key) is not None:
            return await self.anchored(key, "")
        for place in mapping.places(key):
            stored = await self.row(place)
            if stored is not None and (rows := await self._owned(mapping, key, [stored])):
                return mapping.merge(key, rows)
        return None

    async def _at_places(self, mapping: RowMapping, key: Key) -> list[StoredRow]:
        places = mapping.places(key)
        span = mapping.span(key)
        if span is None:
            found = await for_each(self.row, places)
            return [row for row in found if row is not None]
        conditions = "PartitionKey eq @p and RowKey ge @lo and RowKey lt @hi"
        parameters = {"p": span.partition_key, "lo": span.lo, "hi": span.hi}
        rows = {row.row_key: row async for row in self._account.rows(mapping.table, conditions, parameters)}
        return [rows[place.row_key] for place in places if place.row_key in rows]

    async def _owned(self, mapping: RowMapping, key: Key, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """Return those of *rows* that are the record's at *key*."""
        if mapping.scope_column is None and all(mapping.home(row.row_key) is None for row in rows):
            return list(rows)
        homed = await self._homes.tell(mapping, rows, key.scope)
        return [row for row in homed if mapping.key_of(row.partition_key, row.row_key, row.properties) == key]

    async def _search(self, mapping: ExecutionMapping, key: Key) -> Record | None:
        """Look through the partition for a row that has no locator; the newest, if there are several."""
        if await self._is_located(mapping, key.scope):
            return None
        conditions = "PartitionKey eq @p and RowKey ge @lo and RowKey lt @hi and ExecutionId eq @id"
        parameters = {
            "p": key.scope.partition_key,
            "lo": mapping.prefix,
            "hi": end_of(mapping.prefix),
            "id": key.id,
        }
        async for stored in self._account.rows(mapping.table, conditions, parameters):
            if mapping.key_of(stored.partition_key, stored.row_key, stored.properties) == key:
                return mapping.decode(key, stored)
        return None

    async def _is_located(self, mapping: ExecutionMapping, scope: Scope) -> bool:
        partition_key = scope.partition_key
        if partition_key not in self._located:
            if await self._account.read(mapping.table, partition_key, LOCATED_MARK) is None:
                return False
            self._located.add(partition_key)
        return True
