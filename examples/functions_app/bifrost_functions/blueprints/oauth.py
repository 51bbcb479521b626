"""OAuth connections. Secrets and tokens go to the vault; here are their names."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import deleted, document, endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import not_found
from bifrost_store import OAuthConnectionRef

blueprint = func.Blueprint()
_OPTIONAL = "authorizationUrl scopes redirectUri clientSecretRef description".split()
_REQUIRED = "oauthFlowType clientId tokenUrl".split()


@endpoint(blueprint, "GET", "oauth/connections")
async def list_oauth_connections(call: Call) -> func.HttpResponse:
    """The scope's, and GLOBAL's of other names."""
    call.demand_admin()
    return items(await call.store.oauth.list(call.scope))


@endpoint(blueprint, "POST", "oauth/connections")
async def create_oauth_connection(call: Call) -> func.HttpResponse:
    """A new connection in the scope."""
    call.demand_admin()
    fields = call.body(required=["connectionName", *_REQUIRED], optional=_OPTIONAL)
    name = fields.pop("connection_name")
    return document(await call.store.oauth.create(call.scope, name, **fields, created_by=call.user_id), 201)


@endpoint(blueprint, "GET", "oauth/connections/{connectionName}")
async def get_oauth_connection(call: Call) -> func.HttpResponse:
    """The scope's, else GLOBAL's."""
    call.demand_admin()
    found = await call.store.oauth.get(call.scope, call.path("connectionName"))
    if found is None:
        raise not_found("the connection")
    return document(found)


@endpoint(blueprint, "PATCH", "oauth/connections/{connectionName}")
async def update_oauth_connection(call: Call) -> func.HttpResponse:
    """Change what the body names."""
    call.demand_admin()
    fields = call.body(optional=[*_REQUIRED, *_OPTIONAL])
    return document(await call.store.oauth.update(_named(call), **fields, updated_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "PUT", "oauth/connections/{connectionName}/status")
async def set_oauth_status(call: Call) -> func.HttpResponse:
    """Note how far it has come."""
    call.demand_admin()
    fields = call.body(required=["status"], optional=["message"])
    return document(await call.store.oauth.set_status(_named(call), **fields, updated_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "PUT", "oauth/connections/{connectionName}/tokens")
async def set_oauth_tokens(call: Call) -> func.HttpResponse:
    """Note where the tokens lie, and until when they are good."""
    call.demand_admin()
    fields = call.body(required=["oauthResponseRef", "expiresAt"], optional=["lastRefreshAt"], times=["expiresAt", "lastRefreshAt"])
    return document(await call.store.oauth.set_tokens(_named(call), **fields, updated_by=call.user_id, etag=call.etag))


@endpoint(blueprint, "DELETE", "oauth/connections/{connectionName}")
async def delete_oauth_connection(call: Call) -> func.HttpResponse:
    """Remove the scope's own."""
    call.demand_admin()
    name = call.path("connectionName")
    return deleted(await call.store.oauth.delete(call.scope, name, etag=call.etag), "the connection")


def _named(call: Call) -> OAuthConnectionRef:
    return OAuthConnectionRef(call.scope, call.path("connectionName"))
