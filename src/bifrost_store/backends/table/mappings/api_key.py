"""Config ``workflowkey:`` and ``systemconfig:globalkey:``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import (
    BOOLEAN,
    TEXT,
    TIME,
    Column,
    Reading,
    UnreadableColumnError,
    readable_columns,
    since,
)
from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.places import Address, KeyRange, end_of
from bifrost_store.core.query import Eq, Filter, In
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import ApiKey

_GLOBAL_PREFIX = "systemconfig:globalkey:"


class ApiKeyMapping(RowMapping):
    """A key is one row; where it lies says whether it is for one workflow or for all."""

    spec = ApiKey.spec
    table = "Config"
    prefix = "workflowkey:"
    key_columns = frozenset({"KeyId"})
    may_contradict = True
    columns = (
        Column("workflowId", "WorkflowId", TEXT),
        Column("hashedKey", "HashedKey", TEXT),
        Column("createdBy", "CreatedBy", TEXT, old_default=""),
        Column("createdAt", "CreatedAt", TIME, is_forgiven=True),
        Column("isRevoked", "Revoked", BOOLEAN, default=False),
        Column("revokedAt", "RevokedAt", TIME),
        Column("revokedBy", "RevokedBy", TEXT),
        Column("expiresAt", "ExpiresAt", TIME),
        Column("lastUsedAt", "LastUsedAt", TIME),
        Column("disableGlobalKey", "DisableGlobalKey", BOOLEAN, default=False),
        Column("description", "Description", TEXT),
    )

    @override
    def addresses(self, key: Key) -> list[Address]:
        own = self.address(key, "")
        return [own, replace(own, row_key=_GLOBAL_PREFIX + escape(key.id))]

    @override
    def unsealed(self, record: Record) -> list[Row]:
        (row,) = super().unsealed(record)
        own, shared = self.addresses(record.key)
        address = shared if record.body["workflowId"] is None else own
        return [{**row, "RowKey": address.row_key, "KeyId": record.key.id}]

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        for prefix in (self.prefix, _GLOBAL_PREFIX):
            if row_key.startswith(prefix):
                return self.checked_key(partition_key, unescape(row_key.removeprefix(prefix)))
        return None

    @override
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        body = super().read_body(key, row, reading=reading)
        # A column that went missing must not turn the key of one workflow into one for all.
        if (body["workflowId"] is None) is not str(row["RowKey"]).startswith(_GLOBAL_PREFIX):
            raise UnreadableColumnError("column WorkflowId: must be there on keys of a workflow, and on no others")
        if reading is not Reading.LENIENT:
            return body
        return since({**body, "isRevoked": body["isRevoked"] or self.contradiction(row) is not None})

    @override
    def contradiction(self, row: Row) -> str | None:
        """A key that says when it was revoked, but not that it is."""
        read = readable_columns(self.columns, row, {})
        if not read.get("isRevoked") and read.get("revokedAt") is not None:
            return "column Revoked: not true, though there is a RevokedAt; read as revoked"
        return None

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        wanted: set[object] | None = None
        for condition in filters:
            match condition:
                case Eq("workflowId", value):
                    wanted = {value}
                case In("workflowId", values):
                    wanted = set(values)
        prefixes = [
            prefix
            for prefix, is_wanted in (
                (self.prefix, wanted is None or wanted != {None}),
                (_GLOBAL_PREFIX, wanted is None or None in wanted),
            )
            if is_wanted
        ]
        return [KeyRange("GLOBAL", prefix, end_of(prefix)) for prefix in prefixes]

    @override
    def narrowed(self, key_range: KeyRange, filters: Sequence[Filter]) -> Sequence[Filter]:
        return [one for condition in filters if (one := _narrowed(key_range, condition)) is not None]


def _narrowed(key_range: KeyRange, condition: Filter) -> Filter | None:
    """Return the condition without global keys, which lie in a range of their own and need no look at the column."""
    if not isinstance(condition, In) or condition.field != "workflowId":
        return condition
    if key_range.lo == _GLOBAL_PREFIX:
        return None
    return In("workflowId", tuple(value for value in condition.values if value is not None))
