"""Runs of workflows: admins see all of a scope, everybody else one's own, without DEBUG lines, tracebacks and variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import azure.functions as func

from bifrost_functions.answers import as_json, deleted, document, endpoint, items, shown
from bifrost_functions.call import Call
from bifrost_functions.dashboards import shown_dashboard, window_named
from bifrost_functions.refusals import bad_request, forbidden, not_found
from bifrost_store import Execution, ExecutionFilter, ExecutionRef, ExecutionStatus
from bifrost_store.realtime import item_json_for

blueprint = func.Blueprint()
_OUTCOME = "durationMs errorMessage errorType result resultType".split()


@endpoint(blueprint, "GET", "executions")
async def list_executions(call: Call) -> func.HttpResponse:
    """The newest first; filters ``workflowName``, ``formId``, ``status``, ``startDate``, ``endDate``."""
    where = ExecutionFilter(
        user=call.query("userId") if call.is_admin else call.user_id,
        workflow=call.query("workflowName"),
        form=call.query("formId"),
        statuses=None if call.query("status") is None else [_status(call.query("status"))],
        since=call.moment("startDate"),
        until=call.moment("endDate"),
    )
    return items(await call.store.executions.list(call.scope, where, **call.page()))


@endpoint(blueprint, "POST", "executions")
async def start_execution(call: Call) -> func.HttpResponse:
    """Start a run; with an ``executionId`` of the client's the call can be repeated."""
    fields = call.body(required=["workflowName"], optional=["inputData", "executionId"])
    run = await call.store.executions.create(
        call.scope, **fields, executed_by=call.user_id, executed_by_name=call.user_name, status=ExecutionStatus.PENDING
    )
    return document(run, 202)


@endpoint(blueprint, "GET", "executions/{executionId}")
async def get_execution(call: Call) -> func.HttpResponse:
    """One of them."""
    return document(await _visible(call))


@endpoint(blueprint, "GET", "executions/{executionId}/{part}")
async def get_execution_part(call: Call) -> func.HttpResponse:
    """Its ``result``, ``logs``, ``variables`` or ``snapshot``; or its ``items``, page by page, also while it goes on.

    Of items: ``after`` or ``before`` a cursor of an earlier page, ``limit``, a least ``level``, a text to ``find``.
    """
    run, executions = await _visible(call), call.store.executions
    match call.path("part"):
        case "result":
            result = await executions.load_result(run)
            return as_json(None if result is None else {"type": result.type, "value": result.value})
        case "logs":
            logs = await executions.load_logs(run)
            return as_json(logs if call.is_admin or logs is None else [one for one in logs if _is_for_everybody(one)])
        case "items":
            return as_json(await _items(call, run))
        case "variables" if call.is_admin:
            return as_json(await executions.load_variables(run))
        case "snapshot" if call.is_admin:
            return as_json(await executions.load_snapshot(run))
        case "variables" | "snapshot":
            raise forbidden("only platform admins may see this")
        case _:
            raise not_found("this part of an execution")


@endpoint(blueprint, "PUT", "executions/{executionId}/{part}")
async def save_execution_part(call: Call) -> func.HttpResponse:
    """Store its ``logs``, ``variables`` or ``snapshot``: the engine does."""
    call.demand_admin()
    run, executions = _named(call), call.store.executions
    content = call.body(required=["content"])["content"]
    match call.path("part"):
        case "logs":
            return document(await executions.save_logs(run, content, etag=call.etag))
        case "variables":
            return document(await executions.save_variables(run, content, etag=call.etag))
        case "snapshot":
            return document(await executions.save_snapshot(run, content, etag=call.etag))
        case _:
            raise not_found("this part of an execution")


@endpoint(blueprint, "POST", "executions/{executionId}/status")
async def set_execution_status(call: Call) -> func.HttpResponse:
    """Move a run on, or end it: the engine does. A final status takes ``result``, ``errorMessage`` and the like."""
    call.demand_admin()
    fields = call.body(required=["status"], optional=_OUTCOME)
    status = _status(fields.pop("status"))
    if status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING):
        if fields:
            raise bad_request(f"{status}: a run that goes on has no outcome yet")
        return document(await call.store.executions.set_status(_named(call), status, etag=call.etag))
    return document(await call.store.executions.complete(_named(call), status, **fields, etag=call.etag))


@endpoint(blueprint, "POST", "executions/{executionId}/cancel")
async def cancel_execution(call: Call) -> func.HttpResponse:
    """Ask a run to stop."""
    return document(await call.store.executions.cancel(await _visible(call), etag=call.etag))


@endpoint(blueprint, "DELETE", "executions/{executionId}")
async def delete_execution(call: Call) -> func.HttpResponse:
    """Delete a run and what it left."""
    call.demand_admin()
    run = _named(call)
    return deleted(await call.store.executions.delete(run.scope, run.execution_id, etag=call.etag), "the execution")


@endpoint(blueprint, "GET", "statistics")
async def get_statistics(call: Call) -> func.HttpResponse:
    """Figures of the scope over ``startDate`` to ``endDate``, and with ``window`` its dashboard."""
    call.demand_admin()
    since = call.moment("startDate")
    if since is None:
        raise bad_request("startDate: must be given")
    found = await call.store.executions.statistics(call.scope, since=since, until=call.moment("endDate"))
    asked = call.query("window")
    dashboard = None if asked is None else await call.store.metrics.dashboard(call.scope, window_named(asked))
    return as_json(
        {
            **({} if dashboard is None else {"metrics": shown_dashboard(dashboard)}),
            "total": found.total,
            "byStatus": {status.value: count for status, count in sorted(found.by_status.items())},
            "successRate": found.success_rate,
            "averageDurationMs": found.average_duration_ms,
            "recentFailures": [shown(run) for run in found.recent_failures],
        }
    )


def _named(call: Call) -> ExecutionRef:
    return ExecutionRef(call.scope, call.path("executionId"))


def _is_for_everybody(entry: Mapping[str, object]) -> bool:
    return str(entry.get("level", "")).lower() not in ("debug", "traceback")


async def _items(call: Call, run: Execution) -> dict[str, object]:
    limit, level, text = call.count("limit") or 100, call.query("level"), call.query("find")
    before, after = call.query("before"), call.query("after")
    data = call.store.execution_data
    types: tuple[Literal["log"]] | None = None if call.is_admin else ("log",)
    if not call.is_admin and level in (None, "debug"):
        level = "info"
    if text is None:
        page = await data.items(run.scope, run.execution_id, after=after, before=before, limit=limit, types=types, level=level)
    else:
        page = await data.find(
            run.scope, run.execution_id, text, after=after, limit=limit, level=level, in_tracebacks=call.is_admin
        )
    return {
        "items": [one for item in page if (one := item_json_for(item, details=call.is_admin)) is not None],
        "after": page.after,
        "before": page.before,
        "isLast": page.is_last,
        "isLive": page.is_live,
    }


def _status(text: object) -> ExecutionStatus:
    try:
        return ExecutionStatus(str(text))
    except ValueError:
        raise bad_request(f"status: must be one of {', '.join(ExecutionStatus)}") from None


async def _visible(call: Call) -> Execution:
    run = await call.store.executions.get(call.scope, call.path("executionId"))
    if run is None:
        raise not_found("the execution")
    if not call.is_admin and run.executed_by != call.user_id:
        raise forbidden("this run is somebody else's")
    return run
