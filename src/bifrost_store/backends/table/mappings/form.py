"""Entities ``form:``, and the index row of Relationships under its workflow that old code reads."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from typing_extensions import override

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import BOOLEAN, JSON, TEXT, TIME, Column, Reading, encode_columns, since
from bifrost_store.backends.table.escaping import escape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.documents import Form

_INDEX_PREFIX: Final = "workflowform:"
_HOME: Final = "PartitionKey_Original"
"""Column of an index row that names the partition in which the form lives."""
_COPIED: Final = frozenset({"name", "isActive", "accessLevel", "createdAt", "updatedAt"})


class FormMapping(RowMapping):
    """A form is one row in its scope's partition, and a copy of a few columns under its workflow's name."""

    spec = Form.spec
    table = "Entities"
    prefix = "form:"
    index_prefixes = (_INDEX_PREFIX,)
    columns = (
        Column("name", "Name", TEXT),
        Column("description", "Description", TEXT),
        Column("linkedWorkflow", "LinkedWorkflow", TEXT),
        Column("formSchema", "FormSchema", JSON, default={"fields": []}),
        Column("isActive", "IsActive", BOOLEAN, default=True),
        Column("accessLevel", "AccessLevel", TEXT, default="role_based"),
        Column("createdBy", "CreatedBy", TEXT, old_default=""),
        Column("createdAt", "CreatedAt", TIME, is_forgiven=True),
        Column("updatedAt", "UpdatedAt", TIME, is_forgiven=True),
        Column("launchWorkflowId", "LaunchWorkflowId", TEXT),
        Column("allowedQueryParams", "AllowedQueryParams", JSON),
        Column("defaultLaunchParams", "DefaultLaunchParams", JSON),
    )

    @override
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        body = super().read_body(key, row, reading=reading)
        return since(body) if reading is Reading.LENIENT else body

    @override
    def memo(self, body: Body) -> str:
        workflow = body["linkedWorkflow"]
        return quote(workflow, safe="") if isinstance(workflow, str) else ""

    @override
    def index_rows(self, record: Record) -> list[Row]:
        if not isinstance(record.body["linkedWorkflow"], str):
            return []
        copied = encode_columns([column for column in self.columns if column.field in _COPIED], record.body)
        return [
            {
                "PartitionKey": "GLOBAL",
                "RowKey": _index_key(record.body["linkedWorkflow"], record.key.id),
                "FormId": record.key.id,
                **{"FormName" if name == "Name" else name: value for name, value in copied.items()},
                _HOME: record.key.scope.partition_key,
            }
        ]

    @override
    def stale_index_keys(self, record: Record, memo: str) -> list[str]:
        workflow = unquote(memo)
        return [_index_key(workflow, record.key.id)] if workflow and workflow != record.body["linkedWorkflow"] else []

    @override
    def owner(self, index_row: StoredRow) -> Key | None:
        home = index_row.properties.get(_HOME)
        return self.checked_key(home, index_row.row_key.rpartition(":")[2]) if isinstance(home, str) else None


def _index_key(workflow: str, form_id: str) -> str:
    return f"{_INDEX_PREFIX}{escape(workflow)}:{form_id}"
