"""Finds records by key: rows, markers, and executions whose row key only a locator or a scan can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from azure.core.exceptions import ResourceNotFoundError

from bifrost_store.backends.table.account import StoredRow, TableAccount
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.finding import ExecutionFinder
from bifrost_store.backends.table.homes import Homes
from bifrost_store.backends.table.locations import Locations
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.execution import ExecutionMapping
from bifrost_store.backends.table.mappings.stamps import Marker, read_marker
from bifrost_store.backends.table.places import TABLES, Address
from bifrost_store.backends.table.twins import Twins
from bifrost_store.core.record import Key, Record
from bifrost_store.core.tasks import for_each, together
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError


@dataclass(frozen=True, slots=True)
class State:
    """What is stored for a key: the record, expired or not, its rows, and the row beside its anchor.

    Attributes:
        record: Of rows that cannot be read, what can be told of it; never a None in its address.
        error: Why they cannot be read, if so.
    """

    record: Record | None
    rows: Sequence[StoredRow]
    marker: Marker | None
    error: CorruptDocumentError | None = None

    @property
    def whole(self) -> Record | None:
        """The record if all of it can be read."""
        return self.record if self.error is None else None


def state_of(mapping: RowMapping, key: Key, rows: Sequence[StoredRow], marker: Marker | None = None) -> State:
    """Return the state that *rows* are, whether they can be read or not."""
    try:
        return State(mapping.merge(key, rows), rows, marker)
    except CorruptDocumentError as error:
        return State(cast(Record, error.partial), rows, marker, error)


class TableReader:
    """Reads single records. Raises the SDK's errors and CorruptDocumentError.

    Attributes:
        twins: Which of several rows of one execution counts.
        locations: Where executions were seen.
    """

    def __init__(self, account: TableAccount, mappings: Mappings) -> None:
        self._account = account
        self._mappings = mappings
        self._homes = Homes(account)
        self.twins = Twins(account)
        self.locations = Locations()
        self._finder = ExecutionFinder(account, mappings, self.twins, self.locations)

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

    async def first_present(self, keys: Sequence[Key], now: datetime) -> Record | None:
        """Return the first record at *keys*, all of one kind and id, that is neither deleted nor expired at *now*."""
        mapping = self.mapping(keys[0].kind)
        if isinstance(mapping, ExecutionMapping):
            return await self._finder.first_present(keys, now)
        found = await for_each(lambda key: self._by_key(mapping, key), keys)
        return next((record for record in found if record is not None and record.is_present(now)), None)

    def note(self, record: Record) -> None:
        """Remember where the anchor of *record* is, or that a tombstone has none, to find it by id without its locator."""
        if record.key.kind == ExecutionMapping.spec.kind:
            if record.is_tombstone:
                self.locations.forget(record.key)
            elif record.sort_key:
                self.locations.note(record.key, record.sort_key)

    async def anchored(self, key: Key, sort_key: str) -> Record | None:
        """Return the record whose anchor lies where *sort_key* says."""
        return self.mapping(key.kind).merge(key, await self.rows(key, sort_key))

    async def rows(self, key: Key, sort_key: str) -> list[StoredRow]:
        """Return every row of the record whose anchor lies where *sort_key* says, in the order of the mapping's addresses."""
        mapping = self.mapping(key.kind)
        if isinstance(mapping, ExecutionMapping):
            row = await self.row(mapping.address(key, sort_key))
            return [] if row is None else [row]
        return await self._owned(mapping, key, await self._at_addresses(mapping, key))

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
        found, beside = await together(lambda: self._at_addresses(mapping, key), lambda: self._beside(mapping, key))
        rows = await self._owned(mapping, key, found)
        if found and not rows:
            row = f"{mapping.table}/{found[0].partition_key}/{found[0].row_key}"
            raise DocumentExistsError(f"{key}: row {row} holds something else", backend=BACKEND, key=str(key))
        return state_of(mapping, key, rows, read_marker(key, beside[0]) if beside else None)

    async def _beside(self, mapping: RowMapping, key: Key) -> list[StoredRow]:
        row = await self.row(mapping.marker(key, "")) if mapping.has_marker else None
        return [] if row is None else [row]

    async def _execution_state(self, mapping: ExecutionMapping, key: Key, sort_key: str | None) -> State:
        marker = await self.marker(key, "")
        if marker is not None:
            sort_key = marker.sort_key
        elif sort_key is None:
            return state_of(mapping, key, (await self.search(key))[:1])
        return state_of(mapping, key, await self.rows(key, sort_key), marker)

    async def _by_key(self, mapping: RowMapping, key: Key) -> Record | None:
        if mapping.span(key) is not None:
            return await self.anchored(key, "")
        for address in mapping.addresses(key):
            stored = await self.row(address)
            if stored is not None and (rows := await self._owned(mapping, key, [stored])):
                return mapping.merge(key, rows)
        return None

    async def _at_addresses(self, mapping: RowMapping, key: Key) -> list[StoredRow]:
        addresses = mapping.addresses(key)
        span = mapping.span(key)
        if span is None:
            found = await for_each(self.row, addresses)
            return [row for row in found if row is not None]
        conditions = "PartitionKey eq @p and RowKey ge @lo and RowKey lt @hi"
        parameters = {"p": span.partition_key, "lo": span.lo, "hi": span.hi}
        rows = {row.row_key: row async for row in self._account.rows(mapping.table, conditions, parameters)}
        return [rows[address.row_key] for address in addresses if address.row_key in rows]

    async def _owned(self, mapping: RowMapping, key: Key, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """Return those of *rows* that are the record's at *key*."""
        if mapping.scope_column is None and all(mapping.home(row.row_key) is None for row in rows):
            return list(rows)
        homed = await self._homes.tell(mapping, rows, key.scope)
        return [row for row in homed if mapping.key_of(row.partition_key, row.row_key, row.properties) == key]

    async def search(self, key: Key, *, is_thorough: bool = True) -> list[StoredRow]:
        """Look through the partition for an execution's rows that have no locator: the one that counts, then its older twins.

        One request, which also meets the mark that there are none; none once that was met. *is_thorough*: rows whose column
        names another execution are looked for too.
        """
        partition_key = key.scope.partition_key
        found = (await self.twins.of(partition_key, [key.id])).get(key.id, [])
        if found or not is_thorough or self.twins.is_located(partition_key):
            return found
        return await self.twins.misnamed(partition_key, key.id)
