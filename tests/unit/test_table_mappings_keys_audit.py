"""Rows of API keys, schedules, job statuses and audit events as records, and back."""

from __future__ import annotations

from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty

from bifrost_store.backends.table.account import StoredRow
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.places import KeyRange
from bifrost_store.core.query import SORT_KEY, Eq, Filter, In, Range
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import SPECS
from bifrost_store.documents.audit_event import audit_event_id
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import api_key

ORGANIZATION = "fdec65fe-7212-4737-b222-d7283ab5a383"
MAPPINGS = Mappings(SPECS)
EVENT_ID = "8236968039783_61acf8a5458643499fb32daa09406b3a"
WORKFLOW_KEY: dict[str, Any] = {
    "PartitionKey": "GLOBAL",
    "RowKey": "workflowkey:0f547158-54a9-4add-9063-beb34029e0fc",
    "KeyId": "0f547158-54a9-4add-9063-beb34029e0fc",
    "HashedKey": "c2359ecfff110a7c5606c9eb1c52a2423887aef765b3e99c1b3856b15473bf4f",
    "WorkflowId": "ticket_triage",
    "CreatedBy": "dana.whitfield@bifrost-msp.com",
    "CreatedAt": "2025-09-29T16:00:00.840394",
    "Revoked": False,
    "ExpiresAt": "2025-12-28T16:00:00.837955",
    "Description": "Webhook from the portal",
    "DisableGlobalKey": False,
    "LastUsedAt": "2025-11-15T03:00:00.622166",
}
GLOBAL_KEY = {name: value for name, value in WORKFLOW_KEY.items() if name != "WorkflowId"} | {
    "RowKey": "systemconfig:globalkey:0f547158-54a9-4add-9063-beb34029e0fc"
}
SCHEDULE: dict[str, Any] = {
    "PartitionKey": "GLOBAL",
    "RowKey": "schedule:backup_audit",
    "WorkflowName": "Weekly backup audit – alle Standorte",
    "CronExpression": "0 6 * * 1",
    "NextRunAt": "2025-11-24T06:00:00",
    "ExecutionCount": 6,
    "CreatedAt": "2025-10-06T06:10:00.003766",
    "LastRunAt": "2025-11-17T06:10:00.003368",
    "LastExecutionId": "04f00c0c-8016-4646-af35-3a16f9017079",
}
JOB: dict[str, Any] = {
    "PartitionKey": "SYSTEM",
    "RowKey": "jobstatus:TokenRefreshJob",
    "StartTime": "2025-11-20T11:55:00.054321",
    "EndTime": "2025-11-20T11:55:00.076510",
    "DurationSeconds": 0.022189,
    "Status": "completed",
    "TriggerType": "manual",
    "TotalConnections": 3,
    "NeedsRefresh": 2,
    "RefreshedSuccessfully": 0,
    "RefreshFailed": 2,
    "Errors": '["no answer"]',
    "TriggerUser": "dana.whitfield@bifrost-msp.com",
}
EVENT: dict[str, Any] = {
    "PartitionKey": "2025-11-13",
    "RowKey": EVENT_ID,
    "EventType": "function_key_access",
    "KeyId": "default",
    "KeyName": "default",
    "OrgId": ORGANIZATION,
    "Endpoint": "/api/workflows/ticket_triage",
    "Method": "POST",
    "RemoteAddr": "10.1.2.3",
    "UserAgent": "curl/8.5",
    "StatusCode": 200,
    "Details": '{"reason": "pr\\u00fcfen", "n": 3}',
}
ROWS = {
    "workflow key": ("Config", WORKFLOW_KEY),
    "global key": ("Config", GLOBAL_KEY),
    "schedule": ("Config", SCHEDULE),
    "job status": ("Config", JOB),
    "audit event": ("AuditLog", EVENT),
}


def key_of(table: str, row: dict[str, Any]) -> Key | None:
    return MAPPINGS.key_of(table, row["PartitionKey"], row["RowKey"], row)


