"""Raw rows of an account, in and out, in the JSON of the Table service's REST interface: every type exact, nothing interpreted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from bifrost_store.backends.table.account import MAX_TRANSACTION, Change, Put, Row, TableAccount
from bifrost_store.backends.table.edm import TYPE_SUFFIX, from_rest, row_to_rest
from bifrost_store.backends.table.errors import wrap_errors
from bifrost_store.core.json import dump_json
from bifrost_store.errors import InvalidRequestError

_IMPLIED = {str: "Edm.String", bool: "Edm.Boolean", int: "Edm.Int32", float: "Edm.Double"}
_MAX_TRANSACTION_BYTES = 3 * 1024 * 1024
"""Under the 4 MiB of a transaction's request ("Performing entity group transactions", Microsoft)."""


class TableRows:
    """The `RawRows` of one account, without the server's own ``Timestamp``."""

    def __init__(self, account: TableAccount) -> None:
        self._account = account

    async def table_names(self) -> list[str]:
        """Return the names of every table, sorted."""
        with wrap_errors("tables"):
            return await self._account.table_names()

    async def read(self, table: str) -> AsyncIterator[dict[str, Any]]:
        """Go through a table's rows in the order of their keys."""
        with wrap_errors("tables"):
            async for stored in self._account.rows(table, "", {}):
                yield row_to_rest(stored.properties)

    async def write(self, table: str, rows: Iterable[Mapping[str, Any]]) -> AsyncIterator[int]:
        """Put rows over whatever is there, in transactions; yields how many each wrote.

        Raises:
            InvalidRequestError: A row has no keys, or a value that does not fit its type; those before it were written.
        """
        with wrap_errors("tables", table):
            await self._account.create_table(table)
            batch: list[Change] = []
            size = 0
            for number, row in enumerate(rows, start=1):
                change = Put(_as_entity(row, table, number))
                is_full = len(batch) == MAX_TRANSACTION or size + len(dump_json(dict(row))) > _MAX_TRANSACTION_BYTES
                if batch and (is_full or _partition(batch[0]) != _partition(change)):
                    await self._account.write(table, batch, is_repeatable=True)
                    yield len(batch)
                    batch, size = [], 0
                batch.append(change)
                size += len(dump_json(dict(row)))
            if batch:
                await self._account.write(table, batch, is_repeatable=True)
                yield len(batch)


def _partition(change: Change) -> object:
    return change.row["PartitionKey"] if isinstance(change, Put) else None


def _as_entity(row: Mapping[str, Any], table: str, number: int) -> Row:
    entity: Row = {}
    for name, value in row.items():
        if not name.endswith(TYPE_SUFFIX):
            edm_type = row.get(name + TYPE_SUFFIX, _IMPLIED.get(type(value), "null or nested"))
            try:
                entity[name] = from_rest(edm_type, value)
            except (ValueError, TypeError):
                raise InvalidRequestError(f"row {number} of {table}: {name}: the value is not of type {edm_type}") from None
    if not isinstance(entity.get("PartitionKey"), str) or not isinstance(entity.get("RowKey"), str):
        raise InvalidRequestError(f"row {number} of {table}: PartitionKey and RowKey must be text")
    return entity
