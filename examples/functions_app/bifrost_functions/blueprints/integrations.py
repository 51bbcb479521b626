"""Integrations with other services."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import not_found

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "integrations")
async def list_integrations(call: Call) -> func.HttpResponse:
    """The scope's, and GLOBAL's of other types."""
    call.demand_admin()
    return items(await call.store.integrations.list(call.scope))


@endpoint(blueprint, "GET", "integrations/{integrationType}")
async def get_integration(call: Call) -> func.HttpResponse:
    """The scope's, else GLOBAL's."""
    call.demand_admin()
    found = await call.store.integrations.get(call.scope, call.path("integrationType"))
    if found is None:
        raise not_found("the integration")
    return document(found)


@endpoint(blueprint, "PUT", "integrations/{integrationType}")
async def set_integration(call: Call) -> func.HttpResponse:
    """Set the scope's own."""
    call.demand_admin()
    fields, kind = call.body(required=["enabled", "settings"]), call.path("integrationType")
    return document(await call.store.integrations.set(call.scope, kind, **fields, updated_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "DELETE", "integrations/{integrationType}")
async def delete_integration(call: Call) -> func.HttpResponse:
    """Remove the scope's own."""
    call.demand_admin()
    kind = call.path("integrationType")
    return deleted(await call.store.integrations.delete(call.scope, kind, etag=call.etag), "the integration")
