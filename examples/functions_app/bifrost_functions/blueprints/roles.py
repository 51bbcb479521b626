"""Roles, and who and what has them."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import as_json, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import not_found

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "roles")
async def list_roles(call: Call) -> func.HttpResponse:
    """Roles of the scope in use, or with ``activeOnly=false`` all."""
    call.demand_admin()
    return items(await call.store.roles.list(call.scope, active_only=call.flag("activeOnly", default=True)))


@endpoint(blueprint, "POST", "roles")
async def create_role(call: Call) -> func.HttpResponse:
    """A new role in the scope."""
    call.demand_admin()
    fields = call.body(required=["name"], optional=["description"])
    return document(await call.store.roles.create(call.scope, **fields, created_by=call.user_id), 201)


@endpoint(blueprint, "GET", "roles/{roleId}")
async def get_role(call: Call) -> func.HttpResponse:
    """One of them."""
    call.demand_admin()
    found = await call.store.roles.get(call.scope, call.path("roleId"))
    if found is None:
        raise not_found("the role")
    return document(found)


@endpoint(blueprint, "PATCH", "roles/{roleId}")
async def update_role(call: Call) -> func.HttpResponse:
    """Change what the body names."""
    call.demand_admin()
    fields = call.body(optional=["name", "description", "isActive"])
    return document(await call.store.roles.update(call.scope, call.path("roleId"), **fields, etag=call.etag))


@endpoint(blueprint, "DELETE", "roles/{roleId}")
async def delete_role(call: Call) -> func.HttpResponse:
    """Take it out of use."""
    call.demand_admin()
    return document(await call.store.roles.deactivate(call.scope, call.path("roleId"), etag=call.etag))


@endpoint(blueprint, "GET", "roles/{roleId}/users")
async def get_role_users(call: Call) -> func.HttpResponse:
    """Who has it."""
    call.demand_admin()
    return items(await call.store.roles.users(call.scope, call.path("roleId")))


@endpoint(blueprint, "POST", "roles/{roleId}/users")
async def assign_role_users(call: Call) -> func.HttpResponse:
    """Give it to ``userIds``."""
    call.demand_admin()
    user_ids = call.body(required=["userIds"])["user_ids"]
    return items(await call.store.roles.assign_users(call.scope, call.path("roleId"), user_ids, assigned_by=call.user_id))


@endpoint(blueprint, "DELETE", "roles/{roleId}/users/{userId}")
async def remove_role_user(call: Call) -> func.HttpResponse:
    """Take it from a user."""
    call.demand_admin()
    count = await call.store.roles.unassign_users(call.scope, call.path("roleId"), [call.path("userId")])
    return as_json({"removed": count})


@endpoint(blueprint, "GET", "roles/{roleId}/forms")
async def get_role_forms(call: Call) -> func.HttpResponse:
    """Which forms have it."""
    call.demand_admin()
    return items(await call.store.roles.forms(call.scope, call.path("roleId")))


@endpoint(blueprint, "POST", "roles/{roleId}/forms")
async def assign_role_forms(call: Call) -> func.HttpResponse:
    """Give it to ``formIds``."""
    call.demand_admin()
    form_ids = call.body(required=["formIds"])["form_ids"]
    return items(await call.store.roles.assign_forms(call.scope, call.path("roleId"), form_ids, assigned_by=call.user_id))


@endpoint(blueprint, "DELETE", "roles/{roleId}/forms/{formId}")
async def remove_role_form(call: Call) -> func.HttpResponse:
    """Take it from a form."""
    call.demand_admin()
    count = await call.store.roles.unassign_forms(call.scope, call.path("roleId"), [call.path("formId")])
    return as_json({"removed": count})
