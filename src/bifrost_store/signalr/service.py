"""`LocalService`: a stand-in of Azure SignalR Service in serverless mode, for tests and development.

It checks what Microsoft's emulator does not: audience and expiry of every token. Run it with
``python -m bifrost_store.signalr --port 8888``.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.endpoints import Endpoints, access_token, bearer
from bifrost_store.signalr.limits import Limits
from bifrost_store.signalr.receiving import Receiver
from bifrost_store.signalr.room import HUB, Room
from bifrost_store.signalr.service_rest import Rest, ServiceError
from bifrost_store.signalr.switchboard import Refusal
from bifrost_store.signalr.tokens import InvalidTokenError, Tokens, decoded

ACCESS_KEY: Final = base64.b64encode(b"the key of the local SignalR service, no secret!").decode()
_LIFETIME_SECONDS: Final = 3_600
_HEADERS: Final = ("authorization", "x-requested-with", "x-signalr-user-agent")
_LIMITS: Final = Limits(connections_per_user=5_000, groups_per_connection=10_000)


class LocalService:
    """An ASGI application. Clients of its hubs may only listen: one that calls a method is closed, as by the service.

    Args:
        access_key: What clients and requests are signed with.
        identity_tokens: Bearer tokens that are taken in place of a signature, as those of Microsoft Entra ID are.
        limits: Bounds for clients.
    """

    def __init__(
        self,
        access_key: str = ACCESS_KEY,
        *,
        identity_tokens: Collection[str] = (),
        limits: Limits = _LIMITS,
    ) -> None:
        self._key = access_key
        self._limits = limits
        self._rooms: dict[str, Room] = {}
        self._doors: dict[str, Endpoints] = {}
        self._rest = Rest(access_key, identity_tokens, self.room)
        self._app: ASGIApp = CORSMiddleware(
            self._serve,
            allow_origins=["*"],
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_HEADERS,
            allow_credentials=True,
        )

    def connection_string(self, endpoint: str) -> str:
        """Return what `AzureSignalR` takes, where the service is served at *endpoint*."""
        return f"Endpoint={endpoint};AccessKey={self._key};Version=1.0;"

    def room(self, hub: str) -> Room:
        """Return who is connected to a hub."""
        if hub not in self._rooms:
            room = self._rooms[hub] = Room(self._limits)
            tokens = Tokens(hashlib.sha256(self._key.encode()).digest(), hub)
            self._doors[hub] = Endpoints(room.switchboard, Receiver(room.switchboard, None, room.opened), tokens, sticky=True)
        return self._rooms[hub]

    async def stop(self) -> None:
        """Close every client, with leave to reconnect."""
        for room in self._rooms.values():
            await room.switchboard.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket, or a server's start and stop."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/api/"):
            await (await self._rest.answer(Request(scope, receive)))(scope, receive, send)
            return
        hub = Request({**scope, "type": "http"}).query_params.get("hub", "").lower()
        if HUB.fullmatch(hub) is None or not scope["path"].startswith("/client/"):
            await _not_found(scope, receive, send)
            return
        self.room(hub)
        door = self._doors[hub]
        try:
            await self._client(door, hub, scope, receive, send)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await door.deny(refusal, scope, receive, send)
            else:
                await Response(refusal.text, refusal.status, media_type="text/plain")(scope, receive, send)

    async def _client(self, door: Endpoints, hub: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            self._user_of(access_token(scope), hub, scope)
            await door.socket(scope, receive, send)
            return
        request = Request(scope, receive)
        user_id = self._user_of(bearer(scope), hub, scope)
        if scope["path"].rstrip("/") == "/client/negotiate" and request.method == "POST":
            response = door.negotiated(request, user_id, time.time() + _LIFETIME_SECONDS)
        else:
            response = await door.request(request)
        await response(scope, receive, send)

    def _user_of(self, token: str, hub: str, scope: Scope) -> str:
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        url = f"{scheme}://{Headers(scope=scope).get('host', '')}/client/?hub={hub}"
        try:
            claims = decoded(token, self._key, url, {"require": ["exp", "aud"]})
        except InvalidTokenError:
            raise Refusal(Reason.TICKET, 401, "The access token is not valid for this hub.") from None
        return str(claims.get("nameid") or claims.get("asrs.s.uid") or claims.get("sub") or "")


async def _live(receive: Receive, send: Send) -> None:
    for done in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{done}.complete"})


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        error = ServiceError(404, "NotFound", "There is no such address.")
        await error.response()(scope, receive, send)
