"""Configuration values."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import not_found

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "config")
async def list_config(call: Call) -> func.HttpResponse:
    """The scope's values, and GLOBAL's where the scope has none."""
    call.demand_admin()
    return items(await call.store.config.list(call.scope, include_global=call.flag("includeGlobal", default=True)))


@endpoint(blueprint, "GET", "config/{key}")
async def get_config(call: Call) -> func.HttpResponse:
    """The scope's value, else GLOBAL's."""
    call.demand_admin()
    found = await call.store.config.get(call.scope, call.path("key"))
    if found is None:
        raise not_found("the value")
    return document(found)


@endpoint(blueprint, "PUT", "config/{key}")
async def set_config(call: Call) -> func.HttpResponse:
    """Set the scope's own value."""
    call.demand_admin()
    fields = call.body(required=["value", "configType"], optional=["description"])
    return document(await call.store.config.set(call.scope, call.path("key"), **fields, updated_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "DELETE", "config/{key}")
async def delete_config(call: Call) -> func.HttpResponse:
    """Remove the scope's own value."""
    call.demand_admin()
    return deleted(await call.store.config.delete(call.scope, call.path("key"), etag=call.etag), "the value")
