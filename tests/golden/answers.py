"""The old application's calls made through the library, answered in the old application's shape."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bifrost_store import GLOBAL, ExecutionFilter, ExecutionRef, Scope, Store
from bifrost_store.documents import Config, ConfigType, Execution, ExecutionStatus, Organization, User
from tests.golden import answers_connections, answers_keys_audit, answers_roles_forms

Answer = Any
Call = Callable[[Store, dict[str, Any]], Awaitable[Answer]]

TOPICS = (
    "organizations",
    "users",
    "config",
    "get_execution",
    "get_execution_handler",
    "list_executions_by_user",
    "list_executions_by_workflow",
    "list_executions_by_form",
    "list_executions_paged",
    "list_executions_handler",
    "get_stuck_executions",
    "metrics",
    "blobs",
    *answers_roles_forms.TOPICS,
    *answers_connections.TOPICS,
    *answers_keys_audit.TOPICS,
)
STATUS_NAMES = {"completed": ExecutionStatus.SUCCESS, "running": ExecutionStatus.RUNNING}
_EXECUTION_FIELDS = (
    "executionId workflowName orgId formId executedBy executedByName status inputData result resultType errorMessage "
    "durationMs startedAt completedAt"
).split()
_INDEX_FIELDS = "executionId workflowName executedBy executedByName status errorMessage durationMs startedAt completedAt".split()
_USER_FIELDS = "id email displayName userType isPlatformAdmin isActive lastLogin createdAt entraUserId lastEntraIdSync".split()
_ORGANIZATION_FIELDS = "id name domain isActive createdAt createdBy updatedAt".split()


def load(folder: Path) -> list[dict[str, Any]]:
    """Return the golden records of this issue's repositories."""
    records = []
    for topic in TOPICS:
        for line in (folder / f"{topic}.json").read_text(encoding="utf-8").splitlines():
            text = line.strip().rstrip(",")
            if text not in ("[", "]", ""):
                records.append(json.loads(text))
    return records


def name_of(record: dict[str, Any]) -> str:
    """Return what names a golden record: its method and arguments, and that the answer is whole where another is of ids alone."""
    return f"{_method(record)} {json.dumps(record['args'], sort_keys=True, ensure_ascii=False)}"


def _method(record: dict[str, Any]) -> str:
    models = f"{record['method']} (models)"
    return models if "result" in record and models in CALLS else str(record["method"])


def golden_answer(record: dict[str, Any]) -> Answer:
    """Return the old answer without what depends on representation alone: zones, and the order of ids where it is by id."""
    for field in ("result", "result_ids", "result_names", "result_keys", "result_emails", "result_id", "result_pages"):
        if field in record:
            return NORMAL.get(record["method"], lambda answer: answer)(record[field])
    raise KeyError(f"no result in {name_of(record)}")


def _time(text: str | None) -> str | None:
    return None if text is None else datetime.fromisoformat(text.removesuffix("Z")).isoformat(timespec="microseconds")


