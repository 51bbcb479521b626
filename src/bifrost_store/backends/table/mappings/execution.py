"""Entities ``execution:``, its locator, and the index rows of Relationships that old code reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from typing_extensions import override

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import (
    BOOLEAN,
    INTEGER,
    JSON,
    NAMES,
    TEXT,
    TIME,
    Codec,
    Column,
    Content,
    Reading,
    decode_columns,
    encode_columns,
    naive_time,
)
from bifrost_store.backends.table.edm import to_json
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.escaping import escape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.stamps import EXPIRES_AT, REVISION, UNLOCATED, read_expiry
from bifrost_store.backends.table.places import Address, KeyRange, end_of
from bifrost_store.core.clock import format_time, reverse_timestamp
from bifrost_store.core.json import UNREADABLE, dump_json, load_json, utf16_length
from bifrost_store.core.query import SORT_KEY, Filter, Range
from bifrost_store.core.record import Body, Expiry, Key, Record
from bifrost_store.core.retention import Recorded
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import MAX_COLUMN_UNITS
from bifrost_store.documents import LIVE_STATUSES, Execution, ExecutionStatus
from bifrost_store.errors import InvalidKeyError

LOCATOR_PREFIX = "bs-exec:"
LOCATED_MARK = "bs-located"
"""Row key: every execution of this partition has a locator, so that a miss means there is none."""

_ROW_KEY = re.compile(r"execution:(?P<sort_key>[0-9]{13}_(?P<id>[A-Za-z0-9-]{1,64}))")
ASIDE_PREFIX = "bs-twin:"
"""Before the row key of an older row of an execution that was set aside: carried whole, and met by no reader of executions."""
EXECUTION_ID, ASIDE_ID = "ExecutionId", "BsExecutionId"
"""Old code filters on the first, in any row of a partition: rows of ours have the second."""
_INPUT = "InputData"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 9_999_999_999_999


_PENDING = ExecutionStatus.PENDING.value
_STATUS = Codec(TEXT.encode, lambda value: TEXT.decode(value) or _PENDING, is_plain_text=True)
"""An empty status reads as Pending in the old application."""


def _input(value: object) -> object:
    return _object(value, JSON.decode)


def _own_input(value: object) -> object:
    return _object(value, load_json)


def _object(value: Any, load: Callable[[Any], object]) -> object:
    if value == "{}":
        return {}
    try:
        read = load(value)
    except (ValueError, AttributeError):
        return {}
    return read if isinstance(read, dict) else {}


class ExecutionMapping(RowMapping):
    """An execution is one row, newest first in its partition, and a locator that finds it by id.

    Args:
        recorded: Tells the retention of those that store no expiry.
    """

    spec = Execution.spec
    table = "Entities"
    prefix = "execution:"
    index_prefixes = ("userexec:", "workflowexec:", "formexec:", "status:")
    columns = (
        Column("executionId", "ExecutionId", TEXT, repeats_key=True),
        Column("workflowName", "WorkflowName", TEXT, old_default=""),
        Column("formId", "FormId", TEXT),
        Column("executedBy", "ExecutedBy", TEXT, old_default=""),
        Column("executedByName", "ExecutedByName", TEXT),
        Column("status", "Status", _STATUS, old_default=_PENDING),
        Column("inputData", _INPUT, Codec(JSON.encode, _input, _own_input, is_storable=True), default={}),
        Column("startedAt", "StartedAt", TIME, is_forgiven=True),
        Column("completedAt", "CompletedAt", TIME),
        Column("durationMs", "DurationMs", INTEGER),
        Column("errorMessage", "ErrorMessage", TEXT),
        Column("errorType", "ErrorType", TEXT),
        Column("result", "Result", TEXT),
        Column("resultInBlob", "ResultInBlob", BOOLEAN, default=False),
        Column("resultType", "BsResultType", TEXT),
        Column("resultSize", "BsResultSize", INTEGER),
        Column("blobs", "BsBlobs", NAMES, default={}),
        Column("creationId", "BsCreationId", TEXT),
    )

    def __init__(self, recorded: Recorded | None = None) -> None:
        self._recorded = recorded or Recorded()

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, key.scope.partition_key, self.prefix + sort_key)

    @override
    def marker(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, key.scope.partition_key, LOCATOR_PREFIX + key.id)

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        match = _ROW_KEY.fullmatch(row_key)
        if match is None:
            return None
        # As `checked_key`, whose check of the id the pattern has made: every row that is read comes here.
        try:
            scope = Scope.from_partition_key(partition_key)
        except InvalidKeyError:
            return None
        return Key(self.kind, scope, match["id"]) if self.spec.allows(scope) else None

    @override
    def sort_key_of(self, key: Key, row_key: str) -> str:
        return row_key.removeprefix(self.prefix)

    @override
    def is_ordered(self, scope: Scope | None, filters: Sequence[Filter]) -> bool:
        return True

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        lo, hi = self.prefix, end_of(self.prefix)
        for condition in filters:
            if isinstance(condition, Range) and condition.field == SORT_KEY:
                lo = max(lo, self.prefix + (condition.ge or ""))
                hi = hi if condition.lt is None else min(hi, self.prefix + condition.lt)
        return [KeyRange(None if scope is None else scope.partition_key, lo, hi)]

    @override
    def oldest(self, now: datetime) -> str | None:
        before = self._recorded.ended_before(now)
        return None if before is None else self.prefix + reverse_timestamp(before)

    @override
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        body = super().read_body(key, row, reading=reading)
        if reading is Reading.LENIENT:
            body["executedByName"] = body["executedBy"] if body["executedByName"] is None else body["executedByName"]
            body["startedAt"] = body["startedAt"] or format_time(started_at(self.sort_key_of(key, str(row["RowKey"]))))
        body["result"], body["resultType"] = _read_result(body["result"], body["resultType"])
        return body

    @override
    def selected(self, fields: Collection[str]) -> list[str]:
        columns = [name for column in _glanced(frozenset(fields)) for name in (column.name, *column.older_names)]
        return ["PartitionKey", "RowKey", REVISION, EXPIRES_AT, *columns]

    @override
    def glance(self, key: Key, stored: StoredRow, fields: Collection[str]) -> Record | None:
        row, columns, known = stored.properties, _glanced(frozenset(fields)), self.key_fields(key)
        sort_key = self.sort_key_of(key, stored.row_key)
        try:
            body = decode_columns(columns, row, known, is_old=True)
            body["startedAt"] = body["startedAt"] or format_time(started_at(sort_key))
            if REVISION in row and body != decode_columns(columns, row, known, is_old=False):
                return None
            record = Record(key, body, sort_key, expires_at=read_expiry(row), backend=BACKEND)
        except UNREADABLE:
            return None
        return self._recorded.aged(record)

    @override
    def write_columns(self, record: Record) -> Row:
        body = record.body
        result = dump_json(body["result"]) if body["resultType"] == "json" and body["result"] is not None else body["result"]
        columns = encode_columns(self.columns, {**body, "result": result, "blobs": body["blobs"] or None})
        if body["inputData"] == {} and _INPUT in record.extra:
            del columns[_INPUT]
        return columns

    @override
    def read_content(self, key: Key, row: Row, *, reading: Reading) -> Content:
        content = super().read_content(key, row, reading=reading)
        raw = row.get(_INPUT)
        if raw is not None and content.body["inputData"] == {} and not _is_empty_object(raw):
            # Input that is no object shows as empty, as in the old application, and stays stored as it is.
            content.extra[_INPUT] = to_json(raw)
        return content

    @override
    def expiry_of(self, content: Content) -> Expiry:
        # Version and digest are of what the row holds; when it ends without a stored expiry, the migration says.
        return self._recorded.expiry_of(content.body, content.expires_at)

    @override
    def distrust(self, body: Body) -> Body:
        """Forget payload blobs of ours that the old application has superseded under its own names."""
        keeps = {
            "input": body["inputData"] == {},
            "error": utf16_length(body["errorMessage"] or "") >= MAX_COLUMN_UNITS - 1,
        }
        kept = {name: blob for name, blob in body["blobs"].items() if keeps.get(name)}
        result, result_type = body["result"], body["resultType"]
        if isinstance(result, str):
            result, result_type = _read_result(result, None)
        elif result is None:
            result_type = None
        return {**body, "blobs": kept, "result": result, "resultType": result_type, "resultSize": None}

    @override
    def key_fields(self, key: Key) -> Body:
        return {"executionId": key.id}

    @override
    def memo(self, body: Body) -> str:
        return str(body["status"])

    @override
    def memo_of_foreign(self, body: Body) -> str:
        return self.memo(body) + UNLOCATED

    @override
    def index_rows(self, record: Record) -> list[Row]:
        body = record.body
        id_, scope = record.key.id, record.key.scope
        identity = {"ExecutionId": id_, "OrganizationId": scope.organization_id}
        names = ("workflowName", "formId", "executedBy", "executedByName", "status", "startedAt")
        shown = encode_columns([c for c in self.columns if c.field in names], body)
        ends = encode_columns([c for c in self.columns if c.field in ("completedAt", "durationMs", "errorMessage")], body)
        named = (
            ("executedBy", "ExecutedBy", "userexec:{}:"),
            ("workflowName", "WorkflowName", f"workflowexec:{{}}:{scope.partition_key}:"),
            ("formId", "FormId", "formexec:{}:"),
        )
        rows = [
            _row(key.format(escape(body[field])) + id_, identity, _without(shown, column), ends)
            for field, column, key in named
            if isinstance(body[field], str) and body[field]  # an old row may lack it: no index has it then
        ]
        changed = body["completedAt"] or body["startedAt"]
        if body["status"] in LIVE_STATUSES and isinstance(changed, str):
            at = {"UpdatedAt": naive_time(changed)}
            rows.append(_row(status_key(body["status"], id_), identity, _without(shown, "FormId"), at))
        return rows

    @override
    def stale_index_keys(self, record: Record, memo: str) -> list[str]:
        status = memo.removesuffix(UNLOCATED)
        if status in LIVE_STATUSES and status != record.body["status"]:
            return [status_key(status, record.key.id)]
        return []


@lru_cache(maxsize=64)
def _glanced(fields: frozenset[str]) -> Sequence[Column]:
    # The times tell when a run without an expiry of its own ends.
    return [one for one in ExecutionMapping.columns if one.field in ("startedAt", "completedAt") or one.field in fields]


def status_key(status: str, execution_id: str) -> str:
    """Return the row key of a live execution's status row."""
    return f"status:{status}:{execution_id}"


def _row(row_key: str, *columns: Row) -> Row:
    merged: Row = {"PartitionKey": "GLOBAL", "RowKey": row_key}
    for some in columns:
        merged.update({name: value for name, value in some.items() if value is not None})
    return merged


def _without(columns: Row, name: str) -> Row:
    return {n: v for n, v in columns.items() if n != name}


def _read_result(text: str | None, result_type: str | None) -> tuple[object, str | None]:
    """Return an inline result and its type; without a stored type as the old application infers them."""
    if text is None:
        return None, result_type
    if result_type in ("html", "text"):
        return text, result_type
    try:
        return load_json(text), "json"
    except ValueError:
        stripped = text.strip()
        return text, "html" if stripped.startswith("<") and ">" in stripped else "text"


def _is_empty_object(value: object) -> bool:
    try:
        return value in ("", "{}") or bool(JSON.decode(value) == {})
    except ValueError:
        return False


def started_at(sort_key: str) -> datetime:
    """Return the millisecond that an execution's sort key names."""
    return _EPOCH + timedelta(milliseconds=_LAST_MILLISECOND - int(sort_key[:13]))
