"""Makes what lies beside the records agree with them: index rows, status rows, locators, membership twins, twins of executions.

Every step is safe beside live writers: locators are only inserted, twins are written under the etag of the row they follow,
and an execution whose index rows were written is looked at again until it has not changed meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio
from azure.core.exceptions import HttpResponseError

from bifrost_store.backends.protocol import IndexRows, RepairReport
from bifrost_store.backends.table.account import Change, Insert, Put, Remove, Row, StoredRow, TableAccount
from bifrost_store.backends.table.errors import BACKEND, wrap_errors
from bifrost_store.backends.table.homes import Homes
from bifrost_store.backends.table.index_word import TRUSTED_SECONDS, Word
from bifrost_store.backends.table.mappings import Mappings, RowMapping
from bifrost_store.backends.table.mappings.execution import LOCATED_MARK, LOCATOR_PREFIX, ExecutionMapping
from bifrost_store.backends.table.mappings.membership import TWIN_PREFIX, MembershipMapping
from bifrost_store.backends.table.mappings.stamps import IS_TOMBSTONE, NEVER_EXTRA, SORT_KEY, marker_row
from bifrost_store.backends.table.places import RELATIONSHIPS, end_of
from bifrost_store.backends.table.reader import state_of
from bifrost_store.backends.table.twins import Twins, set_aside
from bifrost_store.backends.table.writer import TableWriter
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.record import Key, Record
from bifrost_store.errors import CorruptDocumentError

T = TypeVar("T")

_CHUNK = 100
_AT_ONCE = 16
_ROUNDS = 5
"""So often a record's index rows are written that live writers change meanwhile."""
_CONFLICTS = (404, 409, 412)
_STATUS = "status:"
_NOT_COMPARED = NEVER_EXTRA | {"UpdatedAt"}


@dataclass(frozen=True, slots=True)
class TableRepair:
    """The `Repair` of one account."""

    account: TableAccount
    writer: TableWriter
    mappings: Mappings

    async def run(
        self, *, old_application_stopped: bool = False, index_rows: IndexRows | None = None, progress: Progress = silent
    ) -> RepairReport:
        with wrap_errors("repair"):
            return await _Run(self.account, self.writer, self.mappings).run(old_application_stopped, index_rows, progress)