def decode(table: str, row: dict[str, Any]) -> Record:
    key = key_of(table, row)
    assert key is not None
    return MAPPINGS.by_kind[key.kind].decode(key, StoredRow(row, 'W/"1"'))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_written_as_it_was_read(name: str) -> None:
    """Every column of the old application comes back as it was, beside those of ours; none is left over."""
    table, row = ROWS[name]
    record = decode(table, row)
    (written,) = MAPPINGS.by_kind[record.key.kind].encode(record)

    assert record.extra == {}
    assert row == {column: value for column, value in written.items() if not column.startswith("Bs")}


def test_what_rows_are_read_as() -> None:
    """The key tells what a row is of; a schedule's WorkflowName is its description; an event lives where it says."""
    assert (
        Key("api_key", GLOBAL, "0f547158-54a9-4add-9063-beb34029e0fc")
        == key_of("Config", WORKFLOW_KEY)
        == key_of("Config", GLOBAL_KEY)
    )
    assert Key("schedule", GLOBAL, "backup_audit") == key_of("Config", SCHEDULE)
    assert Key("job_status", SYSTEM, "TokenRefreshJob") == key_of("Config", JOB)
    assert Key("audit_event", Scope.organization(ORGANIZATION), EVENT_ID) == key_of("AuditLog", EVENT)
    assert decode("Config", SCHEDULE).body["description"] == "Weekly backup audit – alle Standorte"
    assert decode("Config", GLOBAL_KEY).body["workflowId"] is None
    assert decode("AuditLog", EVENT).body["details"] == {"reason": "prüfen", "n": 3}


@pytest.mark.parametrize(
    ("organization", "scope"),
    [
        ("GLOBAL", GLOBAL),
        ("", GLOBAL),
        (None, GLOBAL),
        ("o-1", Scope.organization("o-1")),
        ("SYSTEM", None),
        ("o/1", None),
        ("x" * 37, None),
        ("org-GLOBAL", Scope.organization("org-GLOBAL")),
    ],
)
def test_the_column_tells_the_scope_of_an_event(organization: str | None, scope: Scope | None) -> None:
    """Without an organization an event is GLOBAL's; one that names what can be none stays a legacy row."""
    row = {**EVENT, "OrgId": organization} if organization is not None else {n: v for n, v in EVENT.items() if n != "OrgId"}
    key = key_of("AuditLog", row)

    assert (None if scope is None else Key("audit_event", scope, EVENT_ID)) == key


def test_an_event_in_the_wrong_partition_is_no_event() -> None:
    """A row that no event of its id would lie in is carried whole: it would not be found again."""
    assert key_of("AuditLog", {**EVENT, "PartitionKey": "2025-11-14"}) is None
    assert key_of("AuditLog", {**EVENT, "RowKey": EVENT_ID.upper()}) is None


@pytest.mark.parametrize(
    ("table", "row", "column"),
    [
        ("Config", {n: v for n, v in WORKFLOW_KEY.items() if n != "WorkflowId"}, "WorkflowId"),
        ("Config", {**GLOBAL_KEY, "WorkflowId": "ticket_triage"}, "WorkflowId"),
        ("Config", {**WORKFLOW_KEY, "Revoked": "no"}, "Revoked"),
        ("Config", {**SCHEDULE, "NextRunAt": "soon"}, "NextRunAt"),
        ("Config", {**JOB, "DurationSeconds": "0.1"}, "DurationSeconds"),
        ("AuditLog", {**EVENT, "Details": "{"}, "Details"),
    ],
)
def test_unreadable_rows_name_the_column(table: str, row: dict[str, Any], column: str) -> None:
    """What cannot be read says in which column; a key of one workflow never turns into one for all."""
    with pytest.raises(CorruptDocumentError, match=f"column {column}"):
        decode(table, row)


