"""Plain records for tests that do not need surprising ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from bifrost_store.core.clock import format_time
from bifrost_store.core.record import NEVER, Body, Expiry, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.testing.clock import START

ORGANIZATION: Final = Scope.organization("o-1")
OTHER_ORGANIZATION: Final = Scope.organization("o-2")


def config(key: str = "theme", value: str = "dark", *, scope: Scope = ORGANIZATION, expires_at: Expiry = None) -> Record:
    """Return a configuration value that is a text."""
    body: Body = {
        "key": key,
        "configType": "string",
        "value": value,
        "secretRef": None,
        "description": None,
        "updatedAt": format_time(START),
        "updatedBy": "kim@contoso.com",
    }
    return Record(Key("config", scope, key), body, expires_at=expires_at)


def config_of_json(value: Any, key: str = "settings", *, scope: Scope = ORGANIZATION) -> Record:
    """Return a configuration value of type ``json``."""
    record = config(key, scope=scope)
    return record.with_body({**record.body, "configType": "json", "value": value})


def execution(
    number: int = 1,
    *,
    scope: Scope = ORGANIZATION,
    started_at: datetime | None = None,
    expires_at: Expiry = NEVER,
    **fields: Any,
) -> Record:
    """Return execution ``e-<number>``; the higher the number, the later it started."""
    execution_id = f"e-{number}"
    started_at = START - timedelta(days=1) + timedelta(seconds=number) if started_at is None else started_at
    body: Body = {
        "executionId": execution_id,
        "workflowName": "nightly sync",
        "formId": None,
        "executedBy": "kim@contoso.com",
        "executedByName": "Kim",
        "status": "Running",
        "inputData": {},
        "startedAt": format_time(started_at),
        "completedAt": None,
        "durationMs": None,
        "errorMessage": None,
        "errorType": None,
        "result": None,
        "resultType": None,
        "resultSize": None,
        "resultInBlob": False,
        "blobs": {},
    }
    assert fields.keys() <= body.keys()
    key = Key("execution", scope, execution_id)
    return Record(key, {**body, **fields}, execution_sort_key(started_at, execution_id), expires_at=expires_at)


def user(email: str = "kim@contoso.com", **fields: Any) -> Record:
    """Return a user of no organization."""
    body: Body = {
        "email": email,
        "displayName": email.partition("@")[0],
        "userType": "ORG",
        "isPlatformAdmin": False,
        "isActive": True,
        "createdAt": format_time(START),
        "lastLogin": None,
        "entraUserId": None,
        "lastEntraIdSync": None,
        "organizationId": None,
    }
    assert fields.keys() <= body.keys()
    return Record(Key("user", GLOBAL, email), {**body, **fields})


def membership(email: str = "kim@contoso.com", *, scope: Scope = ORGANIZATION) -> Record:
    """Return the record that makes a user belong to an organization."""
    return Record(Key("membership", scope, email), {"email": email, "createdAt": format_time(START), "createdBy": "system"})


def organization(organization_id: str = "o-1", **fields: Any) -> Record:
    """Return an active organization."""
    body: Body = {
        "name": "Contoso",
        "domain": None,
        "isActive": True,
        "createdAt": format_time(START),
        "createdBy": "system",
        "updatedAt": format_time(START),
    }
    assert fields.keys() <= body.keys()
    return Record(Key("organization", GLOBAL, organization_id), {**body, **fields})


def legacy_row(row_key: str = "audit:1", *, table: str = "Entities", scope: Scope = GLOBAL, **columns: Any) -> Record:
    """Return a row that no kind claims."""
    body: Body = {"table": table, "partitionKey": scope.partition_key, "rowKey": row_key, "columns": columns}
    return Record(Key("legacy_row", scope, f"{table}/{scope.partition_key}/{row_key}"), body)


def changed(record: Record, **fields: Any) -> Record:
    """Return *record* with some fields of its body changed."""
    assert fields.keys() <= record.body.keys()
    return record.with_body({**record.body, **fields})


EXAMPLES: Final = (execution(), config(), user(), membership(), organization(), legacy_row())
"""One record of each kind: they differ in what lies beside them in today's layout."""


def touched(record: Record, number: int = 1) -> Record:
    """Return *record* with another body; *number* tells changes apart."""
    text = f"changed {number}"
    match record.key.kind:
        case "execution":
            return changed(record, errorMessage=text)
        case "config":
            return changed(record, description=text)
        case "user":
            return changed(record, displayName=text)
        case "organization":
            return changed(record, name=text)
        case "membership":
            return changed(record, createdBy=text)
        case _:
            return changed(record, columns={"Text": text})
