"""AuditLog: one partition a day, the newest event of the day first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import INTEGER, JSON, TEXT, Column
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.places import Address, KeyRange
from bifrost_store.core.query import SORT_KEY, Filter, Range
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import AuditEvent
from bifrost_store.documents.audit_event import time_of

_SCOPE_COLUMN = "OrgId"
_FIRST, _END = "0", ":"
"""Every row key begins with a digit."""
_MILLISECOND = timedelta(milliseconds=1)
_MOST_DAYS = 400
"""Days that a query reads one by one; over a longer time the table is read whole."""


class AuditEventMapping(RowMapping):
    """An event is one row, never deleted, so that no row need stand beside it. A column names its organization."""

    spec = AuditEvent.spec
    table = "AuditLog"
    prefix = ""
    scope_column = _SCOPE_COLUMN
    key_columns = frozenset({_SCOPE_COLUMN})
    has_marker = False
    columns = (
        Column("eventType", "EventType", TEXT),
        Column("keyId", "KeyId", TEXT),
        Column("keyName", "KeyName", TEXT),
        Column("userId", "UserId", TEXT),
        Column("endpoint", "Endpoint", TEXT),
        Column("method", "Method", TEXT),
        Column("remoteAddr", "RemoteAddr", TEXT),
        Column("userAgent", "UserAgent", TEXT),
        Column("statusCode", "StatusCode", INTEGER),
        Column("blockedModule", "BlockedModule", TEXT),
        Column("workspaceFile", "WorkspaceFile", TEXT),
        Column("details", "Details", JSON),
    )

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, time_of(key.id).date().isoformat(), key.id)

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        organization_id = columns.get(_SCOPE_COLUMN) or "GLOBAL"
        key = self.checked_key(organization_id, row_key) if isinstance(organization_id, str) else None
        return key if key is not None and self.address(key, "").partition_key == partition_key else None

    @override
    def write_columns(self, record: Record) -> Row:
        return {**super().write_columns(record), _SCOPE_COLUMN: record.key.scope.partition_key}

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        lo, hi = _bounds(filters)
        if not _are_times(lo, hi):
            return [KeyRange(None, lo, hi)]
        # Keys that begin with the upper bound's digits lie beyond it, unless it goes on after them.
        newest, oldest = time_of(lo).date(), (time_of(hi) + (_MILLISECOND if len(hi) == 13 else timedelta())).date()
        count = (newest - oldest).days + 1
        if count > _MOST_DAYS:
            return [KeyRange(None, lo, hi)]
        return [KeyRange((newest - timedelta(days=number)).isoformat(), lo, hi) for number in range(count)]

    @override
    def is_ordered(self, scope: Scope | None, filters: Sequence[Filter]) -> bool:
        return scope is not None and all(part.partition_key is not None for part in self.ranges(scope, filters))


def _bounds(filters: Sequence[Filter]) -> tuple[str, str]:
    lo, hi = _FIRST, _END
    for condition in filters:
        if isinstance(condition, Range) and condition.field == SORT_KEY:
            lo = max(lo, condition.ge or "")
            hi = hi if condition.lt is None else min(hi, condition.lt)
    return lo, hi


def _are_times(*bounds: str) -> bool:
    return all(len(bound) >= 13 and bound[:13].isascii() and bound[:13].isdecimal() for bound in bounds)