@pytest.mark.parametrize("value", [2, 2.0, EntityProperty(2, EdmType.INT64)])
def test_seconds_are_a_float_whatever_the_column(value: Any) -> None:
    """A whole number of seconds may be stored in any type of number."""
    seconds = decode("Config", {**JOB, "DurationSeconds": value}).body["durationSeconds"]

    assert (float, 2.0) == (type(seconds), seconds)


def test_a_key_lies_where_its_workflow_says() -> None:
    """A record has one row: below workflowkey if it names a workflow, else among the global keys."""
    mapping = MAPPINGS.by_kind["api_key"]
    rows = [mapping.encode(api_key("k", workflowId=workflow_id)) for workflow_id in ("w", None)]

    assert [["workflowkey:k"], ["systemconfig:globalkey:k"]] == [[row["RowKey"] for row in some] for some in rows]
    assert ["k", "k"] == [row["KeyId"] for some in rows for row in some]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), ["workflowkey:", "systemconfig:globalkey:"]),
        ((Eq("createdBy", "x"),), ["workflowkey:", "systemconfig:globalkey:"]),
        ((Eq("workflowId", "w"),), ["workflowkey:"]),
        ((Eq("workflowId", None),), ["systemconfig:globalkey:"]),
        ((In("workflowId", ("w", None)),), ["workflowkey:", "systemconfig:globalkey:"]),
    ],
)
def test_keys_are_looked_for_where_they_can_be(filters: tuple[Filter, ...], expected: list[str]) -> None:
    """A query for a workflow's keys does not read global ones, nor the other way round."""
    assert expected == [part.lo for part in MAPPINGS.by_kind["api_key"].ranges(GLOBAL, filters)]


def test_events_are_read_day_by_day() -> None:
    """A window is read from its newest day to its oldest, each once, and in order; without bounds all is read."""
    mapping = MAPPINGS.by_kind["audit_event"]
    newest, oldest = (audit_event_id(START.replace(day=day), "")[:13] for day in (16, 14))
    window = (Range(SORT_KEY, newest, oldest),)

    assert [KeyRange(f"2025-11-{day}", newest, oldest) for day in (16, 15, 14)] == mapping.ranges(GLOBAL, window)
    assert mapping.is_ordered(GLOBAL, window)
    assert not mapping.is_ordered(None, window)
    for odd in ((), (Range(SORT_KEY, newest, None),), (Range(SORT_KEY, "", "~"),), (Range(SORT_KEY, "0" * 13, "9" * 13),)):
        assert [None] == [part.partition_key for part in mapping.ranges(GLOBAL, odd)]
        assert not mapping.is_ordered(GLOBAL, odd)
    assert [] == mapping.ranges(GLOBAL, (Range(SORT_KEY, oldest, newest),))


def test_a_window_that_ends_at_midnight_leaves_the_day_before_out() -> None:
    """The bound itself lies beyond the window, so that its day is read only if something of it can be meant."""
    mapping = MAPPINGS.by_kind["audit_event"]
    newest = audit_event_id(START, "")[:13]
    before_midnight = f"{int(audit_event_id(START.replace(hour=0), '')[:13]) + 1:013d}"

    assert ["2025-11-14"] == [part.partition_key for part in mapping.ranges(GLOBAL, (Range(SORT_KEY, newest, before_midnight),))]
    assert ["2025-11-14", "2025-11-13"] == [
        part.partition_key for part in mapping.ranges(GLOBAL, (Range(SORT_KEY, newest, before_midnight + "`"),))
    ]


@pytest.mark.parametrize("value", ["2", True, float("nan"), float("inf")])
def test_what_is_no_number_of_seconds_is_unreadable(value: Any) -> None:
    """JSON has no NaN: such a row is named, and hides no other."""
    with pytest.raises(CorruptDocumentError, match="column DurationSeconds: expected a number"):
        decode("Config", {**JOB, "DurationSeconds": value})
