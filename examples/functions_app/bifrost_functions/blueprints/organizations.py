"""Organizations: platform admins keep them."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import forbidden, not_found

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "organizations")
async def list_organizations(call: Call) -> func.HttpResponse:
    """Those in use, or with ``activeOnly=false`` all."""
    call.demand_admin()
    return items(await call.store.organizations.list(active_only=call.flag("activeOnly", default=True)))


@endpoint(blueprint, "POST", "organizations")
async def create_organization(call: Call) -> func.HttpResponse:
    """A new tenant."""
    call.demand_admin()
    fields = call.body(required=["name"], optional=["domain", "isActive"])
    return document(await call.store.organizations.create(**fields, created_by=call.user_id), 201)


@endpoint(blueprint, "GET", "organizations/{organizationId}")
async def get_organization(call: Call) -> func.HttpResponse:
    """One of them; members see their own."""
    organization_id = call.path("organizationId")
    if not call.is_admin and call.scope.organization_id != organization_id:
        raise forbidden("this is not your organization")
    found = await call.store.organizations.get(organization_id)
    if found is None:
        raise not_found("the organization")
    return document(found)


@endpoint(blueprint, "PATCH", "organizations/{organizationId}")
async def update_organization(call: Call) -> func.HttpResponse:
    """Change what the body names."""
    call.demand_admin()
    fields = call.body(optional=["name", "domain", "isActive"])
    return document(await call.store.organizations.update(call.path("organizationId"), **fields, etag=call.etag))


@endpoint(blueprint, "DELETE", "organizations/{organizationId}")
async def delete_organization(call: Call) -> func.HttpResponse:
    """Take it out of use, or with ``hard=true`` delete its document."""
    call.demand_admin()
    organization_id = call.path("organizationId")
    if call.flag("hard", default=False):
        return deleted(await call.store.organizations.delete(organization_id, etag=call.etag), "the organization")
    return document(await call.store.organizations.deactivate(organization_id, etag=call.etag))


@endpoint(blueprint, "GET", "organizations/{organizationId}/users")
async def list_organization_users(call: Call) -> func.HttpResponse:
    """Its members, the latest login first."""
    call.demand_admin()
    return items(await call.store.users.list_organization(call.path("organizationId"), by_last_login=True))


@endpoint(blueprint, "PUT", "organizations/{organizationId}/users/{email}")
async def assign_user(call: Call) -> func.HttpResponse:
    """Make somebody a member."""
    call.demand_admin()
    membership = await call.store.users.assign(call.path("email"), call.path("organizationId"), created_by=call.user_id)
    return document(membership)


@endpoint(blueprint, "DELETE", "organizations/{organizationId}/users/{email}")
async def unassign_user(call: Call) -> func.HttpResponse:
    """End a membership."""
    call.demand_admin()
    return deleted(await call.store.users.unassign(call.path("email"), call.path("organizationId")), "the membership")