class _Run:
    """One pass over executions, memberships, and every other kind with index rows."""

    def __init__(self, account: TableAccount, writer: TableWriter, mappings: Mappings) -> None:
        self._account = account
        self._writer = writer
        self._word = writer.word
        self._mappings = mappings
        self._others = [
            mapping for kind, mapping in mappings.by_kind.items() if mapping.index_prefixes and kind != ExecutionMapping.spec.kind
        ]
        self._executions = ExecutionMapping()
        self._memberships = MembershipMapping()
        self._homed = [mapping for mapping in mappings.by_kind.values() if mapping.home(mapping.prefix) is not None]
        self._report = RepairReport()
        self._older_twins: dict[str, set[str]] = {}
        self._located: dict[str, set[str]] = {}
        self._shown: set[bytes] = set()
        self._wanted: set[str] = set()
        self._looked_at = (_STATUS, *(prefix for mapping in self._others for prefix in mapping.index_prefixes))

    async def run(self, old_application_stopped: bool, index_rows: IndexRows | None, progress: Progress) -> RepairReport:
        """Repair all; mark partitions as located if the operator vouches for it."""
        word = await self._heard(index_rows)
        has_index_rows = word is not Word.STOPPED
        if has_index_rows:
            await self._read_index_rows()
        looked_at = 0
        partitions: set[str] = set()
        async for chunk in _chunks(self._rows("Entities", self._executions.prefix)):
            partitions.update(stored.partition_key for stored in chunk)
            found = [one for stored in chunk if (one := await self._execution(stored)) is not None]
            await self._repair_locators([record for record, _ in found])
            readable = [record for record, is_readable in found if is_readable and has_index_rows]
            await self._at_once(readable, partial(self._repair_index_rows, self._executions))
            progress("executions", looked_at := looked_at + len(chunk), None)
        if has_index_rows:
            await self._remove_index_rows_left_behind()
            for mapping in self._others:
                await self._repair_other_index_rows(mapping)
        else:
            await self._remove_all_index_rows()
        if word is Word.RESUMING:
            await self._word.write(None)
        await self._repair_memberships()
        for mapping in self._homed:
            await self._repair_scopes(mapping)
        await self._name_contradictions()
        if old_application_stopped:
            for partition_key in sorted(partitions):
                await self._account.write("Entities", [Put({"PartitionKey": partition_key, "RowKey": LOCATED_MARK})])
                self._report.note("partitions marked as located")
        return self._report

    async def _heard(self, index_rows: IndexRows | None) -> Word | None:
        """Store what the operator says of index rows; return what is to be done now."""
        word = await self._word.read()
        if index_rows == "stop" and word is not Word.STOPPED:
            word = Word.STOPPED
            await self._word.write(word)
            self._report.note("index rows stopped")
        elif index_rows == "resume" and word is Word.STOPPED:
            word = Word.RESUMING
            await self._word.write(word)
            self._report.note("index rows resumed")
        if word is Word.RESUMING:
            # Until then a process may go by what it read before, and leave out index rows that are looked for below.
            await anyio.sleep(TRUSTED_SECONDS)
        return word

    async def _remove_all_index_rows(self) -> None:
        """Remove what was written before the word, or by processes that had not heard it. Nobody reads it."""
        for prefix in self._mappings.index_prefixes:
            async for chunk in _chunks(self._rows(RELATIONSHIPS, prefix)):
                if await self._writer.write_index([Remove("GLOBAL", stored.row_key) for stored in chunk]):
                    self._report.note("index rows removed", len(chunk))

    async def _execution(self, stored: StoredRow) -> tuple[Record, bool] | None:
        """Return the execution that counts in a row, and whether it can be read."""
        partition_key = stored.partition_key
        if partition_key not in self._older_twins:
            self._older_twins = {partition_key: await self._settle_twins(partition_key)}
            self._located[partition_key] = {stored.row_key async for stored in self._locators(partition_key)}
        key = self._executions.key_of(partition_key, stored.row_key, stored.properties)
        if key is None or stored.row_key in self._older_twins[partition_key]:
            return None
        state = state_of(self._executions, key, [stored])
        return None if state.record is None else (state.record, state.error is None)

    async def _settle_twins(self, partition_key: str) -> set[str]:
        """Set the older rows of executions aside; return the row keys that they had."""
        older: set[str] = set()
        for id_, rows in (await Twins(self._account).all(partition_key)).items():
            if len(rows) > 1:
                older.update(row.row_key for row in rows[1:])
                await self._point_locator_at(self._executions.checked_key(partition_key, id_), rows[0].row_key)
                for row in rows[1:]:
                    await self._set_aside(row)
        return older

    async def _point_locator_at(self, key: Key | None, row_key: str) -> None:
        assert key is not None
        record = Record(key, {}, self._executions.sort_key_of(key, row_key))
        address = self._executions.marker(key, record.sort_key)
        marker = await self._account.read(address.table, address.partition_key, address.row_key)
        if marker is None or marker.properties.get(IS_TOMBSTONE):
            return
        if marker.properties.get(SORT_KEY) != record.sort_key:
            await self._try([Put(marker_row(self._executions, record), marker.etag)], address.table)

    async def _set_aside(self, row: StoredRow) -> None:
        table = self._executions.table
        whole = await self._account.read(table, row.partition_key, row.row_key)
        if whole is not None and await self._try(set_aside(whole), table):
            self._report.note("older rows of executions set aside")

    async def _name_contradictions(self) -> None:
        """Name the rows that contradict themselves. Those that cannot be read, whoever repairs names."""
        for mapping in self._mappings.by_kind.values():
            if not mapping.may_contradict:
                continue
            for key_range in mapping.ranges(None, ()):
                async for stored in self._range(mapping.table, key_range.lo, key_range.hi):
                    what = mapping.contradiction(stored.properties)
                    if what is not None:
                        place = f"{mapping.table}/{stored.partition_key}/{stored.row_key}"
                        self._report.contradictions.append(f"row {place}: {what}")

    def _decode(self, mapping: RowMapping, stored: StoredRow) -> Record | None:
        """Return the record of a row; None if it is none, or cannot be read."""
        key = mapping.key_of(stored.partition_key, stored.row_key, stored.properties)
        return None if key is None else state_of(mapping, key, [stored]).whole

    def _locators(self, partition_key: str) -> AsyncIterator[StoredRow]:
        conditions = "PartitionKey eq @p and RowKey ge @lo and RowKey lt @hi"
        parameters = {"p": partition_key, "lo": LOCATOR_PREFIX, "hi": end_of(LOCATOR_PREFIX)}
        return self._account.rows(self._executions.table, conditions, parameters, select=("PartitionKey", "RowKey"))

    async def _repair_locators(self, records: Sequence[Record]) -> None:
        """Add the locators that *records* of a chunk lack: all of a partition at once, or one by one beside live writers."""
        missing: dict[str, list[Change]] = {}
        for record in records:
            marker = self._executions.marker(record.key, record.sort_key)
            if marker.row_key not in self._located[marker.partition_key]:
                missing.setdefault(marker.partition_key, []).append(Insert(marker_row(self._executions, record)))
        for changes in missing.values():
            if not await self._add_locators(changes) and len(changes) > 1:
                for change in changes:
                    await self._add_locators([change])
        for partition_key in list(self._located)[:-1]:  # of which no further chunk has any
            del self._located[partition_key]

    async def _add_locators(self, changes: Sequence[Change]) -> bool:
        if not await self._try(changes, self._executions.table):
            return False
        self._report.note("locators added", len(changes))
        return True

    async def _read_index_rows(self) -> None:
        """Note how all index rows are, so that only those that seem missing or stale are read one by one."""
        for prefix in self._mappings.index_prefixes:
            async for stored in self._rows(RELATIONSHIPS, prefix):
                self._shown.add(_mark(stored.properties))

    async def _repair_index_rows(self, mapping: RowMapping, record: Record) -> None:
        rows = mapping.index_rows(record)
        self._wanted.update(key for row in rows if (key := str(row["RowKey"])).startswith(self._looked_at))
        if all(_mark(row) in self._shown for row in rows):
            return
        current = record
        for _ in range(_ROUNDS):
            changes = await self._index_changes(mapping, current)
            if not changes:
                return
            if not await self._writer.write_index(changes):
                break
            self._report.note("index rows written", len(changes))
            stored = await self._read_again(mapping, current)
            if stored is None:
                await self._writer.write_index([Remove("GLOBAL", str(r["RowKey"])) for r in mapping.index_rows(current)])
                return
            now = self._decode(mapping, stored)
            if now is None:
                return
            current = now
        message = f"{record.key}: its index rows cannot be written, or do not stay as written; see the log, and repair again"
        self._report.unreadable.append(CorruptDocumentError(message, backend=BACKEND, key=str(record.key)))

    async def _index_changes(self, mapping: RowMapping, record: Record) -> list[Change]:
        changes: list[Change] = []
        for row in mapping.index_rows(record):
            stored = await self._account.read(RELATIONSHIPS, "GLOBAL", str(row["RowKey"]))
            if stored is None or not _shows(stored.properties, row):
                changes.append(Put(row))
        return changes

    async def _read_again(self, mapping: RowMapping, record: Record) -> StoredRow | None:
        address = mapping.address(record.key, record.sort_key)
        return await self._account.read(address.table, address.partition_key, address.row_key)

    async def _repair_other_index_rows(self, mapping: RowMapping) -> None:
        async for chunk in _chunks(self._rows(mapping.table, mapping.prefix)):
            records = [record for stored in chunk if (record := self._decode(mapping, stored)) is not None]
            await self._at_once(records, partial(self._repair_index_rows, mapping))
        for prefix in mapping.index_prefixes:
            async for stored in self._rows(RELATIONSHIPS, prefix):
                is_left_behind = stored.row_key not in self._wanted and await self._is_left_behind(mapping, stored)
                if is_left_behind and await self._try([Remove("GLOBAL", stored.row_key, stored.etag)], RELATIONSHIPS):
                    self._report.note("index rows removed")

    async def _is_left_behind(self, mapping: RowMapping, index_row: StoredRow) -> bool:
        key = mapping.owner(index_row)
        if key is None:
            return False
        address = mapping.address(key, "")
        stored = await self._account.read(address.table, address.partition_key, address.row_key)
        try:
            rows = [] if stored is None else mapping.index_rows(mapping.decode(key, stored))
        except CorruptDocumentError:
            return False
        return index_row.row_key not in {row["RowKey"] for row in rows}

    async def _remove_index_rows_left_behind(self) -> None:
        """Remove index rows of deleted executions, and status rows of those that are in another status."""
        deleted = {
            (s.partition_key, s.row_key) async for s in self._rows("Entities", LOCATOR_PREFIX) if s.properties.get(IS_TOMBSTONE)
        }
        for prefix in self._executions.index_prefixes:
            if not deleted and prefix != _STATUS:
                continue
            async for stored in self._rows(RELATIONSHIPS, prefix):
                partition_key = str(stored.properties.get("OrganizationId") or "GLOBAL")
                locator = LOCATOR_PREFIX + stored.row_key.rpartition(":")[2]
                is_left_behind = (partition_key, locator) in deleted
                if not is_left_behind and prefix == _STATUS and stored.row_key not in self._wanted:
                    is_left_behind = await self._is_in_another_status(stored, partition_key, locator)
                if is_left_behind and await self._try([Remove("GLOBAL", stored.row_key, stored.etag)], RELATIONSHIPS):
                    self._report.note("index rows removed")

    async def _is_in_another_status(self, stored: StoredRow, partition_key: str, locator: str) -> bool:
        found = await self._account.read("Entities", partition_key, locator)
        anchor = None if found is None else f"{self._executions.prefix}{found.properties.get(SORT_KEY)}"
        row = None if anchor is None else await self._account.read("Entities", partition_key, anchor)
        if row is None:
            self._report.note("status rows without an execution (left alone)")
            return False
        return stored.row_key.split(":")[1] != (row.properties.get("Status") or "Pending")

    async def _repair_memberships(self) -> None:
        mapping = self._memberships
        prefixes = (mapping.prefix, TWIN_PREFIX)
        there = {stored.row_key for prefix in prefixes async for stored in self._rows(RELATIONSHIPS, prefix)}
        for prefix in prefixes:
            async for stored in self._rows(RELATIONSHIPS, prefix):
                key = mapping.key_of("GLOBAL", stored.row_key, {})
                if key is None:
                    continue
                (twin,) = [address.row_key for address in mapping.addresses(key) if address.row_key != stored.row_key]
                if twin in there:
                    continue
                changes: list[Change] = [Put(stored.properties, stored.etag), Insert({**stored.properties, "RowKey": twin})]
                if await self._try(changes, RELATIONSHIPS):
                    self._report.note("membership rows added")

    async def _repair_scopes(self, mapping: RowMapping) -> None:
        """Write into the old application's rows where they are at home, which spares readers the search."""
        homes = Homes(self._account, is_snapshot=True)
        async for chunk in _chunks(self._rows(mapping.table, mapping.prefix)):
            for before, row in zip(chunk, await homes.tell(mapping, chunk, None), strict=True):
                if row is not before and await self._try([Put(row.properties, row.etag)], mapping.table):
                    self._report.note("scopes written")

    async def _try(self, changes: Sequence[Change], table: str) -> bool:
        """Write unless a live writer was faster, which is fine too."""
        try:
            await self._account.write(table, changes)
        except HttpResponseError as error:
            if error.status_code not in _CONFLICTS:
                raise
            return False
        return True

    async def _at_once(self, items: Sequence[T], function: Callable[[T], Awaitable[None]]) -> None:
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def run(item: T) -> None:
            async with limiter:
                await function(item)

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(run, item)

    def _rows(self, table: str, prefix: str) -> AsyncIterator[StoredRow]:
        return self._range(table, prefix, end_of(prefix))

    def _range(self, table: str, lo: str, hi: str) -> AsyncIterator[StoredRow]:
        conditions = "RowKey ge @lo and RowKey lt @hi"
        parameters = {"lo": lo, "hi": hi}
        if table == RELATIONSHIPS:
            conditions, parameters = f"PartitionKey eq @p and {conditions}", {"p": "GLOBAL", **parameters}
        return self._account.rows(table, conditions, parameters)


async def _chunks(rows: AsyncIterator[StoredRow]) -> AsyncIterator[list[StoredRow]]:
    chunk: list[StoredRow] = []
    async for stored in rows:
        chunk.append(stored)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _shows(stored: Row, wanted: Row) -> bool:
    """Return whether a stored index row holds what it should; the time of the last change is not compared."""
    return _content(stored) == _content(wanted)


def _content(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NOT_COMPARED}


def _mark(index_row: Row) -> bytes:
    """Return what is equal only for index rows of one key that show the same."""
    text = repr((index_row["RowKey"], sorted(_content(index_row).items())))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
