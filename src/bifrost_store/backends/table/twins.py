"""Several primary rows of one execution, which a retried creation of the old application leaves: which of them counts.

A row that this library wrote counts, as its locator names it; else the newest, as for the old application.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bifrost_store.backends.table.account import Change, Insert, Remove, StoredRow, TableAccount
from bifrost_store.backends.table.locations import Locations
from bifrost_store.backends.table.mappings.execution import ASIDE_ID, ASIDE_PREFIX, EXECUTION_ID, LOCATED_MARK, ExecutionMapping
from bifrost_store.backends.table.mappings.stamps import REVISION
from bifrost_store.backends.table.places import end_of
from bifrost_store.core.clock import reverse_timestamp
from bifrost_store.core.record import Key
from bifrost_store.core.tasks import for_each

_IDS_AT_ONCE: Final = 8
"""Of the 15 comparisons of one filter, seven are others."""
_MOST_IDS: Final = 7 * _IDS_AT_ONCE
_EVERY: Final = "PartitionKey eq @p and RowKey ge @lo and RowKey lt @hi"
_SELECTED: Final = ("PartitionKey", "RowKey", REVISION)

_SETTLED_AFTER: Final = timedelta(days=1)
"""Later than this after a run began, no creation of the old application is tried again, which would leave a newer row of its id."""

RowsById = dict[str, list[StoredRow]]


class Twins:
    """Looks for rows of executions by id, where a scope is not marked as located. Raises the SDK's errors.

    Attributes:
        counting: Rows of the old application that were found to count, and that no later one will hide.
    """

    def __init__(self, account: TableAccount) -> None:
        self._account = account
        self._mapping = ExecutionMapping()
        self._located: set[str] = set()
        self._asked: set[str] = set()
        self._misnamed: dict[str, dict[str, list[str]]] = {}
        self.counting = Locations()

    async def of(self, partition_key: str, ids: Sequence[str], *, select: Sequence[str] | None = None) -> RowsById:
        """Return the rows of each of up to eight executions, the one that counts first, then the newest.

        One request, which also meets the mark that every execution has a locator; none once that was met.
        """
        wanted = " or ".join(f"{EXECUTION_ID} eq @i{number}" for number in range(len(ids)))
        conditions = (
            "PartitionKey eq @p and RowKey ge @mark and RowKey lt @hi and "
            f"(RowKey eq @mark or RowKey ge @lo and ({wanted} or {EXECUTION_ID} eq '' or not ({EXECUTION_ID} ge '') ) )"
        )
        values = {"mark": LOCATED_MARK, **{f"i{number}": id_ for number, id_ in enumerate(ids)}}
        found: RowsById = {}
        async for key, row in self._rows(partition_key, conditions, values, select):
            if key.id in ids:
                found.setdefault(key.id, []).append(row)
        return {} if self.is_located(partition_key) else {id_: in_order(rows) for id_, rows in found.items()}

    async def misnamed(self, partition_key: str, id_: str) -> list[StoredRow]:
        """Return the rows of an execution whose column names another, so that no filter finds them.

        Damaged rows, which are looked for once in each partition: one request for each thousand of its executions.
        """
        if partition_key not in self._misnamed:
            found: dict[str, list[str]] = {}
            async for key, row in self._rows(partition_key, _EVERY, {}, (*_SELECTED, EXECUTION_ID)):
                if row.properties.get(EXECUTION_ID) not in (key.id, "", None):
                    found.setdefault(key.id, []).append(row.row_key)
            self._misnamed[partition_key] = found
        keys = self._misnamed[partition_key].get(id_, [])
        rows = [await self._account.read(self._mapping.table, partition_key, row_key) for row_key in keys]
        return in_order([row for row in rows if row is not None])

    async def all(self, partition_key: str) -> RowsById:
        """Return the keys of every execution's rows in a partition, the one that counts first, then the newest."""
        found: RowsById = {}
        async for key, row in self._rows(partition_key, _EVERY, {}, _SELECTED):
            found.setdefault(key.id, []).append(row)
        return {id_: in_order(rows) for id_, rows in found.items()}

    async def ask_mark(self, partition_key: str) -> None:
        """Read the mark, once for each partition: a search meets one that is written later."""
        if partition_key in self._asked:
            return
        self._asked.add(partition_key)
        if await self._account.read(self._mapping.table, partition_key, LOCATED_MARK) is not None:
            self._located.add(partition_key)

    def is_located(self, partition_key: str) -> bool:
        """Return whether the mark was met: no execution of the partition has a second row."""
        return partition_key in self._located

    async def _rows(
        self, partition_key: str, conditions: str, values: dict[str, Any], select: Sequence[str] | None
    ) -> AsyncIterator[tuple[Key, StoredRow]]:
        if self.is_located(partition_key):
            return
        parameters = {"p": partition_key, "lo": self._mapping.prefix, "hi": end_of(self._mapping.prefix), **values}
        async for row in self._account.rows(self._mapping.table, conditions, parameters, select=select):
            if row.row_key == LOCATED_MARK:
                self._located.add(partition_key)
                return
            key = self._mapping.key_of(partition_key, row.row_key, row.properties)
            if key is not None:
                yield key, row


