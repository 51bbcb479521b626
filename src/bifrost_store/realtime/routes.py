"""The three requests that let a page watch, as routes of any Starlette or FastAPI application."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bifrost_store.core.scope import Scope
from bifrost_store.documents.execution import check_execution_id
from bifrost_store.errors import InvalidKeyError, StoreError
from bifrost_store.realtime.access import Principal
from bifrost_store.realtime.watchers import Watchers, WatchRefusedError
from bifrost_store.signalr import LimitReachedError, SignalRError

PrincipalOf = Callable[[Request], Awaitable[Principal | None]]
"""Says who sends a request; None: nobody that is known."""

_MAX_BODY_BYTES: Final = 4_096


def watch_routes(watchers: Watchers, principal_of: PrincipalOf) -> list[Route]:
    """Return ``negotiate``, ``join`` and ``leave``, all POST: to be mounted where the page's hub URL points.

    ``negotiate`` answers as SignalR clients expect. The others take ``{"connectionId", "scope", "executionId"?}``; ``join``
    answers ``{"scope", "view", "isLive", "grant"}``, as `Watch` has them. 401: who asks is not known; 404: what is asked for is
    not there, or not theirs to watch.
    """

    async def negotiate(request: Request, principal: Principal) -> Response:
        found = await watchers.negotiate(principal)
        return JSONResponse({"url": found.url, "accessToken": found.access_token})

    async def join(request: Request, principal: Principal) -> Response:
        watch = await watchers.join(principal, *await _wanted(request))
        return JSONResponse({"scope": watch.scope.value, "view": watch.view.value, "isLive": watch.is_live, "grant": watch.grant})

    async def leave(request: Request, principal: Principal) -> Response:
        await watchers.leave(principal, *await _wanted(request))
        return Response(status_code=204)

    return [Route(f"/{handle.__name__}", _answered(handle, principal_of), methods=["POST"]) for handle in (negotiate, join, leave)]


class _BadRequestError(Exception):
    """The request is not as it should be."""


def _answered(
    handle: Callable[[Request, Principal], Awaitable[Response]], principal_of: PrincipalOf
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        principal = await principal_of(request)
        if principal is None:
            return _error(401, "Unauthorized", "who sends this is not known")
        try:
            return await handle(request, principal)
        except _BadRequestError as error:
            return _error(400, "BadRequest", str(error))
        except WatchRefusedError as error:
            return _error(404, "NotFound", str(error))
        except LimitReachedError as error:
            return _error(429, "LimitReached", str(error))
        except (StoreError, SignalRError) as error:
            return _error(503, type(error).__name__, "it cannot be told what happens just now; read instead, and try again")

    return answer


async def _wanted(request: Request) -> tuple[str, Scope, str | None]:
    body = await _body(request)
    if not {"connectionId", "scope"} <= body.keys() <= {"connectionId", "scope", "executionId"}:
        raise _BadRequestError("the body must have connectionId and scope, and may have executionId")
    connection_id, scope, execution_id = body["connectionId"], body["scope"], body.get("executionId")
    if not (isinstance(connection_id, str) and isinstance(scope, str) and isinstance(execution_id, str | None)):
        raise _BadRequestError("connectionId, scope and executionId must be texts")
    try:
        if execution_id is not None:
            check_execution_id(execution_id)
        return connection_id, Scope(scope), execution_id
    except InvalidKeyError as error:
        raise _BadRequestError(str(error)) from None


async def _body(request: Request) -> dict[str, Any]:
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > _MAX_BODY_BYTES:
                raise _BadRequestError(f"the body must have at most {_MAX_BODY_BYTES} bytes")
        body = _json(bytes(content))
    except ClientDisconnect:
        raise _BadRequestError("the request was not sent to its end") from None
    if not isinstance(body, dict):
        raise _BadRequestError("the body must be a JSON object")
    return body


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise _BadRequestError("the body is not JSON") from None


def _error(status: int, code: str, text: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": text}}, status)
