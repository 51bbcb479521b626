"""The calls that the demo makes on each backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import ConfigType, ExecutionStatus
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.store import Store

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
"""When the demo takes place: the moment of its data set."""


class Answer(NamedTuple):
    """What a call answered: a short text to show, and all of it to compare."""

    shown: object
    whole: object


Call = Callable[[Store, dict[str, str]], Awaitable[Answer]]
"""Makes one call; what calls find out for later ones stands in the dictionary."""


async def _organizations(store: Store, found: dict[str, str]) -> Answer:
    page = await store.organizations.list()
    found["organization"] = page[0].id
    return Answer(", ".join(organization.name for organization in page), page)


async def _by_domain(store: Store, found: dict[str, str]) -> Answer:
    organization = await store.organizations.find_by_domain("Juniper.Example")
    found["organization"] = organization.id if organization is not None else found["organization"]
    return Answer(organization and organization.name, organization)


async def _users(store: Store, found: dict[str, str]) -> Answer:
    users = await store.users.list_organization(found["organization"], by_last_login=True)
    found["user"] = users[0].email
    return Answer(", ".join(user.email for user in users), users)


async def _config(store: Store, found: dict[str, str]) -> Answer:
    merged = await store.config.list(Scope.organization(found["organization"]))
    shown = ", ".join(f"{config.key}={config.value}" for config in merged if config.config_type != ConfigType.SECRET_REF)
    return Answer(shown, merged)


async def _create(store: Store, found: dict[str, str]) -> Answer:
    run = await store.executions.create(
        Scope.organization(found["organization"]),
        workflow_name="license_report",
        executed_by=found["user"],
        executed_by_name="Demo",
        input_data={"pi": 3.0, "big": 2**70, "names": ["Zoë", "李"]},
        execution_id="demo-1",
        form_id="demo-form",
    )
    return Answer(f"{run.status} revision {run.record.version.revision} {run.input_data}", run)


async def _complete(store: Store, found: dict[str, str]) -> Answer:
    run = await store.executions.get(Scope.organization(found["organization"]), "demo-1")
    assert run is not None
    done = await store.executions.complete(run, ExecutionStatus.SUCCESS, duration_ms=1234, result={"rows": list(range(400))})
    return Answer(f"{done.status} revision {done.record.version.revision}, result in a blob: {done.result_in_blob}", done)


async def _load_result(store: Store, found: dict[str, str]) -> Answer:
    run = await store.executions.get(Scope.organization(found["organization"]), "demo-1")
    assert run is not None
    result = await store.executions.load_result(run)
    return Answer(result and f"{result.type}, {len(str(result.value))} characters", result)


async def _by_user(store: Store, found: dict[str, str]) -> Answer:
    scope = Scope.organization(found["organization"])
    page = await store.executions.list(scope, ExecutionFilter(user=found["user"]), limit=3)
    shown = ", ".join(f"{run.workflow_name} {run.status} {run.started_at:%d.%m. %H:%M:%S.%f}" for run in page)
    return Answer(shown, page)


async def _stuck(store: Store, found: dict[str, str]) -> Answer:
    page = await store.executions.stuck(now=NOW + timedelta(hours=1))
    return Answer(", ".join(f"{run.status} since {run.started_at:%H:%M}" for run in page) or "none", page)


async def _statistics(store: Store, found: dict[str, str]) -> Answer:
    figures = await store.executions.statistics(GLOBAL, since=NOW - timedelta(days=30))
    counts = ", ".join(f"{status} {count}" for status, count in sorted(figures.by_status.items()))
    return Answer(f"{figures.total} runs, {figures.success_rate} % success ({counts})", figures)


async def _delete(store: Store, found: dict[str, str]) -> Answer:
    scope = Scope.organization(found["organization"])
    deleted, found_then = await store.executions.delete(scope, "demo-1"), await store.executions.get(scope, "demo-1")
    return Answer(f"{deleted}, then {found_then}", (deleted, found_then))


async def _legacy_rows(store: Store, found: dict[str, str]) -> Answer:
    rows = await store.legacy_rows.list(GLOBAL)
    return Answer(", ".join(row.table for row in rows) or "none", rows)


CALLS: dict[str, Call] = {
    "organizations.list": _organizations,
    "organizations.find_by_domain": _by_domain,
    "users.list_organization": _users,
    "config.list, merged": _config,
    "executions.create, with a form": _create,
    "executions.get and complete": _complete,
    "executions.get and load_result": _load_result,
    "executions.list by user": _by_user,
    "executions.stuck": _stuck,
    "executions.statistics": _statistics,
    "executions.delete and get": _delete,
    "legacy_rows.list": _legacy_rows,
}
