"""Rows of today's layout as records, and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty

from bifrost_store.backends.table.account import StoredRow
from bifrost_store.backends.table.edm import to_json
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.core.json import canonical_json
from bifrost_store.core.record import NEVER, Key, Record, default_sort_key
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS
from bifrost_store.errors import CorruptDocumentError

ORGANIZATION = "fdec65fe-7212-4737-b222-d7283ab5a383"
MAPPINGS = Mappings({**SPECS, "note": DocumentSpec("note")})
EXECUTION: dict[str, Any] = {
    "PartitionKey": ORGANIZATION,
    "RowKey": "execution:8236360012000_c0bfa048-7693-45cb-9c63-036dcc72be2a",
    "ExecutionId": "c0bfa048-7693-45cb-9c63-036dcc72be2a",
    "WorkflowName": "sync_users",
    "ExecutedBy": "jane.doyle@northwindtraders.com",
    "ExecutedByName": "jane.doyle",
    "Status": "Running",
    "InputData": '{"dry_run": false, "batch": 250}',
    "StartedAt": "2025-11-20T11:59:47.999770",
    "ResultInBlob": False,
}


def decode(table: str, row: dict[str, Any]) -> Record:
    key = MAPPINGS.key_of(table, row["PartitionKey"], row["RowKey"], row)
    key = key or MAPPINGS.legacy_key(table, row["PartitionKey"], row["RowKey"])
    return MAPPINGS.by_kind[key.kind].decode(key, StoredRow(row, 'W/"1"'))


def execution(**columns: Any) -> Record:
    return decode("Entities", {**EXECUTION, **columns})


def stored(record: Record, version: Version) -> dict[str, Any]:
    return MAPPINGS.by_kind[record.key.kind].encode(replace(record, version=version))[0]


def test_a_row_of_the_old_application_has_a_version() -> None:
    """Revision 1 and the content's digest stand for the version that such a row lacks."""
    record = execution()

    assert Version(1, record.digest) == record.version


def test_a_change_by_the_old_application_makes_a_new_version() -> None:
    """A merge past the library keeps our columns; the digest tells, and the revision moves on."""
    row = stored(execution(), Version(7, "a" * 32, 3))
    same = decode("Entities", row)
    changed = decode("Entities", {**row, "Status": "Failed", "etag": "W/'x'"})

    assert Version(7, "a" * 32, 3) == same.version
    assert Version(8, changed.digest, 3) == changed.version


def test_the_stale_etag_column_is_no_content() -> None:
    """The old application's etag column neither changes the digest nor travels along."""
    record = execution(etag='W/"datetime"')

    assert execution() == record


@pytest.mark.parametrize(
    ("columns", "field", "expected"),
    [
        ({"Status": ""}, "status", "Pending"),
        ({"DurationMs": "12"}, "durationMs", 12),
        ({"DurationMs": 12.0}, "durationMs", 12),
        ({"DurationMs": EntityProperty(12, EdmType.INT64)}, "durationMs", 12),
        ({"InputData": "not json"}, "inputData", {}),
        ({"StartedAt": "2025-11-20T11:59:47"}, "startedAt", "2025-11-20T11:59:47.000000Z"),
        ({"StartedAt": "2025-11-20T11:59:47Z"}, "startedAt", "2025-11-20T11:59:47.000000Z"),
        ({"StartedAt": datetime(2025, 11, 20, tzinfo=UTC)}, "startedAt", "2025-11-20T00:00:00.000000Z"),
        ({"Result": '{"a": 1}'}, "resultType", "json"),
        ({"Result": " <b>x</b>"}, "resultType", "html"),
        ({"Result": "done"}, "resultType", "text"),
        ({"Result": "[1]"}, "result", [1]),
    ],
)
def test_odd_rows_read_as_the_old_application_read_them(columns: dict[str, Any], field: str, expected: Any) -> None:
    """Quirks of stored rows that the old application tolerated are tolerated here."""
    assert canonical_json({"": expected}) == canonical_json({"": execution(**columns).body[field]})


@pytest.mark.parametrize(
    "columns", [{"DurationMs": "fast"}, {"DurationMs": 1.5}, {"CompletedAt": "yesterday"}, {"WorkflowName": 3}, {"BsBlobs": "{"}]
)
def test_unreadable_rows_name_row_and_column(columns: dict[str, Any]) -> None:
    """What cannot be read says where it stands and in which column."""
    with pytest.raises(CorruptDocumentError, match=f"{EXECUTION['RowKey']}: column {next(iter(columns))}"):
        execution(**columns)