def _project(source: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    times = {"startedAt", "completedAt", "createdAt", "updatedAt", "lastLogin", "lastEntraIdSync"}
    return {name: _time(source[name]) if name in times else source[name] for name in fields}


def _shown(document: Execution | User | Organization, fields: list[str]) -> dict[str, Any]:
    return _project(document.model_dump(mode="json", by_alias=True), fields)


async def every_execution(store: Store, where: ExecutionFilter) -> list[Execution]:
    """Return the executions of every scope that meet *where*."""
    return [execution for scope in await scopes(store) async for execution in _all(store, scope, where)]


async def scopes(store: Store) -> list[Scope]:
    """Return GLOBAL and the scope of every organization."""
    return [GLOBAL, *(organization.scope for organization in await store.organizations.list(active_only=False))]


async def _all(store: Store, scope: Scope, where: ExecutionFilter) -> AsyncIterator[Execution]:
    token = None
    while True:
        page = await store.executions.list(scope, where, limit=500, continuation_token=token)
        for execution in page:
            yield execution
        if (token := page.continuation_token) is None:
            return


def _by_id(executions: list[Execution], limit: int) -> list[Execution]:
    return sorted(executions, key=lambda execution: execution.execution_id)[:limit]


async def _get_execution(store: Store, args: dict[str, Any]) -> Answer:
    execution = await store.executions.get(Scope.of(args["org_id"]), args["execution_id"])
    return None if execution is None else _shown(execution, _EXECUTION_FIELDS)


async def _get_status(store: Store, args: dict[str, Any]) -> Answer:
    return await store.executions.get_status(Scope.of(args["org_id"]), args["execution_id"])


async def _get_execution_handler(store: Store, args: dict[str, Any]) -> Answer:
    execution = await store.executions.get(Scope.from_partition_key(args["scope"]), args["execution_id"])
    if execution is None:
        return [None, "NotFound"]
    if not args["is_platform_admin"] and execution.executed_by != args["user_id"]:
        return [None, "Forbidden"]
    shown = _shown(execution, _EXECUTION_FIELDS)
    result = await store.executions.load_result(execution)
    shown |= {"result": result and result.value, "resultType": result and result.type}
    shown |= {
        "logs": await store.executions.load_logs(execution),
        "variables": await store.executions.load_variables(execution),
    }
    return [shown, None]


async def _by_user(store: Store, args: dict[str, Any]) -> Answer:
    found = _by_id(await every_execution(store, ExecutionFilter(user=args["user_id"])), args["limit"])
    return _ids(found)


async def _models(store: Store, args: dict[str, Any]) -> Answer:
    where = ExecutionFilter(user=args.get("user_id"), workflow=args.get("workflow_name"), form=args.get("form_id"))
    if where.workflow is None:
        found = await every_execution(store, where)
    else:
        found = [execution async for execution in _all(store, Scope.of(args["org_id"]), where)]
    return [_shown(execution, _INDEX_FIELDS) for execution in _by_id(found, args["limit"])]


async def _by_user_paged(store: Store, args: dict[str, Any]) -> Answer:
    return _ids(await every_execution(store, ExecutionFilter(user=args["user_id"])))


async def _by_workflow(store: Store, args: dict[str, Any]) -> Answer:
    where = ExecutionFilter(workflow=args["workflow_name"])
    return _ids(_by_id([e async for e in _all(store, Scope.of(args["org_id"]), where)], args["limit"]))


async def _by_form(store: Store, args: dict[str, Any]) -> Answer:
    return _ids(_by_id(await every_execution(store, ExecutionFilter(form=args["form_id"])), args["limit"]))


def _ids(executions: list[Execution]) -> list[str]:
    return sorted(execution.execution_id for execution in executions)


async def _paged(store: Store, args: dict[str, Any]) -> Answer:
    page = await store.executions.list(Scope.of(args["org_id"]), limit=args["results_per_page"])
    return [_shown(execution, _EXECUTION_FIELDS) for execution in page]


async def _all_pages(store: Store, args: dict[str, Any]) -> Answer:
    pages: list[list[str]] = []
    token = None
    while not pages or token is not None:
        page = await store.executions.list(Scope.of(args["org_id"]), limit=args["results_per_page"], continuation_token=token)
        pages.append([execution.execution_id for execution in page])
        token = page.continuation_token
    return pages


async def _listed(store: Store, args: dict[str, Any]) -> Answer:
    scope = Scope.from_partition_key(args["org_id"] or "GLOBAL")
    return [execution.execution_id for execution in await store.executions.list(scope, limit=args["limit"])]


async def _list_handler(store: Store, args: dict[str, Any]) -> Answer:
    scope = Scope.from_partition_key(args["scope"])
    limit = args.get("limit", 50)
    where = ExecutionFilter(
        workflow=args.get("workflow_name"),
        statuses=None if "status" not in args else [STATUS_NAMES.get(args["status"]) or ExecutionStatus(args["status"])],
        since=datetime.fromisoformat(args["start_date"]) if "start_date" in args else None,
        until=datetime.fromisoformat(args["end_date"]) if "end_date" in args else None,
    )
    if args["is_platform_admin"]:
        found = [e async for e in _all(store, scope, where)]
    else:
        found = _by_id(await every_execution(store, ExecutionFilter(user=args["user_id"])), limit)
    return [execution.execution_id for execution in found[:limit]]


async def _stuck(store: Store, args: dict[str, Any]) -> Answer:
    timeouts = {
        f"{status}_timeout": timedelta(minutes=args[f"{status}_timeout_minutes"]) for status in ("pending", "running", "cancelling")
    }
    page = await store.executions.stuck(now=datetime.fromisoformat(args["now"]), **timeouts)
    fields = [name for name in _INDEX_FIELDS if name != "completedAt"]
    return [_shown(execution, fields) for execution in page]


async def _statistics(store: Store, args: dict[str, Any]) -> Answer:
    now = datetime.fromisoformat(args["now"])
    counts: dict[str, int] = {}
    for scope in await scopes(store):
        for status, count in (await store.executions.count_by_status(scope, since=now - timedelta(days=args["days"]))).items():
            counts[status] = counts.get(status, 0) + count
    success, failed = counts.get("Success", 0), counts.get("Failed", 0)
    return {
        "totalExecutions": sum(counts.values()),
        "successCount": success,
        "failedCount": failed,
        "runningCount": counts.get("Running", 0),
        "pendingCount": counts.get("Pending", 0),
        "successRate": round(100 * success / (success + failed), 1),
    }


async def _scope_of_execution(store: Store, execution_id: str) -> ExecutionRef:
    for scope in await scopes(store):
        if await store.executions.get_status(scope, execution_id, fallback=False) is not None:
            return ExecutionRef(scope, execution_id)
    return ExecutionRef(GLOBAL, execution_id)


def _payload(method: str) -> Call:
    async def call(store: Store, args: dict[str, Any]) -> Answer:
        loaded = await getattr(store.executions, method)(await _scope_of_execution(store, args["execution_id"]))
        return loaded.value if method == "load_result" and loaded is not None else loaded

    return call


async def _get_organization(store: Store, args: dict[str, Any]) -> Answer:
    organization = await store.organizations.get(args["org_id"])
    return None if organization is None else _shown(organization, _ORGANIZATION_FIELDS)


async def _by_domain(store: Store, args: dict[str, Any]) -> Answer:
    organization = await store.organizations.find_by_domain(args["domain"])
    return None if organization is None else _shown(organization, _ORGANIZATION_FIELDS)


async def _organizations(store: Store, args: dict[str, Any]) -> Answer:
    found = await store.organizations.list(active_only=args["active_only"])
    return sorted((_shown(organization, _ORGANIZATION_FIELDS) for organization in found), key=lambda shown: shown["id"])


async def _get_user(store: Store, args: dict[str, Any]) -> Answer:
    user = await store.users.get(args["email"])
    return None if user is None else _shown(user, _USER_FIELDS)


async def _by_entra_id(store: Store, args: dict[str, Any]) -> Answer:
    user = await store.users.find_by_entra_id(args["entra_user_id"])
    return None if user is None else _shown(user, _USER_FIELDS)


async def _user_organization(store: Store, args: dict[str, Any]) -> Answer:
    memberships = await store.users.memberships(args["email"])
    return memberships[0].organization_id if memberships else None


async def _members(store: Store, args: dict[str, Any]) -> Answer:
    return [membership.email for membership in await store.users.members(args["org_id"])]


async def _organization_users(store: Store, args: dict[str, Any]) -> Answer:
    users = await store.users.list_organization(args["org_id"])
    return sorted((_shown(user, _USER_FIELDS) for user in users), key=lambda shown: shown["email"])


async def _any_users(store: Store, args: dict[str, Any]) -> Answer:
    return await store.users.any_exist()


async def _users_handler(store: Store, args: dict[str, Any]) -> Answer:
    if args["scope"] == "GLOBAL":
        return [user.email for user in await store.users.list(by_last_login=True)]
    users = await store.users.list_organization(args["scope"], by_last_login=True)
    return [user.email for user in users if user.user_type == "ORG"]


def _config_shown(config: Config) -> dict[str, Any]:
    value: Any
    if config.config_type == ConfigType.SECRET_REF:
        value = config.secret_ref
    elif config.config_type == ConfigType.STRING:
        value = config.value
    else:
        value = json.dumps(config.value)
    return {
        "key": config.key,
        "value": value,
        "type": str(config.config_type),
        "scope": "GLOBAL" if config.scope == GLOBAL else "org",
        "orgId": config.scope.organization_id,
        "description": config.description,
        "updatedAt": config.updated_at and config.updated_at.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "updatedBy": config.updated_by,
    }


async def _get_config(store: Store, args: dict[str, Any]) -> Answer:
    config = await store.config.get(Scope.from_partition_key(args["scope"]), args["key"], fallback=args["fallback_to_global"])
    return None if config is None else _config_shown(config)


async def _list_config(store: Store, args: dict[str, Any]) -> Answer:
    found = await store.config.list(Scope.from_partition_key(args["scope"]), include_global=args["include_global"])
    return sorted((_config_shown(config) for config in found), key=lambda shown: shown["key"])


async def _list_config_keys(store: Store, args: dict[str, Any]) -> Answer:
    return [{"key": shown["key"], "scope": shown["scope"]} for shown in await _list_config(store, args)]


async def _load_config(store: Store, args: dict[str, Any]) -> Answer:
    found = await store.config.list(Scope.from_partition_key(args["partition_key"]), include_global=False)
    return {config.key: config.value if config.config_type == "json" else _config_shown(config)["value"] for config in found}


def _executions(fields: list[str]) -> Callable[[Any], Any]:
    return lambda answer: [_project(one, fields) if isinstance(one, dict) else one for one in answer]


def _sorted_by(field: str, normal: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda answer: sorted((normal(one) for one in answer), key=lambda shown: shown[field])


def _optional(fields: list[str]) -> Callable[[Any], Any]:
    return lambda answer: None if answer is None else _project(answer, fields)


def _config(answer: Any) -> Any:
    if isinstance(answer, list):
        scope, key = answer
        return {"key": key, "scope": scope}
    return None if answer is None else {**answer, "updatedAt": _time(answer["updatedAt"])}


def _handler(answer: Any) -> Any:
    shown, error = answer
    return [shown and {**_project(shown, _EXECUTION_FIELDS), "logs": shown["logs"], "variables": shown["variables"]}, error]


def _ids_of(answer: Any) -> Any:
    return [one["executionId"] if isinstance(one, dict) else one for one in answer]


NORMAL: dict[str, Callable[[Any], Any]] = {
    "ExecutionRepository.get_execution": _optional(_EXECUTION_FIELDS),
    "executions.get_execution_handler": _handler,
    "ExecutionRepository.list_executions_by_user": _executions(_INDEX_FIELDS),
    "ExecutionRepository.list_executions_by_workflow": _executions(_INDEX_FIELDS),
    "ExecutionRepository.list_executions_by_form": _executions(_INDEX_FIELDS),
    "ExecutionRepository.list_executions_by_user_paged (all pages)": lambda pages: sorted(i for page in pages for i in page),
    "ExecutionRepository.list_executions_paged": _executions(_EXECUTION_FIELDS),
    "ExecutionRepository.list_executions_for_org": lambda rows: [row["ExecutionId"] for row in rows],
    "executions.list_executions_handler": _ids_of,
    "ExecutionRepository.get_stuck_executions": _executions([n for n in _INDEX_FIELDS if n != "completedAt"]),
    "OrganizationRepository.get_organization": _optional(_ORGANIZATION_FIELDS),
    "OrganizationRepository.get_organization_by_domain": _optional(_ORGANIZATION_FIELDS),
    "OrganizationRepository.list_organizations": _sorted_by("id", lambda one: _project(one, _ORGANIZATION_FIELDS)),
    "UserRepository.get_user": _optional(_USER_FIELDS),
    "UserRepository.get_user_by_entra_id": _optional(_USER_FIELDS),
    "UserRepository.list_org_users_full": _sorted_by("email", lambda one: _project(one, _USER_FIELDS)),
    "ConfigRepository.get_config": _config,
    "ConfigRepository.list_config": _sorted_by("key", _config),
    **answers_roles_forms.NORMAL,
    **answers_connections.NORMAL,
    **answers_keys_audit.NORMAL,
}


def call_of(record: dict[str, Any]) -> Call:
    """Return what answers a golden record's call."""
    if record["method"].startswith("ExecutionRepository.list_executions_by_") and "result" in record:
        return _models
    if "result_keys" in record:
        return _list_config_keys
    return CALLS[_method(record)]


CALLS: dict[str, Call] = {
    "ExecutionRepository.get_execution": _get_execution,
    "ExecutionRepository.get_execution_status": _get_status,
    "executions.get_execution_handler": _get_execution_handler,
    "ExecutionRepository.list_executions_by_user": _by_user,
    "ExecutionRepository.list_executions_by_user_paged (all pages)": _by_user_paged,
    "ExecutionRepository.list_executions_by_workflow": _by_workflow,
    "ExecutionRepository.list_executions_by_form": _by_form,
    "ExecutionRepository.list_executions_paged": _paged,
    "ExecutionRepository.list_executions_paged (all pages)": _all_pages,
    "ExecutionRepository.list_executions": _listed,
    "ExecutionRepository.list_executions_for_org": _listed,
    "executions.list_executions_handler": _list_handler,
    "ExecutionRepository.get_stuck_executions": _stuck,
    "metrics.get_execution_statistics": _statistics,
    "BlobStorageService.get_logs": _payload("load_logs"),
    "BlobStorageService.get_variables": _payload("load_variables"),
    "BlobStorageService.get_snapshot": _payload("load_snapshot"),
    "BlobStorageService.get_result": _payload("load_result"),
    "OrganizationRepository.get_organization": _get_organization,
    "OrganizationRepository.get_organization_by_domain": _by_domain,
    "OrganizationRepository.list_organizations": _organizations,
    "UserRepository.get_user": _get_user,
    "UserRepository.get_user_by_entra_id": _by_entra_id,
    "UserRepository.get_user_org_id": _user_organization,
    "UserRepository.list_org_users": _members,
    "UserRepository.list_org_users_full": _organization_users,
    "UserRepository.has_any_users": _any_users,
    "permissions.list_users_handler": _users_handler,
    "ConfigRepository.get_config": _get_config,
    "ConfigRepository.list_config": _list_config,
    "middleware.load_config_for_partition": _load_config,
    **answers_roles_forms.CALLS,
    **answers_connections.CALLS,
    **answers_keys_audit.CALLS,
}
