"""Hypothesis strategies for valid records of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from bifrost_store.core.clock import format_time
from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.record import NEVER, Body, Expiry, Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import (
    SPECS,
    AccessLevel,
    AuditEventType,
    ConfigType,
    ExecutionStatus,
    JobOutcome,
    JobTrigger,
    OAuthFlowType,
    OAuthStatus,
    RunCounts,
    UserType,
)
from bifrost_store.documents.audit_event import audit_event_id
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.documents.legacy_row import legacy_row_id
from bifrost_store.documents.metrics import PLATFORM, daily_id, hourly_id, metrics_body
from bifrost_store.testing.examples import ADDED_ONLY, EXAMPLES
from bifrost_store.testing.strategies import (
    ORGANIZATIONS,
    Strategy,
    config_keys,
    execution_ids,
    expiries,
    extras,
    identifiers,
    is_json,
    json_objects,
    json_values,
    moments,
    organization_ids,
    organizations,
    tenants,
    texts,
    times,
)

_INT32: Final = st.integers(0, 2**31 - 1)


@st.composite
def _organization(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    body: Body = {
        "name": draw(texts),
        "domain": draw(st.none() | texts),
        "isActive": draw(st.booleans()),
        "createdAt": draw(times),
        "createdBy": draw(identifiers),
        "updatedAt": draw(times),
    }
    return GLOBAL, draw(organization_ids), body, ""


@st.composite
def _user(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    email = draw(identifiers)
    body: Body = {
        "email": email,
        "displayName": draw(texts),
        "userType": draw(st.sampled_from([kind.value for kind in UserType])),
        "isPlatformAdmin": draw(st.booleans()),
        "isActive": draw(st.booleans()),
        "createdAt": draw(times),
        "lastLogin": draw(st.none() | times),
        "entraUserId": draw(st.none() | identifiers),
        "lastEntraIdSync": draw(st.none() | times),
        "organizationId": draw(st.none() | st.sampled_from(ORGANIZATIONS)),
    }
    return GLOBAL, email, body, ""


@st.composite
def _membership(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    email = draw(identifiers)
    body: Body = {"email": email, "createdAt": draw(st.none() | times), "createdBy": draw(st.none() | identifiers)}
    return draw(organizations), email, body, ""


_VALUES: Final[dict[ConfigType, Strategy[Any]]] = {
    ConfigType.STRING: texts,
    ConfigType.INT: st.integers() | st.sampled_from([2**53 + 1, -(10**400), 10**4299]),
    ConfigType.BOOL: st.booleans(),
    ConfigType.JSON: json_values,
    ConfigType.SECRET_REF: st.none(),
}


@st.composite
def _config(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    key = draw(config_keys)
    config_type = draw(st.sampled_from(ConfigType))
    is_secret = config_type is ConfigType.SECRET_REF
    body: Body = {
        "key": key,
        "configType": config_type.value,
        "value": draw(_VALUES[config_type]),
        "secretRef": draw(st.from_regex(r"[0-9A-Za-z-]{1,127}", fullmatch=True)) if is_secret else None,
        "description": draw(st.none() | texts),
        "updatedAt": draw(times),
        "updatedBy": draw(identifiers),
    }
    return draw(tenants), key, body, ""


_results: Final = st.one_of(
    st.just((None, None)),
    st.tuples(json_objects.filter(lambda value: len(str(value)) < 500), st.just("json")),
    st.tuples(texts.filter(lambda text: not is_json(text)), st.sampled_from(["text", "html"])),
)


@st.composite
def _execution(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    execution_id, started_at = draw(execution_ids), draw(moments)
    result, result_type = draw(_results)
    body: Body = {
        "executionId": execution_id,
        "workflowName": draw(identifiers),
        "formId": draw(st.none() | identifiers),
        "executedBy": draw(identifiers),
        "executedByName": draw(texts),
        "status": draw(st.sampled_from([status.value for status in ExecutionStatus])),
        "inputData": draw(json_objects),
        "startedAt": format_time(started_at),
        "completedAt": draw(st.none() | times),
        "durationMs": draw(st.none() | _INT32),
        "errorMessage": draw(st.none() | texts),
        "errorType": draw(st.none() | texts),
        "result": result,
        "resultType": result_type,
        "resultSize": draw(st.none() | _INT32),
        "resultInBlob": draw(st.booleans()),
        "blobs": draw(st.dictionaries(st.sampled_from(["input", "logs", "variables"]), st.none() | texts, max_size=2)),
        "creationId": draw(st.none() | st.from_regex("[0-9a-f]{32}", fullmatch=True)),
    }
    return draw(tenants), execution_id, body, execution_sort_key(started_at, execution_id)


_secret_names: Final = st.none() | st.from_regex(r"[0-9A-Za-z-]{1,127}", fullmatch=True)


@st.composite
def _oauth_connection(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    name = draw(identifiers)
    body: Body = {
        "connectionName": name,
        "description": draw(st.none() | texts),
        "oauthFlowType": draw(st.sampled_from([flow.value for flow in OAuthFlowType])),
        "clientId": draw(texts),
        "clientSecretRef": draw(_secret_names),
        "oauthResponseRef": draw(_secret_names),
        "authorizationUrl": draw(st.none() | texts),
        "tokenUrl": draw(texts),
        "scopes": draw(texts),
        "redirectUri": draw(texts),
        "status": draw(st.sampled_from([status.value for status in OAuthStatus])),
        "statusMessage": draw(st.none() | texts),
        "expiresAt": draw(st.none() | times),
        "lastRefreshAt": draw(st.none() | times),
        "createdAt": draw(st.none() | times),
        "createdBy": draw(st.none() | identifiers),
        "updatedAt": draw(st.none() | times),
        "updatedBy": draw(st.none() | identifiers),
    }
    return draw(tenants), name, body, ""


@st.composite
def _integration(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    integration_type = draw(identifiers)
    body: Body = {
        "type": integration_type,
        "enabled": draw(st.booleans()),
        "settings": draw(json_objects),
        "updatedAt": draw(st.none() | times),
        "updatedBy": draw(st.none() | identifiers),
    }
    return draw(tenants), integration_type, body, ""


def _branding() -> Strategy[tuple[Scope, str, Body, str]]:
    body = {
        "squareLogoUrl": st.none() | texts,
        "rectangleLogoUrl": st.none() | texts,
        "primaryColor": st.none() | st.from_regex(r"#[0-9A-F]{6}", fullmatch=True),
        "updatedBy": st.none() | identifiers,
        "updatedAt": st.none() | times,
        "logos": st.dictionaries(st.sampled_from(["square", "rectangle"]), texts),
    }
    return st.tuples(tenants, st.just("branding"), st.fixed_dictionaries(body), st.just(""))


@st.composite
def _role(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    body: Body = {
        "name": draw(texts),
        "description": draw(st.none() | texts),
        "isActive": draw(st.booleans()),
        "createdBy": draw(identifiers),
        "createdAt": draw(times),
        "updatedAt": draw(times),
    }
    return draw(tenants), draw(execution_ids), body, ""


def _assignment(member: str, members: Strategy[str]) -> Strategy[tuple[Scope, str, Body, str]]:
    body = {"assignedAt": st.none() | times, "assignedBy": st.none() | identifiers, "roleId": execution_ids, member: members}
    return st.builds(lambda scope, one: (scope, f"{one['roleId']}:{one[member]}", one, ""), tenants, st.fixed_dictionaries(body))


@st.composite
def _form(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    body: Body = {
        "name": draw(texts),
        "description": draw(st.none() | texts),
        "linkedWorkflow": draw(identifiers),
        "formSchema": draw(json_objects),
        "isActive": draw(st.booleans()),
        "accessLevel": draw(st.sampled_from([level.value for level in AccessLevel])),
        "createdBy": draw(identifiers),
        "createdAt": draw(times),
        "updatedAt": draw(times),
        "launchWorkflowId": draw(st.none() | identifiers),
        "allowedQueryParams": draw(st.none() | st.lists(texts, max_size=3)),
        "defaultLaunchParams": draw(st.none() | json_objects),
    }
    return draw(tenants), draw(execution_ids), body, ""


def _api_key() -> Strategy[tuple[Scope, str, Body, str]]:
    body = {
        "workflowId": st.none() | identifiers,
        "hashedKey": st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        "createdBy": identifiers,
        "createdAt": times,
        "isRevoked": st.booleans(),
        "revokedAt": st.none() | times,
        "revokedBy": st.none() | identifiers,
        "expiresAt": st.none() | times,
        "lastUsedAt": st.none() | times,
        "disableGlobalKey": st.booleans(),
        "description": st.none() | texts,
    }
    return st.tuples(st.just(GLOBAL), execution_ids, st.fixed_dictionaries(body), st.just(""))


def _schedule() -> Strategy[tuple[Scope, str, Body, str]]:
    body = {
        "description": st.none() | texts,
        "cronExpression": texts,
        "nextRunAt": times,
        "lastRunAt": st.none() | times,
        "lastExecutionId": st.none() | identifiers,
        "executionCount": _INT32,
        "createdAt": st.none() | times,
    }
    return st.tuples(st.just(GLOBAL), identifiers, st.fixed_dictionaries(body), st.just(""))


def _job_status() -> Strategy[tuple[Scope, str, Body, str]]:
    body = {
        "status": st.sampled_from([outcome.value for outcome in JobOutcome]),
        "startTime": times,
        "endTime": st.none() | times,
        "durationSeconds": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "triggerType": st.sampled_from([trigger.value for trigger in JobTrigger]),
        "triggerUser": st.none() | identifiers,
        **dict.fromkeys(("totalConnections", "needsRefresh", "refreshedSuccessfully", "refreshFailed"), st.none() | _INT32),
        "errors": st.none() | st.lists(json_values, max_size=3),
        "errorMessage": st.none() | texts,
    }
    return st.tuples(st.just(SYSTEM), identifiers, st.fixed_dictionaries(body), st.just(""))


def _audit_event() -> Strategy[tuple[Scope, str, Body, str]]:
    names = "keyId keyName userId endpoint method remoteAddr userAgent blockedModule workspaceFile".split()
    body = {
        "eventType": st.sampled_from([kind.value for kind in AuditEventType]) | identifiers,
        **dict.fromkeys(names, st.none() | texts),
        "statusCode": st.none() | st.integers(-(2**31), 2**31 - 1),
        "details": json_values,
    }
    ids = st.builds(lambda moment, unique: audit_event_id(moment, unique.hex), moments, st.uuids())
    return st.tuples(tenants, ids, st.fixed_dictionaries(body), st.just(""))


@st.composite
def _metrics(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    name = draw(st.sampled_from([hourly_id, daily_id]))(draw(moments))
    scope = draw(tenants)
    record_id = draw(st.sampled_from(["", PLATFORM])) + name if scope == GLOBAL else name
    counts = st.builds(
        RunCounts,
        count=_INT32,
        success_count=_INT32,
        duration_count=_INT32,
        total_duration_ms=_INT32,
        histogram=st.dictionaries(st.integers(0, 2**40).map(bucket_of), _INT32, max_size=3),
    )
    final_at = draw(st.none() | times)
    workflows, others = draw(st.dictionaries(texts, counts, max_size=3)), draw(st.none() | counts)
    return scope, record_id, metrics_body(record_id, draw(counts), workflows, others, counted_at=draw(times), final_at=final_at), ""


@st.composite
def _legacy_row(draw: st.DrawFn) -> tuple[Scope, str, Body, str]:
    legal = st.text(st.characters(categories=("L", "N"), include_characters=":@.-_ %+'"), min_size=1, max_size=60)
    table, row_key = draw(st.sampled_from(["AuditLog", "Entities", "Config"])), "other:" + draw(legal)
    scope = GLOBAL if table == "AuditLog" else draw(tenants)
    partition_key = "2025-11-14" if table == "AuditLog" else scope.partition_key
    columns = draw(extras)
    body: Body = {"table": table, "partitionKey": partition_key, "rowKey": row_key, "columns": columns}
    return scope, legacy_row_id(table, partition_key, row_key), body, ""


_KINDS: Final[dict[str, Callable[[], Strategy[tuple[Scope, str, Body, str]]]]] = {
    "organization": _organization,
    "user": _user,
    "membership": _membership,
    "config": _config,
    "oauth_connection": _oauth_connection,
    "integration": _integration,
    "branding": _branding,
    "execution": _execution,
    "role": _role,
    "role_user": lambda: _assignment("userId", identifiers),
    "role_form": lambda: _assignment("formId", execution_ids),
    "form": _form,
    "api_key": _api_key,
    "schedule": _schedule,
    "job_status": _job_status,
    "audit_event": _audit_event,
    "metrics": _metrics,
    "legacy_row": _legacy_row,
}
KINDS: Final = tuple(sorted(kind for kind, spec in SPECS.items() if not spec.is_internal))
"""The kinds that `records` makes."""


@st.composite
def _like_example(draw: st.DrawFn, kind: str) -> tuple[Scope, str, Body, str]:
    """Return what its example is under another id, with another description: of a kind without a strategy of its own."""
    example = next(one for one in (*EXAMPLES, *ADDED_ONLY) if one.key.kind == kind)
    body = {**example.body, "description": draw(st.none() | texts)} if "description" in example.body else example.body
    return example.key.scope, draw(identifiers), body, ""


@st.composite
def records(draw: st.DrawFn, kind: str | None = None) -> Record:
    """Return valid records, never stored before, that have not expired at the clock's start: by default of a kind that can be
    changed.
    """
    kind = draw(st.sampled_from([kind for kind in KINDS if not SPECS[kind].is_append_only])) if kind is None else kind
    scope, record_id, body, sort_key = draw(_KINDS[kind]() if kind in _KINDS else _like_example(kind))
    assert body.keys() == SPECS[kind].fields
    extra = {} if kind == "legacy_row" else draw(extras)
    unlimited: Strategy[Expiry] = st.sampled_from([None, NEVER])
    expires_at = draw(unlimited if SPECS[kind].is_append_only else expiries)
    return Record(Key(kind, scope, record_id), body, sort_key, expires_at=expires_at, extra=extra)


_FIXED: Final = frozenset("email key executionId startedAt table partitionKey rowKey roleId userId connectionName type".split())
"""Fields that repeat the key or the sort key."""


@st.composite
def changes(draw: st.DrawFn) -> tuple[Record, Record]:
    """Return a record and what it is changed to."""
    before = draw(records())
    after = draw(records(before.key.kind))
    fixed = _FIXED | {"formId"} if before.key.kind == "role_form" else _FIXED
    kept = {name: value for name, value in before.body.items() if name in fixed}
    return before, replace(after, key=before.key, sort_key=before.sort_key, body={**after.body, **kept})
