"""Keys with which other systems start workflows."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import as_json, deleted, document, endpoint, items, shown
from bifrost_functions.call import Call
from bifrost_functions.refusals import not_found

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "workflow-keys")
async def list_workflow_keys(call: Call) -> func.HttpResponse:
    """Keys in use, or with ``includeRevoked=true`` all; of one workflow with ``workflowId``."""
    call.demand_admin()
    include_revoked = call.flag("includeRevoked", default=False)
    return items(await call.store.api_keys.list(workflow_id=call.query("workflowId"), include_revoked=include_revoked))


@endpoint(blueprint, "POST", "workflow-keys")
async def create_workflow_key(call: Call) -> func.HttpResponse:
    """A new key, shown in this answer and never again."""
    call.demand_admin()
    fields = call.body(optional=["workflowId", "description", "expiresAt", "disableGlobalKey"], times=["expiresAt"])
    made = await call.store.api_keys.create(**fields, created_by=call.user_id)
    return as_json({**shown(made.document), "key": made.key}, 201, {"Cache-Control": "no-store"})


@endpoint(blueprint, "GET", "workflow-keys/{keyId}")
async def get_workflow_key(call: Call) -> func.HttpResponse:
    """What is known of a key."""
    call.demand_admin()
    found = await call.store.api_keys.get(call.path("keyId"))
    if found is None:
        raise not_found("the key")
    return document(found)


@endpoint(blueprint, "POST", "workflow-keys/{keyId}/revoke")
async def revoke_workflow_key(call: Call) -> func.HttpResponse:
    """Refuse it from now on."""
    call.demand_admin()
    return document(await call.store.api_keys.revoke(call.path("keyId"), revoked_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "DELETE", "workflow-keys/{keyId}")
async def delete_workflow_key(call: Call) -> func.HttpResponse:
    """Forget it."""
    call.demand_admin()
    return deleted(await call.store.api_keys.delete(call.path("keyId"), etag=call.etag), "the key")
