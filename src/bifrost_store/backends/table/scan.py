"""Everything in the account as records: resumable, page by page, nothing left out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bifrost_store.backends.protocol import ScanPage
from bifrost_store.backends.table.account import StoredRow, TableAccount
from bifrost_store.backends.table.edm import row_to_rest
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.homes import Homes, without_scope
from bifrost_store.backends.table.index_word import INDEX_WORD
from bifrost_store.backends.table.mappings import Mappings, RowMapping
from bifrost_store.backends.table.mappings.execution import LOCATED_MARK, LOCATOR_PREFIX, ExecutionMapping
from bifrost_store.backends.table.mappings.internal import INTERNAL_PREFIX
from bifrost_store.backends.table.mappings.stamps import ANCHOR, GUARD_PREFIX, IS_TOMBSTONE, read_marker
from bifrost_store.backends.table.places import RELATIONSHIPS
from bifrost_store.backends.table.reader import TableReader
from bifrost_store.backends.table.twins import Twins
from bifrost_store.core.json import load_json
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.errors import CorruptDocumentError, InvalidContinuationTokenError, InvalidKeyError

_KEYS = ("PartitionKey", "RowKey")


@dataclass(frozen=True, slots=True)
class _Position:
    """Between two pages: the table being read, and the service's own continuation in it (None: from its start)."""

    table: str
    continuation: dict[str, str] | None

    def encode(self) -> str:
        return json.dumps({"table": self.table, "continuation": self.continuation})

    @classmethod
    def decode(cls, token: str) -> _Position:
        try:
            parts = load_json(token)
            return cls(str(parts["table"]), parts["continuation"])
        except (ValueError, TypeError, KeyError):
            raise InvalidContinuationTokenError("resume token: not one that a scan of Table Storage gave") from None


class TableScanner:
    """Reads every row of every table and says what each one is."""

    def __init__(self, account: TableAccount, mappings: Mappings) -> None:
        self._account = account
        self._mappings = mappings

    async def pages(self, resume_token: str | None) -> AsyncIterator[ScanPage]:
        """Go through all records and tombstones, table by table in name order."""
        start = None if resume_token is None else _Position.decode(resume_token)
        for table in await self._account.table_names():
            if start is not None and table < start.table:
                continue
            continuation = start.continuation if start is not None and table == start.table else None
            if start is not None and table == start.table and continuation is None:
                continue
            reading = _TableReading(self._account, self._mappings, table)
            async for rows, following in self._account.pages(table, "", {}, continuation=continuation):
                records, errors = await reading.records(rows)
                rejected = tuple([await reading.rejected(error, stored) for error, stored in errors])
                token = _Position(table, following).encode()
                yield ScanPage(tuple(records), tuple(error for error, _ in errors), token, rejected)

    async def unclaimed(self) -> AsyncIterator[Record | CorruptDocumentError]:
        """Go through the rows that no kind claims; for one that cannot be read comes its error."""
        async for page in self.pages(None):
            for record in page.records:
                if record.key.kind == "legacy_row" and not record.is_tombstone:
                    yield record
            for error in page.unreadable:
                if error.document is not None and error.document[0] == "legacy_row":
                    yield error


