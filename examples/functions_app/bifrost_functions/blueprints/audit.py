"""Audit events."""

from __future__ import annotations

import azure.functions as func

from bifrost_functions.answers import endpoint, items
from bifrost_functions.call import Call
from bifrost_functions.refusals import bad_request

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "audit")
async def list_audit_events(call: Call) -> func.HttpResponse:
    """Events of the scope from ``since`` to ``until``, the newest first; of one kind with ``eventType``."""
    call.demand_admin()
    since = call.moment("since")
    if since is None:
        raise bad_request("since: must be given")
    until, event_type = call.moment("until"), call.query("eventType")
    return items(await call.store.audit.list(call.scope, since=since, until=until, event_type=event_type, **call.page()))
