"""Users: admins keep them, everybody sees oneself."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import as_json, deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import forbidden, not_found
from bifrost_store import GLOBAL

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "users")
async def list_users(call: Call) -> func.HttpResponse:
    """Everyone, or the members of the caller's organization; the latest login first."""
    call.demand_admin()
    organization_id = call.scope.organization_id
    if organization_id is None:
        return items(await call.store.users.list(by_last_login=True))
    return items(await call.store.users.list_organization(organization_id, by_last_login=True))


@endpoint(blueprint, "POST", "users")
async def create_user(call: Call) -> func.HttpResponse:
    """A new user, with ``organizationId`` also a member."""
    call.demand_admin()
    optional = ["displayName", "userType", "isPlatformAdmin", "organizationId", "entraUserId", "isActive"]
    fields = call.body(required=["email"], optional=optional)
    return document(await call.store.users.create(fields.pop("email"), **fields, created_by=call.user_id), 201)


@endpoint(blueprint, "GET", "users/{email}")
async def get_user(call: Call) -> func.HttpResponse:
    """One of them."""
    email = _own_or_admin(call)
    found = await call.store.users.get(email)
    if found is None:
        raise not_found("the user")
    return document(found)


@endpoint(blueprint, "PATCH", "users/{email}")
async def update_user(call: Call) -> func.HttpResponse:
    """Change what the body names."""
    call.demand_admin()
    fields = call.body(optional=["displayName", "isActive", "entraUserId"])
    return document(await call.store.users.update(call.path("email"), **fields, etag=call.etag))


@endpoint(blueprint, "POST", "users/{email}/promote")
async def promote_user(call: Call) -> func.HttpResponse:
    """Make a platform admin."""
    call.demand_admin()
    return document(await call.store.users.promote(call.path("email"), etag=call.etag))


@endpoint(blueprint, "POST", "users/{email}/demote")
async def demote_user(call: Call) -> func.HttpResponse:
    """Make an ordinary member of ``organizationId``."""
    call.demand_admin()
    organization_id = call.body(required=["organizationId"])["organization_id"]
    return document(await call.store.users.demote(call.path("email"), organization_id, demoted_by=call.user_id))


@endpoint(blueprint, "POST", "users/{email}/rename")
async def rename_user(call: Call) -> func.HttpResponse:
    """Move to another e-mail."""
    call.demand_admin()
    return document(await call.store.users.rename(call.path("email"), call.body(required=["newEmail"])["new_email"]))


@endpoint(blueprint, "POST", "users/{email}/login")
async def record_login(call: Call) -> func.HttpResponse:
    """Note that the user has signed in."""
    return document(await call.store.users.record_login(_own_or_admin(call)))


@endpoint(blueprint, "DELETE", "users/{email}")
async def delete_user(call: Call) -> func.HttpResponse:
    """End all memberships, then the user."""
    call.demand_admin()
    return deleted(await call.store.users.delete(call.path("email"), etag=call.etag), "the user")


@endpoint(blueprint, "GET", "users/{email}/roles")
async def get_user_roles(call: Call) -> func.HttpResponse:
    """Ids of the roles that the user has in the organization and in GLOBAL."""
    return items(await call.store.roles.of_user(call.scope, _own_or_admin(call)))


@endpoint(blueprint, "GET", "users/{email}/forms")
async def get_user_forms(call: Call) -> func.HttpResponse:
    """Names and ids of the forms that the user sees."""
    email = _own_or_admin(call)
    user = await call.store.users.get(email)
    is_admin = user is not None and user.is_platform_admin
    forms = await call.store.forms.visible_to(call.scope, email, is_platform_admin=is_admin)
    return as_json([{"id": form.id, "name": form.name, "isGlobal": form.scope == GLOBAL} for form in forms])


def _own_or_admin(call: Call) -> str:
    email = call.path("email")
    if not call.is_admin and call.user_id != email:
        raise forbidden("only admins see other users")
    return email
