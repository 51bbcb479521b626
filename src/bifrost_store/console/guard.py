"""What every request passes before anything else: which host it names, where it comes from, who asks."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bifrost_store.console.access import Access
from bifrost_store.console.refusals import RefusalError, refusal_of, refused
from bifrost_store.core.events import log_event
from bifrost_store.errors import StoreError

_LOGGER: Final = logging.getLogger("bifrost_store.console")
_SAFE: Final = ("GET", "HEAD")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src {connect}; "
    "frame-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Lets requests through to *app* that may pass, and tells the others why they may not.

    Args:
        open_paths: Answered without a session: the page itself, which holds nobody's data, and the exchange of the token.
        connect: Addresses that the page may speak to beside its own: those of a SignalR service.
    """

    def __init__(self, app: ASGIApp, access: Access, *, connect: tuple[str, ...] = ()) -> None:
        self._app = app
        self._access = access
        self._policy = _POLICY.format(connect=" ".join(("'self'", *connect)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(6)
        is_begun = False

        async def send_safely(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                self._add_headers(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, send_safely)
        except Exception as error:
            refusal = _refusal(error)
            if refusal.status >= 500:
                log_event(_LOGGER, logging.WARNING, "console.request_failed", error, request=request_id)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.message[:100]})
            elif is_begun:
                raise
            else:
                await answer(refusal, request_id)(scope, receive, send_safely)

    def _check(self, scope: MutableMapping[str, Any]) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self._access.hosts:
            raise RefusalError(421, "this host is not one that the console answers to; name it with --allow-host if it should be")
        origin = headers.get("origin")
        is_safe = scope["type"] == "http" and scope["method"] in _SAFE
        if not is_safe and not _is_own(origin, host):
            raise refused("the request comes from another page: its Origin is not this console's")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.startswith("/api/") and path != "/api/session":
            scope.setdefault("state", {})["principal"] = self._access.principal(host, dict(headers.items()))

    def _add_headers(self, headers: MutableHeaders, request_id: str) -> None:
        headers["x-request-id"] = request_id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", self._policy)
        headers.setdefault("cache-control", "no-store")


def answer(refusal: RefusalError, request_id: str) -> Response:
    """Return the one shape in which all that goes wrong is told."""
    told = {
        "message": refusal.message,
        "isRetryable": refusal.is_retryable,
        "retryAfterSeconds": refusal.retry_after_seconds,
        "requestId": request_id,
    }
    wait = refusal.retry_after_seconds
    headers = {} if wait is None else {"retry-after": str(max(1, round(wait)))}
    return Response(json.dumps({"error": told}), refusal.status, headers, "application/json")


def _is_own(origin: str | None, host: str) -> bool:
    """Return whether a page of this console sent it. The scheme is left out: a proxy may speak HTTPS to browsers."""
    try:
        parts = urlsplit(origin or "")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host


def _refusal(error: Exception) -> RefusalError:
    match error:
        case RefusalError():
            return error
        case StoreError():
            return refusal_of(error)
        case HTTPException():
            return RefusalError(error.status_code, error.detail)
        case _:
            return RefusalError(500, "the console failed; its log says why under the request's id")
