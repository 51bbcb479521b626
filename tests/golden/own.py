"""Golden answers of the project's own data set: worked out from its raw rows and blobs, by nothing of the library's.

`expected` reads what the generator wrote as the old application would; `answers` asks a store the same questions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from bifrost_store import GLOBAL, ExecutionFilter, Scope, Store
from bifrost_store.core.tasks import for_each
from bifrost_store.demo.generator import NOW, Generator
from bifrost_store.documents import Execution, ExecutionStatus

Answers = dict[str, Any]
Row = dict[str, Any]

_PAGE = 7
_CHOSEN = ("Success", "Failed")
_DAYS = 3
_ELSEWHERE = 2
_TIMEOUTS = {"Pending": 10, "Running": 30, "Cancelling": 3}
_RUN = "executionId workflowName orgId formId executedBy executedByName status inputData errorMessage durationMs".split()


def made() -> Generator:
    """Return the data set."""
    generator = Generator()
    generator.run()
    return generator


def expected(data: Generator) -> Answers:
    """Return every answer, by the question's name."""
    entities, config = data.tables["Entities"], data.tables["Config"]
    organizations = [_organization(row) for row in entities if row["RowKey"].startswith("org:")]
    organizations.sort(key=lambda one: (one["name"], one["id"]))
    users = {row["Email"]: _user(row) for row in entities if row["RowKey"].startswith("user:")}
    found: Answers = {
        "organizations": organizations,
        "organizations active": [one for one in organizations if one["isActive"]],
        "users": _by_name(users.values()),
        "stuck": _stuck(entities),
        "legacy row": "assignedrole:1:2",
    }
    blobs = dict(data.blobs)
    shared = _config_of(config, "GLOBAL")
    for scope in ["GLOBAL", *(one["id"] for one in organizations)]:
        own = _config_of(config, scope)
        found[f"config {scope}"] = [{**shared, **own}[key] for key in sorted({**shared, **own})]
        found[f"config alone {scope}"] = [own[key] for key in sorted(own)]
        found |= {f"config {scope} {key}": {**shared, **own}.get(key) for key in (*shared, "time_zone", "nothing")}
        found |= _of_runs(scope, [row for row in entities if row["PartitionKey"] == scope and _is_run(row)], blobs)
        if scope != "GLOBAL":
            prefix = f"orgperm:{scope}:"
            keys = [row["RowKey"] for row in data.tables["Relationships"] if row["RowKey"].startswith(prefix)]
            emails = [key.removeprefix(prefix) for key in keys]
            found[f"members {scope}"] = sorted(emails)
            found[f"users {scope}"] = _by_name(users[email] for email in emails)
    return found


def _of_runs(scope: str, rows: list[Row], blobs: dict[str, bytes]) -> Answers:
    rows = sorted(rows, key=lambda row: str(row["RowKey"]))
    ids = [row["ExecutionId"] for row in rows]
    since = NOW - timedelta(days=_DAYS)
    recent = [row for row in rows if datetime.fromisoformat(row["StartedAt"]) >= since]
    found: Answers = {
        f"pages {scope}": [ids[first : first + _PAGE] for first in range(0, len(ids), _PAGE)],
        f"recent {scope}": [row["ExecutionId"] for row in recent],
        f"in status {scope}": [row["ExecutionId"] for row in rows if row["Status"] in _CHOSEN],
        f"counts {scope}": dict(Counter(row["Status"] for row in rows)),
        f"recent counts {scope}": dict(Counter(row["Status"] for row in recent)),
    }
    for column in ("ExecutedBy", "WorkflowName", "FormId"):
        for value in {row[column] for row in rows if column in row}:
            found[f"{column} {value} {scope}"] = [row["ExecutionId"] for row in rows if row.get(column) == value]
    found |= {f"run {row['ExecutionId']}": _run(row, blobs) for row in rows}
    found |= {f"elsewhere {row['ExecutionId']}": row["Status"] if scope == "GLOBAL" else None for row in rows[:_ELSEWHERE]}
    return found


