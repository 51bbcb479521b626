"""Rows that no kind claims, in whatever table they lie."""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import Content, Reading
from bifrost_store.backends.table.edm import from_json, to_json
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.execution import ASIDE_ID, ASIDE_PREFIX, EXECUTION_ID, ExecutionMapping
from bifrost_store.backends.table.mappings.stamps import KEY_COLUMNS, VERSION_COLUMNS, read_expiry
from bifrost_store.backends.table.places import Address
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import LegacyRow
from bifrost_store.documents.legacy_row import legacy_row_id
from bifrost_store.errors import InvalidKeyError

_SCOPED_TABLES = {"Entities", "Config"}


class LegacyRowMapping(RowMapping):
    """The row itself, all its columns in the body."""

    spec = LegacyRow.spec
    table = ""
    prefix = ""
    columns = ()

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        return Address(*key.id.split("/", 2))

    @override
    def addresses(self, key: Key) -> list[Address]:
        own = self.address(key, "")
        is_run = own.table == ExecutionMapping.table and own.row_key.startswith(ExecutionMapping.prefix)
        return [own, replace(own, row_key=ASIDE_PREFIX + own.row_key)] if is_run else [own]

    def legacy_key(self, table: str, partition_key: str, row_key: str) -> Key:
        """Return the key of an unclaimed row; its scope is the partition's where the table is divided by scope.

        An older row of an execution that was set aside goes by the key it had.
        """
        scope = GLOBAL
        row_key = row_key.removeprefix(ASIDE_PREFIX) if table == ExecutionMapping.table else row_key
        if table in _SCOPED_TABLES:
            try:
                scope = Scope.from_partition_key(partition_key)
            except InvalidKeyError:
                scope = GLOBAL
        return Key(self.kind, scope, legacy_row_id(table, partition_key, row_key))

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        return None

    @override
    def write_columns(self, record: Record) -> Row:
        return {name: from_json(value) for name, value in record.body["columns"].items()}

    @override
    def read_content(self, key: Key, row: Row, *, reading: Reading) -> Content:
        hidden = VERSION_COLUMNS | KEY_COLUMNS
        columns = {name: to_json(value) for name, value in row.items() if name not in hidden}
        if str(row["RowKey"]).startswith(ASIDE_PREFIX) and ASIDE_ID in columns:
            columns[EXECUTION_ID] = columns.pop(ASIDE_ID)
        table, partition_key, row_key = key.id.split("/", 2)
        body = {"table": table, "partitionKey": partition_key, "rowKey": row_key, "columns": columns}
        return Content(body, {}, read_expiry(row))
