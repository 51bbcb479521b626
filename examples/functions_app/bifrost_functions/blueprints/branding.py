"""Branding: a colour and two logos."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, file
from bifrost_functions.call import Call
from bifrost_functions.refusals import bad_request, not_found
from bifrost_store import LogoShape, Scope

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "branding", is_open=True)
async def get_branding(call: Call) -> func.HttpResponse:
    """The scope's, else GLOBAL's, else nothing set."""
    return document(await call.store.branding.get(call.scope))


@endpoint(blueprint, "PUT", "branding")
async def set_branding(call: Call) -> func.HttpResponse:
    """Set the colour."""
    call.demand_admin()
    fields = call.body(required=["primaryColor"])
    return document(await call.store.branding.set(call.scope, **fields, updated_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "PUT", "branding/logo/{shape}")
async def save_logo(call: Call) -> func.HttpResponse:
    """Store the body as a logo."""
    call.demand_admin()
    content, content_type = call.request.get_body(), call.header("Content-Type") or ""
    branding = await call.store.branding.save_logo(call.scope, _shape(call), content, content_type, updated_by=call.user_id)
    return document(branding)


@endpoint(blueprint, "DELETE", "branding/logo/{shape}")
async def delete_logo(call: Call) -> func.HttpResponse:
    """Remove the scope's own."""
    call.demand_admin()
    return deleted(await call.store.branding.delete_logo(call.scope, _shape(call), updated_by=call.user_id), "the logo")


@endpoint(blueprint, "GET", "branding/logo-proxy/{owner}/{shape}", is_open=True)
async def get_logo(call: Call) -> func.HttpResponse:
    """A logo, under the address that a branding names."""
    logo = await call.store.branding.read_logo(Scope.from_partition_key(call.path("owner")), _shape(call))
    if logo is None:
        raise not_found("the logo")
    return file(logo.content, logo.content_type, {"Cache-Control": "public, max-age=300"})


def _shape(call: Call) -> LogoShape:
    try:
        return LogoShape(call.path("shape"))
    except ValueError:
        raise bad_request("a logo is square or rectangle") from None