def _run(row: Row, blobs: dict[str, bytes]) -> Answers:
    run = row["ExecutionId"]
    shown = {name: row.get(name[0].upper() + name[1:]) for name in _RUN}
    if (html := blobs.get(f"{run}/result.html")) is not None:
        result: Any = ("html", html.decode())
    elif (text := row.get("Result")) is not None:
        result = ("json", json.loads(text)) if text.startswith("{") else ("text", text)
    else:
        result = None
    logs = blobs.get(f"{run}/logs.json")
    shown |= {"orgId": row["PartitionKey"], "inputData": json.loads(row["InputData"])}
    shown |= {"startedAt": _time(row["StartedAt"]), "completedAt": _time(row.get("CompletedAt"))}
    return {**shown, "result": result, "logs": None if logs is None else json.loads(logs)}


def _stuck(entities: list[Row]) -> list[str]:
    found = []
    for row in entities:
        minutes = _TIMEOUTS.get(row["Status"]) if _is_run(row) else None
        if minutes is not None and datetime.fromisoformat(row["StartedAt"]) < NOW - timedelta(minutes=minutes):
            found.append((list(_TIMEOUTS).index(row["Status"]), row["ExecutionId"]))
    return [run for _, run in sorted(found)]


def _is_run(row: Row) -> bool:
    return str(row["RowKey"]).startswith("execution:")


def _config_of(rows: list[Row], scope: str) -> dict[str, Answers]:
    found = {}
    for row in rows:
        if row["PartitionKey"] == scope:
            key, kind, text = row["RowKey"].removeprefix("config:"), row["Type"], row["Value"]
            value = None if kind == "secret_ref" else text if kind == "string" else json.loads(text)
            found[key] = {"key": key, "type": kind, "value": value, "secret": text if kind == "secret_ref" else None, "of": scope}
    return found


def _organization(row: Row) -> Answers:
    names = {"name": "Name", "domain": "Domain", "isActive": "IsActive", "createdBy": "CreatedBy"}
    times = {"createdAt": _time(row["CreatedAt"]), "updatedAt": _time(row["UpdatedAt"])}
    return {"id": row["RowKey"].removeprefix("org:"), **{name: row.get(column) for name, column in names.items()}, **times}


def _user(row: Row) -> Answers:
    names = {"email": "Email", "displayName": "DisplayName", "userType": "UserType", "isPlatformAdmin": "IsPlatformAdmin"}
    names |= {"isActive": "IsActive", "entraUserId": "EntraUserId"}
    times = {"createdAt": _time(row["CreatedAt"]), "lastLogin": _time(row["LastLogin"])}
    return {**{name: row.get(column) for name, column in names.items()}, **times}


def _by_name(users: Iterable[Answers]) -> list[Answers]:
    return sorted(users, key=lambda user: (user["displayName"], user["email"]))


def _time(text: str | None) -> str | None:
    """Return the time of a row, which has no zone, as clients of the library see it."""
    return None if text is None else datetime.fromisoformat(text).isoformat(timespec="microseconds") + "Z"


async def answers(store: Store, data: Generator) -> Answers:
    """Ask *store* everything that `expected` answers."""
    organizations = await store.organizations.list(active_only=False)
    row = await store.legacy_rows.get("Relationships/GLOBAL/assignedrole:1:2")
    now = NOW.replace(tzinfo=UTC)
    found: Answers = {
        "organizations": [_shown(one, "id name domain isActive createdBy createdAt updatedAt") for one in organizations],
        "organizations active": [
            _shown(one, "id name domain isActive createdBy createdAt updatedAt") for one in await store.organizations.list()
        ],
        "users": _users(await store.users.list()),
        "stuck": _ids(await store.executions.stuck(now=now)),
        "legacy row": row and row.row_key,
    }
    for part in await for_each(lambda scope: _ask_scope(store, scope, data), [GLOBAL, *(one.scope for one in organizations)]):
        found |= part
    return found


