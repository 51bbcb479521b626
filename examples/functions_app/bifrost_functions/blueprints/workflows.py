"""Workflows, started by other systems with a key."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import unauthorized
from bifrost_store import AuditEventType

blueprint = func.Blueprint()


@endpoint(blueprint, "POST", "workflows/{workflowName}/execute", is_open=True)
async def execute_workflow(call: Call) -> func.HttpResponse:
    """Start it, if the key in ``x-functions-key`` opens it; each use is accounted for."""
    workflow = call.path("workflowName")
    key = await call.store.api_keys.validate(call.header("x-functions-key") or "", workflow)
    if key is None:
        raise unauthorized("the key is unknown, out of use, or for another workflow")
    run = await call.store.executions.create(
        call.scope,
        workflow_name=workflow,
        executed_by=f"api_key:{key.id}",
        executed_by_name=key.description or "API key",
        input_data=call.body(optional=["input"]).get("input"),
    )
    await call.store.audit.append(
        call.scope,
        AuditEventType.FUNCTION_KEY_ACCESS,
        key_id=key.id,
        endpoint=f"/api/workflows/{workflow}/execute",
        method="POST",
        status_code=202,
        details={"executionId": run.execution_id},
    )
    return document(run, 202)


@endpoint(blueprint, "GET", "workflows/{workflowName}/forms")
async def list_workflow_forms(call: Call) -> func.HttpResponse:
    """Forms that start it."""
    call.demand_admin()
    return items(await call.store.forms.list_by_workflow(call.scope, call.path("workflowName")))
