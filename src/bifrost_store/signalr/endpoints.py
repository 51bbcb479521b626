"""Where clients connect: negotiate, the socket and, if offered, polls. The hub and the local service share it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bifrost_store.signalr import websockets
from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.polling import Polling
from bifrost_store.signalr.receiving import Receiver
from bifrost_store.signalr.switchboard import Refusal, Switchboard
from bifrost_store.signalr.tokens import InvalidTokenError, Opening, Tokens

_WEB_SOCKETS: Final = {"transport": "WebSockets", "transferFormats": ["Text"]}
_LONG_POLLING: Final = {"transport": "LongPolling", "transferFormats": ["Text"]}
_GONE_SECONDS: Final = 1
_UNKNOWN: Final = "The connection is unknown, or was opened too late; negotiate again."


class Endpoints:
    """Answers clients that have shown who they are.

    Args:
        switchboard: Who is connected.
        receiver: Takes what they send.
        tokens: Signs connection tokens.
        sticky: Whether each request of a client reaches the same process, so that polling can be offered.
    """

    def __init__(self, switchboard: Switchboard, receiver: Receiver, tokens: Tokens, *, sticky: bool) -> None:
        self._switchboard = switchboard
        self._receiver = receiver
        self._tokens = tokens
        self._polling = Polling(switchboard, receiver, self._opening) if sticky else None

    def negotiated(self, request: Request, user_id: str, ends_at: float) -> Response:
        """Answer a client's negotiation. Nothing is kept for it: what it gets is signed."""
        limits = self._switchboard.limits
        try:
            self._switchboard.check_room(user_id)
        except Refusal as refusal:
            if refusal.reason is Reason.STOPPING:
                raise
            self._switchboard.teller.refused(refusal.reason)
            return private({"error": refusal.text})
        id, token = self._tokens.connection_token(user_id, seconds=limits.ticket_seconds, ends_at=ends_at)
        is_new = request.query_params.get("negotiateVersion", "0") not in ("", "0")
        identity = {"negotiateVersion": 1, "connectionId": id, "connectionToken": token}
        transports = [_WEB_SOCKETS] if self._polling is None else [_WEB_SOCKETS, _LONG_POLLING]
        answer = identity if is_new else {"negotiateVersion": 0, "connectionId": token}
        return private({**answer, "availableTransports": transports})

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket."""
        try:
            connection = self._switchboard.admit(self._opening(take_id(scope)), "WebSockets")
        except Refusal as refusal:
            await self.deny(refusal, scope, receive, send)
            return
        await receive()
        await websockets.serve(self._switchboard, self._receiver, connection, receive, send)

    async def request(self, request: Request) -> Response:
        """Answer a poll, what a polling client sends, or its end."""
        token = take_id(request.scope)
        if self._polling is None:
            return Response("This hub has WebSockets alone.", 405)
        return await self._polling.answer(request, token)

    async def deny(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a WebSocket before it is one."""
        self._switchboard.teller.refused(refusal.reason)
        scope["query_string"] = b""
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(refusal.text))]
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": refusal.text.encode()})
        with contextlib.suppress(TimeoutError):  # uvicorn writes an error to its log unless the socket is gone by the return
            async with asyncio.timeout(_GONE_SECONDS):
                await receive()
                await receive()

    def _opening(self, token: str) -> Opening:
        try:
            return self._tokens.read_connection_token(token)
        except InvalidTokenError:
            raise Refusal(Reason.TOKEN, 404, _UNKNOWN) from None


def bearer(scope: Scope) -> str:
    """Return the token that a request carries in its header, or ""."""
    kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def access_token(scope: Scope) -> str:
    """Return the token of a WebSocket: in its header, or, as browsers can set none, in its query."""
    query: dict[str, list[str]] = parse_qs(scope["query_string"].decode("latin-1"))
    return bearer(scope) or query.get("access_token", [""])[-1]


def take_id(scope: Scope) -> str:
    """Return the connection token of a request, and remove it and any access token from where servers log it."""
    query: dict[str, list[str]] = parse_qs(scope["query_string"].decode("latin-1"))
    scope["query_string"] = b""
    return query.get("id", [""])[-1]


def private(body: dict[str, Any]) -> Response:
    """Return JSON that nobody may keep."""
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