def test_unreadable_input_is_kept_when_the_row_is_written() -> None:
    """Input that is no JSON shows as empty and stays stored."""
    row = stored(execution(InputData="not json"), Version(2, "b" * 32))

    assert row["InputData"] == "not json"


def test_columns_that_no_field_claims_travel_along() -> None:
    """Unknown columns of every type come back as they were."""
    odd = {"Note": "x", "Big": EntityProperty(2**60, EdmType.INT64), "Flag": True, "Raw": b"\x00\xff", "Ratio": 0.5}
    row = stored(execution(**odd), Version(2, "b" * 32))

    assert {n: to_json(v) for n, v in odd.items()} == {n: to_json(row[n]) for n in odd}


def test_a_result_that_the_old_application_replaced_is_believed() -> None:
    """Where our digest disagrees, names of blobs and the stored result type are forgotten."""
    record = execution()
    ours = record.with_body({**record.body, "resultInBlob": True, "resultType": "json", "blobs": {"result": "x/y", "logs": "x/l"}})
    row = {**stored(ours, Version(2, "b" * 32)), "Result": "plain", "ResultInBlob": False}
    changed = decode("Entities", row)

    assert {"blobs": {}, "result": "plain", "resultType": "text"} == {
        name: changed.body[name] for name in ("blobs", "result", "resultType")
    }


@pytest.mark.parametrize(
    ("table", "partition_key", "row_key", "scope"),
    [
        ("Entities", ORGANIZATION, "form:a_b", Scope.organization(ORGANIZATION)),
        ("Entities", "GLOBAL", "audit:1_2", GLOBAL),
        ("Config", "SYSTEM", "other:TokenRefreshJob", SYSTEM),
        ("Config", "GLOBAL", "jobstatus:TokenRefreshJob", GLOBAL),
        ("Config", ORGANIZATION, "workflowkey:1", Scope.organization(ORGANIZATION)),
        ("Config", "SYSTEM", "schedule:nightly", SYSTEM),
        ("Config", "GLOBAL", "system:version", GLOBAL),
        ("AuditLog", "2025-11-14", "8236968039783_61acf8a5458643499fb32daa09406b3a", GLOBAL),
        ("Config", "GLOBAL", "config:oauth_%%HaloPSA_metadata", GLOBAL),
        ("Entities", "not a scope", "user:x", GLOBAL),
        ("Entities", ORGANIZATION, "user:x", Scope.organization(ORGANIZATION)),
        ("AuditLog", "2025-11-13", "1_2", GLOBAL),
        ("Relationships", "GLOBAL", "assignedrole:1:2", GLOBAL),
        ("Entities", "GLOBAL", "execution:12_x", GLOBAL),
    ],
)
def test_rows_that_no_kind_claims_are_carried_whole(table: str, partition_key: str, row_key: str, scope: Scope) -> None:
    """An unclaimed row is a legacy row in the scope of its partition, its etag column included."""
    record = decode(table, {"PartitionKey": partition_key, "RowKey": row_key, "A": 1, "etag": "e"})

    assert Key("legacy_row", scope, f"{table}/{partition_key}/{row_key}") == record.key
    assert {"A": {"type": "Edm.Int32", "value": 1}, "etag": "e"} == record.body["columns"]


def test_a_kind_without_an_older_layout_needs_no_mapping() -> None:
    """Any declared kind is stored, however long its text, and comes back equal."""
    body = {"text": "ä" * 100_000, "number": 2**70, "list": [1, 1.0, None]}
    key = Key("note", Scope.organization("a"), "x/y")
    record = Record(key, body, default_sort_key("x/y"), Version(1, "c" * 32), NEVER, {"Column": "kept"})
    rows = MAPPINGS.by_kind["note"].encode(record)
    again = decode("Entities", rows[0])

    assert record == again
    assert max(len(value) for value in rows[0].values() if isinstance(value, str)) <= 32_768


def test_membership_reads_both_generations_of_columns() -> None:
    """Older rows name the grant where newer ones name the creation."""
    row = {"PartitionKey": "GLOBAL", "RowKey": f"userperm:a:b@x.y:{ORGANIZATION}", "UserId": "a:b@x.y", "GrantedBy": "dana"}
    record = decode("Relationships", row)

    assert Key("membership", Scope.organization(ORGANIZATION), "a:b@x.y") == record.key
    assert record.body["createdBy"] == "dana"