class TwinCheck:
    """Tells, while one query is read, which rows do not count. Rows of ours do, as they are written with their locator."""

    def __init__(self, twins: Twins) -> None:
        self._twins = twins
        self._mapping = ExecutionMapping()
        self._all: dict[str, RowsById] = {}

    async def without(self, rows: Sequence[StoredRow], now: datetime) -> list[StoredRow]:
        """Return those of *rows* that count at *now*: up to seven requests for each partition, or one per thousand rows of it.

        None for rows that were found to count before, and for what is marked as located.
        """
        in_question = [(key, row) for row in rows if (key := self._key_in_question(row)) is not None]
        if not in_question:
            return list(rows)
        by_partition: dict[str, dict[str, None]] = {}
        for key, row in in_question:
            by_partition.setdefault(row.partition_key, {})[key.id] = None
        found = await for_each(self._hidden, [(partition_key, list(ids)) for partition_key, ids in by_partition.items()])
        hidden = {place for some in found for place in some}
        for key, row in in_question:
            if (row.partition_key, row.row_key) not in hidden and is_settled(row, now):
                self._twins.counting.note(key, row.row_key)
        return [row for row in rows if (row.partition_key, row.row_key) not in hidden]

    def _key_in_question(self, row: StoredRow) -> Key | None:
        if REVISION in row.properties or self._twins.is_located(row.partition_key):
            return None
        key = self._mapping.key_of(row.partition_key, row.row_key, row.properties)
        return None if key is None or self._twins.counting.of(key) == row.row_key else key

    async def _hidden(self, wanted: tuple[str, list[str]]) -> set[tuple[str, str]]:
        partition_key, ids = wanted
        known = self._all.get(partition_key)
        if known is None and len(ids) > _MOST_IDS:
            first = await self._twins.of(partition_key, ids[:1], select=_SELECTED)  # or the mark
            known = self._all[partition_key] = await self._twins.all(partition_key) if first else {}
        if known is None:
            chunks = [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]
            parts = await for_each(lambda chunk: self._twins.of(partition_key, chunk, select=_SELECTED), chunks)
            known = {id_: rows for part in parts for id_, rows in part.items()}
        return {(partition_key, row.row_key) for id_ in ids for row in known.get(id_, ())[1:]}


def is_settled(row: StoredRow, now: datetime) -> bool:
    """Return whether no newer row of the same execution will come."""
    return row.row_key > f"{ExecutionMapping.prefix}{reverse_timestamp(now - _SETTLED_AFTER)}"


def in_order(rows: Sequence[StoredRow]) -> list[StoredRow]:
    """Return rows of one execution, the one that counts first, then the newest."""
    return sorted(rows, key=lambda row: (REVISION not in row.properties, row.row_key))


def set_aside(row: StoredRow) -> list[Change]:
    """Return the changes that take an older twin out of every reader's way, kept whole, under a key of ours."""
    kept = {ASIDE_ID if name == EXECUTION_ID else name: value for name, value in row.properties.items()}
    return [Remove(row.partition_key, row.row_key, row.etag), Insert({**kept, "RowKey": ASIDE_PREFIX + row.row_key})]
