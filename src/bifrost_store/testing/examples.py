"""Plain records for tests that do not need surprising ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from bifrost_store.core.clock import format_time
from bifrost_store.core.record import NEVER, Body, Expiry, Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents.audit_event import audit_event_id
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.documents.metrics import RunCounts, metrics_body
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
        "creationId": f"{number:032x}",
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


def oauth_connection(name: str = "HaloPSA", *, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    """Return a connection that has a client's secret, and no tokens yet."""
    body: Body = {
        "connectionName": name,
        "description": None,
        "oauthFlowType": "client_credentials",
        "clientId": "halo-client",
        "clientSecretRef": "bifrost-o-1-oauth-halopsa-client-secret",
        "oauthResponseRef": None,
        "authorizationUrl": None,
        "tokenUrl": "https://login.example.com/token",
        "scopes": "all",
        "redirectUri": f"/oauth/callback/{name}",
        "status": "not_connected",
        "statusMessage": None,
        "expiresAt": None,
        "lastRefreshAt": None,
        "createdAt": format_time(START),
        "createdBy": "system",
        "updatedAt": format_time(START),
        "updatedBy": "system",
    }
    assert fields.keys() <= body.keys()
    return Record(Key("oauth_connection", scope, name), {**body, **fields})


def integration(integration_type: str = "msgraph", *, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    """Return an integration that is switched on."""
    body: Body = {
        "type": integration_type,
        "enabled": True,
        "settings": {"tenant_id": "common", "client_secret_ref": "bifrost-global-graph"},
        "updatedAt": format_time(START),
        "updatedBy": "system",
    }
    assert fields.keys() <= body.keys()
    return Record(Key("integration", scope, integration_type), {**body, **fields})


def branding(*, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    """Return a colour without logos."""
    body: Body = {
        "squareLogoUrl": None,
        "rectangleLogoUrl": None,
        "primaryColor": "#0066CC",
        "updatedBy": "system",
        "updatedAt": format_time(START),
        "logos": {},
    }
    assert fields.keys() <= body.keys()
    return Record(Key("branding", scope, "branding"), {**body, **fields})


def role(role_id: str = "r-1", *, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    """Return an active role."""
    body: Body = {
        "name": "Help Desk",
        "description": None,
        "isActive": True,
        "createdAt": format_time(START),
        "createdBy": "system",
        "updatedAt": format_time(START),
    }
    assert fields.keys() <= body.keys()
    return Record(Key("role", scope, role_id), {**body, **fields})


def role_user(user_id: str = "kim@contoso.com", role_id: str = "r-1", *, scope: Scope = ORGANIZATION) -> Record:
    """Return the record that gives a role to a user."""
    body: Body = {"roleId": role_id, "userId": user_id, "assignedAt": format_time(START), "assignedBy": "system"}
    return Record(Key("role_user", scope, f"{role_id}:{user_id}"), body)


def role_form(form_id: str = "f-1", role_id: str = "r-1", *, scope: Scope = ORGANIZATION) -> Record:
    """Return the record that gives a role to a form."""
    body: Body = {"roleId": role_id, "formId": form_id, "assignedAt": format_time(START), "assignedBy": "system"}
    return Record(Key("role_form", scope, f"{role_id}:{form_id}"), body)


def form(form_id: str = "f-1", *, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    """Return an active form of one field, for those who share a role with it."""
    body: Body = {
        "name": "Onboarding",
        "description": None,
        "linkedWorkflow": "nightly sync",
        "formSchema": {"fields": [{"name": "email", "label": "E-mail", "type": "email", "required": True}]},
        "isActive": True,
        "accessLevel": "role_based",
        "createdBy": "system",
        "createdAt": format_time(START),
        "updatedAt": format_time(START),
        "launchWorkflowId": None,
        "allowedQueryParams": None,
        "defaultLaunchParams": None,
    }
    assert fields.keys() <= body.keys()
    return Record(Key("form", scope, form_id), {**body, **fields})


def api_key(key_id: str = "k-1", **fields: Any) -> Record:
    """Return a global key that is in use."""
    body: Body = {
        "workflowId": None,
        "hashedKey": "0" * 64,
        "createdBy": "kim@contoso.com",
        "createdAt": format_time(START),
        "isRevoked": False,
        "revokedAt": None,
        "revokedBy": None,
        "expiresAt": None,
        "lastUsedAt": None,
        "disableGlobalKey": False,
        "description": None,
    }
    assert fields.keys() <= body.keys()
    return Record(Key("api_key", GLOBAL, key_id), {**body, **fields})


def schedule(workflow_name: str = "nightly sync", **fields: Any) -> Record:
    """Return a schedule that has never run."""
    body: Body = {
        "description": None,
        "cronExpression": "0 2 * * *",
        "nextRunAt": format_time(START + timedelta(hours=14)),
        "lastRunAt": None,
        "lastExecutionId": None,
        "executionCount": 0,
        "createdAt": format_time(START),
    }
    assert fields.keys() <= body.keys()
    return Record(Key("schedule", GLOBAL, workflow_name), {**body, **fields})


def job_status(job_name: str = "TokenRefreshJob", **fields: Any) -> Record:
    """Return the status of a job that went well."""
    body: Body = {
        "status": "completed",
        "startTime": format_time(START),
        "endTime": format_time(START + timedelta(seconds=1)),
        "durationSeconds": 1.0,
        "triggerType": "automatic",
        "triggerUser": None,
        "totalConnections": None,
        "needsRefresh": None,
        "refreshedSuccessfully": None,
        "refreshFailed": None,
        "errors": None,
        "errorMessage": None,
    }
    assert fields.keys() <= body.keys()
    return Record(Key("job_status", SYSTEM, job_name), {**body, **fields})


def audit_event(number: int = 1, *, scope: Scope = ORGANIZATION, moment: datetime = START, **fields: Any) -> Record:
    """Return an event of which there are many in a millisecond, one for each *number*."""
    body: Body = {
        "eventType": "cross_org_access",
        "keyId": None,
        "keyName": None,
        "userId": "kim@contoso.com",
        "endpoint": "/api/config",
        "method": "GET",
        "remoteAddr": "10.9.9.9",
        "userAgent": None,
        "statusCode": 200,
        "blockedModule": None,
        "workspaceFile": None,
        "details": None,
    }
    assert fields.keys() <= body.keys()
    return Record(Key("audit_event", scope, audit_event_id(moment, f"{number:032x}")), {**body, **fields})


def metrics(
    record_id: str = "daily-2025-01-26", *, scope: Scope = ORGANIZATION, expires_at: Expiry = None, **fields: Any
) -> Record:
    """Return the figures of a day with one run of 16 ms."""
    counts = RunCounts(count=1, success_count=1, duration_count=1, total_duration_ms=16, histogram={16: 1})
    body = metrics_body(record_id, counts, {"nightly sync": counts}, None, counted_at=format_time(START))
    assert fields.keys() <= body.keys()
    return Record(Key("metrics", scope, record_id), {**body, **fields}, expires_at=expires_at)


def legacy_row(row_key: str = "audit:1", *, table: str = "Entities", scope: Scope = GLOBAL, **columns: Any) -> Record:
    """Return a row that no kind claims."""
    body: Body = {"table": table, "partitionKey": scope.partition_key, "rowKey": row_key, "columns": columns}
    return Record(Key("legacy_row", scope, f"{table}/{scope.partition_key}/{row_key}"), body)


def changed(record: Record, **fields: Any) -> Record:
    """Return *record* with some fields of its body changed."""
    assert fields.keys() <= record.body.keys()
    return record.with_body({**record.body, **fields})


EXAMPLES: Final = (
    execution(),
    config(),
    oauth_connection(),
    integration(),
    branding(),
    user(),
    membership(),
    organization(),
    role(),
    role_user(),
    role_form(),
    form(),
    api_key(),
    schedule(),
    job_status(),
    metrics(),
    legacy_row(),
)
"""One record of each kind that can be changed: they differ in what lies beside them in today's layout."""
ADDED_ONLY: Final = (audit_event(),)
"""One record of each kind that is only ever added to."""


def touched(record: Record, number: int = 1) -> Record:
    """Return *record* with another body; *number* tells changes apart."""
    text = f"changed {number}"
    match record.key.kind:
        case "execution":
            return changed(record, errorMessage=text)
        case "oauth_connection":
            return changed(record, statusMessage=text)
        case "integration":
            return changed(record, settings={"text": text})
        case "branding":
            return changed(record, updatedBy=text)
        case "user":
            return changed(record, displayName=text)
        case "role" | "form":
            return changed(record, name=text)
        case "job_status":
            return changed(record, errorMessage=text)
        case "metrics":
            return changed(record, totalExecutions=1 + number)
        case "audit_event":
            return changed(record, endpoint=text)
        case "role_user" | "role_form":
            return changed(record, assignedBy=text)
        case "organization":
            return changed(record, name=text)
        case "membership":
            return changed(record, createdBy=text)
        case "legacy_row":
            return changed(record, columns={"Text": text})
        case _:
            return changed(record, description=text)
