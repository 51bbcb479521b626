"""The old application's calls about API keys and audit events, answered in its shape."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bifrost_store import ApiKey, AuditEvent, JobStatus, Schedule, Store

Answer = Any
Call = Callable[[Store, dict[str, Any]], Awaitable[Answer]]

TOPICS = ("workflow_keys", "audit")
_KEY_COLUMNS = {
    "KeyId": "id",
    "HashedKey": "hashed_key",
    "WorkflowId": "workflow_id",
    "CreatedBy": "created_by",
    "CreatedAt": "created_at",
    "Revoked": "is_revoked",
    "RevokedAt": "revoked_at",
    "RevokedBy": "revoked_by",
    "ExpiresAt": "expires_at",
    "LastUsedAt": "last_used_at",
    "DisableGlobalKey": "disable_global_key",
    "Description": "description",
}
_EVENT_COLUMNS = {
    "EventType": "event_type",
    "KeyId": "key_id",
    "KeyName": "key_name",
    "UserId": "user_id",
    "OrgId": "org_id",
    "Endpoint": "endpoint",
    "Method": "method",
    "RemoteAddr": "remote_addr",
    "UserAgent": "user_agent",
    "StatusCode": "status_code",
    "BlockedModule": "blocked_module",
    "WorkspaceFile": "workspace_file",
}
_SCHEDULE_COLUMNS = {
    "WorkflowName": "description",
    "CronExpression": "cron_expression",
    "NextRunAt": "next_run_at",
    "LastRunAt": "last_run_at",
    "LastExecutionId": "last_execution_id",
    "ExecutionCount": "execution_count",
    "CreatedAt": "created_at",
}
_JOB_COLUMNS = {
    "StartTime": "start_time",
    "EndTime": "end_time",
    "DurationSeconds": "duration_seconds",
    "Status": "status",
    "TriggerType": "trigger_type",
    "TriggerUser": "trigger_user",
    "TotalConnections": "total_connections",
    "NeedsRefresh": "needs_refresh",
    "RefreshedSuccessfully": "refreshed_successfully",
    "RefreshFailed": "refresh_failed",
    "Errors": "errors",
    "ErrorMessage": "error_message",
}
_OF_THE_ROW = {"PartitionKey", "RowKey", "etag"}


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=None).isoformat() if isinstance(value, datetime) else value


def _key(key: ApiKey) -> Answer:
    row_key = f"workflowkey:{key.id}" if key.workflow_id is not None else f"systemconfig:globalkey:{key.id}"
    columns = {name: _plain(getattr(key, field)) for name, field in _KEY_COLUMNS.items()}
    return {"RowKey": row_key, **{name: value for name, value in columns.items() if value is not None}}


def _event(event: AuditEvent) -> Answer:
    columns = {name: getattr(event, field) for name, field in _EVENT_COLUMNS.items()}
    row = {"PartitionKey": f"{event.timestamp:%Y-%m-%d}", "RowKey": event.id, **columns, "Details": event.details}
    return {name: value for name, value in row.items() if value is not None}


def _columns(document: Schedule | JobStatus, columns: dict[str, str]) -> Answer:
    shown = {name: _plain(getattr(document, field)) for name, field in columns.items()}
    return {name: value for name, value in shown.items() if value is not None}


async def rows_of_schedules_and_jobs(store: Store) -> list[Answer]:
    """Return the rows of the old layout that schedules and job statuses mean: no golden answer is about them."""
    schedules, jobs = await store.schedules.list(), await store.job_statuses.list()
    rows = [
        {"PartitionKey": "GLOBAL", "RowKey": f"schedule:{one.workflow_name}"} | _columns(one, _SCHEDULE_COLUMNS)
        for one in schedules
    ]
    rows += [{"PartitionKey": "SYSTEM", "RowKey": f"jobstatus:{one.job_name}"} | _columns(one, _JOB_COLUMNS) for one in jobs]
    return sorted(rows, key=lambda row: row["RowKey"])


def stored_rows_of_schedules_and_jobs(folder: Path) -> list[Answer]:
    """Return those rows as they are stored."""
    lines = (folder / "tables" / "Config.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    wanted = [row for row in rows if row["RowKey"].startswith(("schedule:", "jobstatus:"))]
    plain = [{name: value for name, value in row.items() if not name.endswith("@odata.type")} for row in wanted]
    return sorted(plain, key=lambda row: row["RowKey"])


def _key_row(row: dict[str, Any]) -> Answer:
    assert row.keys() <= _KEY_COLUMNS.keys() | _OF_THE_ROW, "a column that nobody compares"
    return {name: value for name, value in row.items() if name not in ("PartitionKey", "etag")}


def _event_row(row: dict[str, Any]) -> Answer:
    assert row.keys() <= _EVENT_COLUMNS.keys() | _OF_THE_ROW | {"Details"}, "a column that nobody compares"
    details = {"Details": json.loads(row["Details"])} if "Details" in row else {}
    return {"OrgId": "GLOBAL", **row, **details}


async def _list_keys(store: Store, args: dict[str, Any]) -> Answer:
    keys = await store.api_keys.list(**args)
    return [_key(key) for key in sorted(keys, key=lambda key: (key.workflow_id is None, key.id))]


async def _get_key(store: Store, args: dict[str, Any]) -> Answer:
    key = await store.api_keys.get(args["key_id"])
    return None if key is None else _key(key)


async def _events(store: Store, args: dict[str, Any]) -> Answer:
    """The old method went day by day, the oldest first, and each from its newest event."""
    since, last = (datetime.fromisoformat(args[name]).replace(tzinfo=UTC) for name in ("start_date", "end_date"))
    found = await store.audit.list_all(since=since, until=last + timedelta(days=1), event_type=args["event_type"])
    return sorted(map(_event, found), key=lambda row: (row["PartitionKey"], row["RowKey"]))


CALLS: dict[str, Call] = {
    "ConfigRepository.list_workflow_keys": _list_keys,
    "ConfigRepository.get_workflow_key_by_id": _get_key,
    "AuditRepository.query_by_date_range": _events,
}

NORMAL: dict[str, Callable[[Any], Any]] = {
    "ConfigRepository.list_workflow_keys": lambda answer: [_key_row(row) for row in answer],
    "ConfigRepository.get_workflow_key_by_id": lambda answer: answer and _key_row(answer),
    "AuditRepository.query_by_date_range": lambda answer: [_event_row(row) for row in answer],
}