async def _ask_scope(store: Store, scope: Scope, data: Generator) -> Answers:
    name = scope.partition_key
    shared = (await store.config.list(GLOBAL)).items
    found: Answers = {}
    found[f"config {name}"] = [_config(one) for one in await store.config.list(scope)]
    found[f"config alone {name}"] = [_config(one) for one in await store.config.list(scope, include_global=False)]
    for key in (*(one.key for one in shared), "time_zone", "nothing"):
        one = await store.config.get(scope, key)
        found[f"config {name} {key}"] = None if one is None else _config(one)
    found |= await _ask_runs(store, scope, [r for r in data.tables["Entities"] if r["PartitionKey"] == name and _is_run(r)])
    if scope != GLOBAL:
        found[f"members {name}"] = sorted(one.email for one in await store.users.members(name))
        found[f"users {name}"] = _users(await store.users.list_organization(name))
    return found


async def _ask_runs(store: Store, scope: Scope, rows: list[Row]) -> Answers:
    name, since = scope.partition_key, NOW.replace(tzinfo=UTC) - timedelta(days=_DAYS)
    chosen = ExecutionFilter(statuses=[ExecutionStatus(status) for status in _CHOSEN])
    found: Answers = {
        f"pages {name}": await _pages(store, scope),
        f"recent {name}": _ids(await store.executions.list(scope, ExecutionFilter(since=since))),
        f"in status {name}": _ids(await store.executions.list(scope, chosen)),
        f"counts {name}": _counts(await store.executions.count_by_status(scope)),
        f"recent counts {name}": _counts(await store.executions.count_by_status(scope, since=since)),
    }
    for column, field in (("ExecutedBy", "user"), ("WorkflowName", "workflow"), ("FormId", "form")):
        for value in {row[column] for row in rows if column in row}:
            where = ExecutionFilter(**{field: value})
            found[f"{column} {value} {name}"] = _ids(await store.executions.list(scope, where))
    elsewhere = Scope.organization("00000000-0000-4000-8000-000000000000")
    runs = [row["ExecutionId"] for row in rows]
    shown = await for_each(lambda run: _ask_run(store, scope, run), runs)
    found |= {f"run {run}": one for run, one in zip(runs, shown, strict=True)}
    newest = sorted(rows, key=lambda row: str(row["RowKey"]))[:_ELSEWHERE]
    found |= {f"elsewhere {row['ExecutionId']}": await store.executions.get_status(elsewhere, row["ExecutionId"]) for row in newest}
    return found


async def _pages(store: Store, scope: Scope) -> list[list[str]]:
    pages: list[list[str]] = []
    token = None
    while not pages or token is not None:
        page = await store.executions.list(scope, limit=_PAGE, continuation_token=token)
        pages.append(_ids(page))
        token = page.continuation_token
    return pages


async def _ask_run(store: Store, scope: Scope, run: str) -> Answers | None:
    execution = await store.executions.get(scope, run)
    if execution is None:
        return None
    result = await store.executions.load_result(execution)
    shown = _shown(execution, " ".join([*_RUN, "startedAt", "completedAt"]))
    shown["result"] = None if result is None else (result.type, result.value)
    return {**shown, "logs": await store.executions.load_logs(execution)}


def _shown(document: Any, names: str) -> Answers:
    values = document.model_dump(mode="json", by_alias=True)
    return {name: values[name] for name in names.split()}


def _config(one: Any) -> Answers:
    return {"key": one.key, "type": one.config_type, "value": one.value, "secret": one.secret_ref, "of": one.scope.partition_key}


def _users(users: Any) -> list[Answers]:
    return [_shown(one, "email displayName userType isPlatformAdmin isActive entraUserId createdAt lastLogin") for one in users]


def _ids(page: Iterable[Execution]) -> list[str]:
    return [execution.execution_id for execution in page]


def _counts(counts: Any) -> dict[str, int]:
    return {str(status): count for status, count in counts.items()}


def differing(wanted: Answers, got: Answers) -> dict[str, tuple[Any, Any]]:
    """Return both answers of the first few questions that are answered otherwise, or by one of them alone."""
    names = (name for name in sorted(wanted.keys() | got.keys()) if wanted.get(name) != got.get(name))
    return {name: (wanted.get(name), got.get(name)) for name in islice(names, 5)}
