"""Watching runs: where a browser connects to, and what it is told of. Registered where real time is on.

Clients are given ``/api/signalr`` as the address of their hub. It is Azure SignalR Service that they are sent to.
"""

from __future__ import annotations

import azure.functions as func

from bifrost_functions import opened
from bifrost_functions.answers import as_json, endpoint, nothing
from bifrost_functions.call import Call
from bifrost_functions.refusals import bad_request
from bifrost_store import Scope
from bifrost_store.realtime import Principal

blueprint = func.Blueprint()


@endpoint(blueprint, "POST", "signalr/negotiate")
async def negotiate(call: Call) -> func.HttpResponse:
    """Say where to connect to, with a ticket that is the caller's alone."""
    found = await (await opened.realtime()).watchers.negotiate(_principal(call))
    return as_json({"url": found.url, "accessToken": found.access_token})


@endpoint(blueprint, "POST", "signalr/join")
async def join(call: Call) -> func.HttpResponse:
    """Let a connection of the caller's watch a run, or without ``executionId`` the scope's list of runs."""
    connection_id, scope, execution_id = _wanted(call)
    watch = await (await opened.realtime()).watchers.join(_principal(call), connection_id, scope, execution_id)
    return as_json({"scope": watch.scope.value, "view": watch.view.value, "isLive": watch.is_live, "grant": watch.grant})


@endpoint(blueprint, "POST", "signalr/leave")
async def leave(call: Call) -> func.HttpResponse:
    """Let it watch no more; ``scope`` as the answer to joining named it."""
    connection_id, scope, execution_id = _wanted(call)
    await (await opened.realtime()).watchers.leave(_principal(call), connection_id, scope, execution_id)
    return nothing()


def _principal(call: Call) -> Principal:
    return Principal(call.user_id, call.scope, is_administrator=call.is_admin)


def _wanted(call: Call) -> tuple[str, Scope, str | None]:
    body = call.body(required=["connectionId", "scope"], optional=["executionId"])
    connection_id, scope, execution_id = body["connection_id"], body["scope"], body.get("execution_id")
    if not (isinstance(connection_id, str) and isinstance(scope, str) and isinstance(execution_id, str | None)):
        raise bad_request("connectionId, scope and executionId: must be texts")
    return connection_id, Scope(scope), execution_id
