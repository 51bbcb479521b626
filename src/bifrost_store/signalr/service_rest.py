"""The REST interface of the local service, as far as serverless applications use it.

Source: https://learn.microsoft.com/azure/azure-signalr/swagger/signalr-data-plane-rest-v20220601 and later versions
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import unquote

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.endpoints import bearer
from bifrost_store.signalr.errors import SignalRError
from bifrost_store.signalr.names import check_name
from bifrost_store.signalr.room import HUB, Room
from bifrost_store.signalr.tokens import InvalidTokenError, decoded

_MAX_BODY_BYTES: Final = 1_048_576
_YEAR_SECONDS: Final = 31_536_000
_VERSIONS: Final = {"2022-06-01", "2022-11-01", "2023-07-01", "2024-12-01"}
_LISTS_SINCE: Final = "2024-12-01"


class ServiceError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self._status, self._code = status, code

    def response(self) -> Response:
        """Return it as the service writes it."""
        body: dict[str, Any] = {"code": self._code, "message": str(self), "target": None, "details": [], "inner": None}
        return JSONResponse(body, self._status, headers={"x-ms-error-code": self._code})


Handler = Callable[["_Call"], Response]


class _Call:
    def __init__(self, request: Request, room: Room, names: list[str], body: bytes) -> None:
        self.request, self.room, self.names, self.body = request, room, names, body

    @property
    def version(self) -> str:
        return str(self.request.query_params.get("api-version"))

    def connection(self, code: str = "Error.Connection.NotExisted") -> Connection:
        found = self.room.switchboard.find(self.names[-1])
        if found is None or not found.is_open:
            raise ServiceError(404, code, "There is no such connection.")
        return found

    def message(self) -> tuple[str, int]:
        try:
            body = json.loads(self.body, parse_constant=_refuse)
            return self.room.switchboard.record(body["target"], body["arguments"])
        except (ValueError, KeyError, TypeError, RecursionError, SignalRError):
            raise ServiceError(400, "Error.BadRequest", "The body is no message.") from None


class Rest:
    """Answers requests.

    Args:
        key: What they are signed with.
        identity_tokens: What passes in place of a signature.
        room: Finds a hub.
    """

    def __init__(self, key: str, identity_tokens: Collection[str], room: Callable[[str], Room]) -> None:
        self._key = key
        self._identity_tokens = frozenset(identity_tokens)
        self._room = room

    async def answer(self, request: Request) -> Response:
        """Answer one; never raises."""
        try:
            return await self._answer(request)
        except ServiceError as error:
            return error.response()

    async def _answer(self, request: Request) -> Response:
        path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
        if path == "/api/health":
            return Response(status_code=200)
        self._authorize(request, path)
        if request.query_params.get("api-version") not in _VERSIONS:
            raise ServiceError(400, "Error.BadRequest", "The version of the interface is not known.")
        for method, pattern, handler in _ROUTES:
            found = pattern.fullmatch(path)
            if found is not None and method == request.method:
                hub, *names = [unquote(one) for one in found.groups()]
                if HUB.fullmatch(hub) is None:
                    raise ServiceError(400, "Error.BadRequest", "A hub is named by a letter, then letters, digits and '_'.")
                call = _Call(request, self._room(hub.lower()), names, await _body(request))
                return self._token(call, hub.lower()) if handler is _generate_token else handler(call)
        raise ServiceError(404, "NotFound", "There is no such address.")

    def _authorize(self, request: Request, path: str) -> None:
        token = bearer(request.scope)
        if token in self._identity_tokens:
            return
        url = f"{request.url.scheme}://{request.headers.get('host', '')}{path}"
        with_query = f"{url}?{request.url.query}"
        try:
            decoded(token, self._key, [url, with_query], {"require": ["exp", "aud"]})
        except InvalidTokenError as error:
            raise ServiceError(401, "Unauthorized", f"The token of the request is not valid: {error}.") from None

    def _token(self, call: _Call, hub: str) -> Response:
        query, now = call.request.query_params, int(time.time())
        url = f"{call.request.url.scheme}://{call.request.headers['host']}/client/?hub={hub}"
        claims = {"aud": url, "exp": now + 60 * _number("minutesToExpire", query.get("minutesToExpire", "60"), 1_440)}
        if "userId" in query:
            claims["nameid"] = query["userId"]
        return JSONResponse({"token": jwt.encode(claims, self._key, "HS256")})


def _generate_token(call: _Call) -> Response:
    raise AssertionError("needs the key")


def _send(members: Callable[[_Call], Collection[Connection]]) -> Handler:
    def handle(call: _Call) -> Response:
        record = call.message()
        excluded = set(call.request.query_params.getlist("excluded"))
        call.room.switchboard.send([one for one in members(call) if one.id not in excluded], *record)
        return Response(status_code=202)

    return handle


def _close_all(members: Callable[[_Call], Collection[Connection]]) -> Handler:
    def handle(call: _Call) -> Response:
        excluded = set(call.request.query_params.getlist("excluded"))
        for one in [one for one in members(call) if one.id not in excluded]:
            call.room.switchboard.close(one, call.request.query_params.get("reason"))
        return Response(status_code=204)

    return handle


def _is_there(members: Callable[[_Call], Collection[Connection]], code: str) -> Handler:
    def handle(call: _Call) -> Response:
        if not any(one.is_open for one in members(call)):
            raise ServiceError(404, code, "There is nobody.")
        return Response(status_code=200)

    return handle


def _all(call: _Call) -> Collection[Connection]:
    return call.room.switchboard.connections()


def _in_group(call: _Call) -> Collection[Connection]:
    return list(call.room.switchboard.in_group(_name("group", call.names[-1])))


def _of_user(call: _Call) -> Collection[Connection]:
    return list(call.room.switchboard.of_user(_name("user", call.names[-1])))


def _one(call: _Call) -> Collection[Connection]:
    found = call.room.switchboard.find(call.names[-1])
    return [] if found is None else [found]


def _join(call: _Call) -> Response:
    call.room.switchboard.join(call.connection(), _name("group", call.names[0]))
    return Response(status_code=200)


def _leave(call: _Call) -> Response:
    call.room.switchboard.leave(call.connection(), _name("group", call.names[0]))
    return Response(status_code=200)


def _leave_all(call: _Call) -> Response:
    connection = call.connection()
    for group in list(connection.groups):
        call.room.switchboard.leave(connection, group)
    return Response(status_code=200)


def _close(call: _Call) -> Response:
    connection = call.connection("Warning.Connection.NotExisted")
    call.room.switchboard.close(connection, call.request.query_params.get("reason"))
    return Response(status_code=204)


def _list(call: _Call) -> Response:
    if call.version < _LISTS_SINCE:
        raise ServiceError(404, "NotFound", "There is no such address in this version.")
    listed = [{"connectionId": one.id, "userId": one.user_id or None} for one in _in_group(call)]
    return JSONResponse({"value": listed, "nextLink": None})


def _user_joins(call: _Call) -> Response:
    user_id, group = _name("user", call.names[0]), _name("group", call.names[1])
    ttl = _number("ttl", call.request.query_params.get("ttl", str(_YEAR_SECONDS)), _YEAR_SECONDS)
    call.room.add_user(user_id, group, ttl)
    return Response(status_code=200)


def _user_leaves(call: _Call) -> Response:
    call.room.remove_user(_name("user", call.names[0]), _name("group", call.names[1]) if len(call.names) > 1 else None)
    return Response(status_code=204)


def _user_is_in(call: _Call) -> Response:
    if not call.room.has_user_in(call.names[0], call.names[1]):
        raise ServiceError(404, "Info.User.NotInGroup", "The user is not in the group.")
    return Response(status_code=200)


def _name(kind: Any, name: str) -> str:
    try:
        return check_name(kind, name)
    except SignalRError as error:
        raise ServiceError(400, "Error.BadRequest", str(error)) from None


def _number(name: str, text: str, most: int) -> int:
    if not text.isdecimal() or len(text) > 10 or int(text) > most:
        raise ServiceError(400, "Error.BadRequest", f"{name} is a number up to {most}.")
    return int(text)


def _refuse(name: str) -> None:
    raise ValueError(name)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise ServiceError(413, "PayloadTooLarge", "A body has 1 MB at most.")
    return bytes(body)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("/api/hubs/([^/]+)" + path.replace("*", "([^/]+)"))


_ROUTES: Final[list[tuple[str, re.Pattern[str], Handler]]] = [
    (method, _pattern(path), handler)
    for method, path, handler in [
        ("POST", "/:send", _send(_all)),
        ("POST", "/groups/*/:send", _send(_in_group)),
        ("POST", "/users/*/:send", _send(_of_user)),
        ("POST", "/connections/*/:send", _send(_one)),
        ("POST", "/:closeConnections", _close_all(_all)),
        ("POST", "/groups/*/:closeConnections", _close_all(_in_group)),
        ("POST", "/users/*/:closeConnections", _close_all(_of_user)),
        ("POST", "/:generateToken", _generate_token),
        ("HEAD", "/connections/*", _is_there(_one, "Warning.Connection.NotExisted")),
        ("HEAD", "/groups/*", _is_there(_in_group, "Warning.Group.NotExisted")),
        ("HEAD", "/users/*", _is_there(_of_user, "Warning.User.NotExisted")),
        ("DELETE", "/connections/*", _close),
        ("DELETE", "/connections/*/groups", _leave_all),
        ("PUT", "/groups/*/connections/*", _join),
        ("DELETE", "/groups/*/connections/*", _leave),
        ("GET", "/groups/*/connections", _list),
        ("HEAD", "/users/*/groups/*", _user_is_in),
        ("PUT", "/users/*/groups/*", _user_joins),
        ("DELETE", "/users/*/groups/*", _user_leaves),
        ("DELETE", "/users/*/groups", _user_leaves),
    ]
]