class _TableReading:
    """What reading one table must remember between its pages."""

    def __init__(self, account: TableAccount, mappings: Mappings, table: str) -> None:
        self._account = account
        self._mappings = mappings
        self._homes = Homes(account, is_snapshot=True)
        self._reader = TableReader(account, mappings)
        self._table = table
        self._checked_partition: str | None = None
        self._older_twins: set[str] = set()
        self._first_places: dict[str, set[Key]] = {}

    async def records(self, rows: list[StoredRow]) -> tuple[list[Record], list[tuple[CorruptDocumentError, StoredRow]]]:
        """Return the records of *rows*, and an error for each that cannot be read, with the row."""
        records: list[Record] = []
        errors: list[tuple[CorruptDocumentError, StoredRow]] = []
        for mapping in self._mappings.by_kind.values():
            if mapping.table == self._table:
                rows = await self._homes.tell(mapping, rows, None)
        for stored in rows:
            try:
                record = await self._record(stored)
            except CorruptDocumentError as error:
                errors.append((error, stored))
                continue
            if record is not None:
                records.append(record)
        return records, errors

    async def rejected(self, error: CorruptDocumentError, stored: StoredRow) -> Body:
        """Return the row that *error* names as it is stored: *stored*, or another of the same record."""
        place = f"{self._table}/{stored.partition_key}/"
        if error.key is not None and error.key.startswith(place) and error.key != place + stored.row_key:
            stored = await self._account.read(self._table, stored.partition_key, error.key.removeprefix(place)) or stored
        return row_to_rest(stored.properties)

    async def _record(self, stored: StoredRow) -> Record | None:
        partition_key, row_key = stored.partition_key, stored.row_key
        if self._is_ours_or_derived(partition_key, row_key):
            return None
        if row_key.startswith((LOCATOR_PREFIX, GUARD_PREFIX)):
            return self._tombstone(stored)
        key = self._mappings.key_of(self._table, partition_key, row_key, stored.properties)
        if key is not None and key.kind == ExecutionMapping.spec.kind and await self._is_older_twin(partition_key, row_key):
            key = None
        if key is not None:
            mapping = self._mappings.by_kind[key.kind]
            is_beside = await self._is_beside_the_first(mapping, key, row_key)
            if is_beside and mapping.is_spread:
                return None
            rows = [stored] if mapping.span(key) is None else await self._reader.rows(key, "")
            record = None if is_beside else mapping.merge(key, rows)
            if record is not None:
                return record
        legacy_key = self._mappings.legacy_key(self._table, partition_key, row_key)
        return self._mappings.by_kind[legacy_key.kind].decode(legacy_key, without_scope(stored))

    def _is_ours_or_derived(self, partition_key: str, row_key: str) -> bool:
        if self._table == RELATIONSHIPS:
            return partition_key == "GLOBAL" and (row_key == INDEX_WORD or row_key.startswith(self._mappings.index_prefixes))
        if self._table == "Config":
            return partition_key == "SYSTEM" and row_key.removeprefix(GUARD_PREFIX).startswith(INTERNAL_PREFIX)
        return self._table == ExecutionMapping.table and row_key == LOCATED_MARK

    def _tombstone(self, stored: StoredRow) -> Record | None:
        if not stored.properties.get(IS_TOMBSTONE):
            return None
        partition_key, row_key = stored.partition_key, stored.row_key
        try:
            if row_key.startswith(LOCATOR_PREFIX):
                key = Key(ExecutionMapping.spec.kind, Scope.from_partition_key(partition_key), row_key.removeprefix(LOCATOR_PREFIX))
            else:
                anchor = str(stored.properties[ANCHOR])
                claimed = self._mappings.key_of(self._table, partition_key, anchor, stored.properties)
                key = claimed or self._mappings.legacy_key(self._table, partition_key, anchor)
        except (InvalidKeyError, KeyError):
            raise CorruptDocumentError(
                f"row {self._table}/{partition_key}/{row_key}: a tombstone that names no record; delete the row",
                backend=BACKEND,
                key=f"{self._table}/{partition_key}/{row_key}",
            ) from None
        return read_marker(key, stored).tombstone

    async def _is_older_twin(self, partition_key: str, row_key: str) -> bool:
        """Return whether a newer row has the same execution id. Newer rows come first in a partition."""
        if partition_key != self._checked_partition:
            self._checked_partition = partition_key
            rows = await Twins(self._account).all(partition_key)
            self._older_twins = {row.row_key for twins in rows.values() for row in twins[1:]}
        return row_key in self._older_twins

    async def _is_beside_the_first(self, mapping: RowMapping, key: Key, row_key: str) -> bool:
        """Return whether a row of the same record lies at an earlier one of its addresses."""
        first, *others = mapping.addresses(key)
        if not others or row_key == first.row_key:
            return False
        if key.kind not in self._first_places:
            self._first_places[key.kind] = await self._keys_at_first_places(mapping)
        return key in self._first_places[key.kind]

    async def _keys_at_first_places(self, mapping: RowMapping) -> set[Key]:
        keys = set()
        for key_range in mapping.ranges(None, ()):
            conditions, parameters = "RowKey ge @lo and RowKey lt @hi", {"lo": key_range.lo, "hi": key_range.hi}
            async for stored in self._account.rows(self._table, conditions, parameters, select=_KEYS):
                key = mapping.key_of(stored.partition_key, stored.row_key, {})
                if key is not None and stored.row_key == mapping.addresses(key)[0].row_key:
                    keys.add(key)
        return keys
