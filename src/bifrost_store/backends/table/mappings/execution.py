"""Entities ``execution:``, its locator, and the index rows of Relationships that old code reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import (
    BOOLEAN,
    INTEGER,
    JSON,
    TEXT,
    TIME,
    Codec,
    Column,
    decode_columns,
    encode_columns,
    naive_time,
)
from bifrost_store.backends.table.escaping import escape
from bifrost_store.backends.table.mappings.base import Address, KeyRange, RowMapping, end_of
from bifrost_store.core.clock import reverse_timestamp
from bifrost_store.core.json import dump_json, load_json, utf16_length
from bifrost_store.core.query import SORT_KEY, Filter, Range
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.retention import Recorded
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import MAX_COLUMN_UNITS
from bifrost_store.documents import LIVE_STATUSES, Execution

LOCATOR_PREFIX = "bs-exec:"
LOCATED_MARK = "bs-located"
"""Row key: every execution of this partition has a locator, so that a miss means there is none."""

_ROW_KEY = re.compile(r"execution:(?P<sort_key>[0-9]{13}_(?P<id>[A-Za-z0-9-]{1,64}))")
_INPUT = "InputData"


def _input(value: object) -> object:
    try:
        return JSON.decode(value)
    except ValueError:
        return {}


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
        Column("executionId", "ExecutionId", TEXT),
        Column("workflowName", "WorkflowName", TEXT),
        Column("formId", "FormId", TEXT),
        Column("executedBy", "ExecutedBy", TEXT),
        Column("executedByName", "ExecutedByName", TEXT),
        # An empty status reads as Pending in the old application.
        Column("status", "Status", Codec(TEXT.encode, lambda value: TEXT.decode(value) or "Pending", is_plain_text=True)),
        Column("inputData", _INPUT, Codec(JSON.encode, _input), default={}),
        Column("startedAt", "StartedAt", TIME),
        Column("completedAt", "CompletedAt", TIME),
        Column("durationMs", "DurationMs", INTEGER),
        Column("errorMessage", "ErrorMessage", TEXT),
        Column("errorType", "ErrorType", TEXT),
        Column("result", "Result", TEXT),
        Column("resultInBlob", "ResultInBlob", BOOLEAN, default=False),
        Column("resultType", "BsResultType", TEXT),
        Column("resultSize", "BsResultSize", INTEGER),
        Column("blobs", "BsBlobs", JSON, default={}),
    )

    def __init__(self, recorded: Recorded | None = None) -> None:
        self._recorded = recorded or Recorded()

    def address(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, key.scope.partition_key, self.prefix + sort_key)

    def marker(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, key.scope.partition_key, LOCATOR_PREFIX + key.id)

    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        match = _ROW_KEY.fullmatch(row_key)
        return None if match is None else self.checked_key(partition_key, match["id"])

    def sort_key_of(self, key: Key, row_key: str) -> str:
        return row_key.removeprefix(self.prefix)

    def is_ordered(self, scope: Scope | None, filters: Sequence[Filter]) -> bool:
        return True

    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        lo, hi = self.prefix, end_of(self.prefix)
        for condition in filters:
            if isinstance(condition, Range) and condition.field == SORT_KEY:
                lo = max(lo, self.prefix + (condition.ge or ""))
                hi = hi if condition.lt is None else min(hi, self.prefix + condition.lt)
        return [KeyRange(None if scope is None else scope.partition_key, lo, hi)]

    def oldest(self, now: datetime) -> str | None:
        before = self._recorded.ended_before(now)
        return None if before is None else self.prefix + reverse_timestamp(before)

    def read_body(self, key: Key, row: Row) -> Body:
        body = decode_columns(self.columns, row)
        body["executionId"] = key.id
        body["result"], body["resultType"] = _read_result(body["result"], body["resultType"])
        return body

    def write_columns(self, record: Record) -> Row:
        body = record.body
        result = dump_json(body["result"]) if body["resultType"] == "json" and body["result"] is not None else body["result"]
        columns = encode_columns(self.columns, {**body, "result": result, "blobs": body["blobs"] or None})
        if body["inputData"] == {} and _INPUT in record.extra:
            del columns[_INPUT]
        return columns

    def _decode_content(self, key: Key, stored: StoredRow) -> Record:
        record = super()._decode_content(key, stored)
        raw = stored.properties.get(_INPUT)
        if record.body["inputData"] == {} and isinstance(raw, str) and not _is_empty_object(raw):
            # Unreadable input shows as empty, as in the old application, and stays stored as it is.
            record.extra[_INPUT] = raw
        return record

    def _with_version(self, record: Record, stored: StoredRow) -> Record:
        # Version and digest are of what the row holds; when it ends without a stored expiry, the migration says.
        versioned = super()._with_version(record, stored)
        aged = self._recorded.aged(versioned)
        return aged if aged is versioned else replace(aged, native_etag=self.native_etag(aged, stored.etag))

    def distrust(self, record: Record) -> Record:
        """Forget payload blobs of ours that the old application has superseded under its own names."""
        blobs = record.body["blobs"]
        keeps = {
            "input": record.body["inputData"] == {},
            "error": utf16_length(record.body["errorMessage"] or "") >= MAX_COLUMN_UNITS - 1,
        }
        kept = {name: blob for name, blob in blobs.items() if keeps.get(name)}
        result, result_type = record.body["result"], record.body["resultType"]
        if isinstance(result, str):
            result, result_type = _read_result(result, None)
        elif result is None:
            result_type = None
        return replace(
            record,
            body={**record.body, "blobs": kept, "result": result, "resultType": result_type, "resultSize": None},
        )

    def memo(self, record: Record) -> str:
        return str(record.body["status"])

    def index_rows(self, record: Record) -> list[Row]:
        body = record.body
        id_, scope = record.key.id, record.key.scope
        identity = {"ExecutionId": id_, "OrganizationId": scope.organization_id}
        names = ("workflowName", "formId", "executedBy", "executedByName", "status", "startedAt")
        shown = encode_columns([c for c in self.columns if c.field in names], body)
        ends = encode_columns([c for c in self.columns if c.field in ("completedAt", "durationMs", "errorMessage")], body)
        rows = [
            _row(f"userexec:{escape(body['executedBy'])}:{id_}", identity, _without(shown, "ExecutedBy"), ends),
            _row(
                f"workflowexec:{escape(body['workflowName'])}:{scope.partition_key}:{id_}",
                identity,
                _without(shown, "WorkflowName"),
                ends,
            ),
        ]
        if body["formId"] is not None:
            rows.append(_row(f"formexec:{escape(body['formId'])}:{id_}", identity, _without(shown, "FormId"), ends))
        if body["status"] in LIVE_STATUSES:
            changed = naive_time(body["completedAt"] or body["startedAt"])
            rows.append(_row(status_key(body["status"], id_), identity, _without(shown, "FormId"), {"UpdatedAt": changed}))
        return rows

    def stale_index_keys(self, record: Record, memo: str) -> list[str]:
        if memo in LIVE_STATUSES and memo != record.body["status"]:
            return [status_key(memo, record.key.id)]
        return []


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


def _is_empty_object(text: str) -> bool:
    try:
        return bool(load_json(text) == {})
    except ValueError:
        return False
