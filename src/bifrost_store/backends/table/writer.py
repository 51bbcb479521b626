"""Carries writes out: one transaction for the records, then the index rows that old code expects."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from azure.core.exceptions import AzureError, HttpResponseError
from azure.data.tables import TableTransactionError
from typing_extensions import override

from bifrost_store.backends.settling import CONFLICTS, Refusal, Sender, settle
from bifrost_store.backends.table.account import MAX_TRANSACTION, Change, Put, Remove, TableAccount
from bifrost_store.backends.table.errors import BACKEND, is_ambiguous, map_error
from bifrost_store.backends.table.index_word import IndexWord
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.places import RELATIONSHIPS, TABLES
from bifrost_store.backends.table.reader import TableReader
from bifrost_store.backends.table.writes import Write
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.events import log_event
from bifrost_store.core.record import Record
from bifrost_store.core.tasks import for_each, together
from bifrost_store.errors import NotProvisionedError, StoreError

_logger = logging.getLogger("bifrost_store.table")


class TableWriter(Sender[Write]):
    """Sends what writes ask for until they are settled.

    Attributes:
        word: Whether index rows are written.
    """

    backend = BACKEND

    def __init__(self, account: TableAccount, reader: TableReader) -> None:
        self._account = account
        self._reader = reader
        self.word = IndexWord(account)

    async def carry_out(self, writes: Sequence[Write], attempt: Attempt) -> None:
        """Settle *writes*, all in one transaction; raise the first failure. All are of one kind and partition."""
        await _look_first(writes)
        has_index_rows = bool(self._reader.mapping(writes[0].key.kind).index_prefixes)
        if has_index_rows and not self.word.is_known:
            await together(lambda: settle(writes, self, attempt), self.word.look)
        else:
            await settle(writes, self, attempt)
        for write in writes:
            if write.record is not None and write.result is not False:
                self._reader.note(write.record)
        # Never before the record: by an index row without one the old application would find what is not there.
        if has_index_rows and not await self.word.is_stopped():
            await self.write_index([change for write in writes for change in self._index_changes(write)], attempt)

    @override
    async def send(self, pending: Sequence[Write], attempt: Attempt) -> list[list[str]] | None:
        batches = [write.changes() for write in pending]
        if not any(batches):
            return None
        changes = [change for batch in batches for change in batch]
        etags = iter(await self._account.write(self._table(pending[0]), changes, attempt=attempt))
        return [[next(etags) for _ in batch] for batch in batches]

    @override
    def refusal(self, error: Exception) -> Refusal | None:
        if not isinstance(error, AzureError):
            return None
        failure = map_error(error)
        is_conflict = isinstance(error, HttpResponseError) and error.status_code in CONFLICTS
        return Refusal(failure, is_ambiguous(error), is_conflict and not isinstance(failure, NotProvisionedError))

    @override
    async def look(self, writes: Sequence[Write], *, is_lost: bool) -> list[StoreError]:
        outcomes: list[StoreError] = []
        for write in writes:
            try:
                await write.look(is_lost)
            except StoreError as error:
                outcomes.append(error)
        return outcomes

    @override
    async def repair(self, pending: Sequence[Write], failure: StoreError) -> bool:
        """Make a table that only rows of no known kind are in."""
        table = self._table(pending[0])
        if not isinstance(failure, NotProvisionedError) or table in TABLES:
            return False
        await self._account.create_table(table)
        return True

    def _table(self, write: Write) -> str:
        return self._reader.mapping(write.key.kind).address(write.key, write.sort_key).table

    def _index_changes(self, write: Write) -> list[Change]:
        if write.record is None or write.result is False:
            return []
        mapping = self._reader.mapping(write.key.kind)
        return index_changes(mapping, write.record, write.previous, write.memo)

    async def write_index(self, changes: Sequence[Change], attempt: Attempt | None = None) -> bool:
        """Write index rows; what fails is logged and left to the next touch or to repair, as readers do not use them.

        Returns:
            Whether all were written.
        """
        try:
            for start in range(0, len(changes), MAX_TRANSACTION):
                await self._write_index_part(list(changes[start : start + MAX_TRANSACTION]), attempt)
        except Exception as error:  # noqa: BLE001 - the record is committed: the call has succeeded
            failure = map_error(error) if isinstance(error, AzureError) else error
            log_event(
                _logger,
                logging.WARNING,
                "table.index_rows_incomplete",
                count=len(changes),
                error=type(failure).__name__,
                remedy="bifrost-store repair",
            )
            return False
        return True

    async def _write_index_part(self, changes: list[Change], attempt: Attempt | None) -> None:
        while changes:
            try:
                await self._account.write(RELATIONSHIPS, changes, attempt=attempt, is_repeatable=True)
            except HttpResponseError as error:
                if error.status_code != 404 or isinstance(map_error(error), NotProvisionedError):
                    raise
                left = _without_missing(changes, error)
                if len(left) == len(changes):
                    raise
                changes = left
            else:
                return


async def _look_first(writes: Sequence[Write]) -> None:
    """Let those look that must, side by side; of several that fail, the first in order is heard."""
    for position, failure in enumerate(await for_each(_failure_of_look, writes)):
        if failure is not None:
            for earlier in writes[:position]:
                await earlier.look(False)
            raise failure


async def _failure_of_look(write: Write) -> StoreError | None:
    try:
        if write.looks_first:
            await write.look(False)
    except StoreError as error:
        return error
    return None


def index_changes(mapping: RowMapping, record: Record, previous: Record | None, memo: str) -> list[Change]:
    """Return what makes the index rows those of *record* (a tombstone has none) after *previous*, or after *memo*."""
    rows = [] if record.is_tombstone else mapping.index_rows(record)
    wanted = {str(row["RowKey"]) for row in rows}
    if previous is None:
        stale = [] if record.is_tombstone else mapping.stale_index_keys(record, memo)
    else:
        stale = [str(row["RowKey"]) for row in mapping.index_rows(previous)]
    return [*(Put(row) for row in rows), *(Remove("GLOBAL", key) for key in stale if key not in wanted)]


def _without_missing(changes: list[Change], error: HttpResponseError) -> list[Change]:
    """Return *changes* without the removal of the row that *error* says is missing."""
    position = error.index if isinstance(error, TableTransactionError) else 0
    if position < len(changes) and isinstance(changes[position], Remove):
        return changes[:position] + changes[position + 1 :]
    return [change for change in changes if not isinstance(change, Remove)]
