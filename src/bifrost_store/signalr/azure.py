"""`AzureSignalR`: sends to clients of Azure SignalR Service, in its serverless mode."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import jwt
from typing_extensions import override

from bifrost_store.signalr import wire
from bifrost_store.signalr.account import Account, AsyncCredential
from bifrost_store.signalr.errors import ConnectionNotFoundError, InvalidMessageError, MessageTooLargeError
from bifrost_store.signalr.names import check_name
from bifrost_store.signalr.rest import RestClient
from bifrost_store.signalr.sender import Negotiation, Sender

_T = TypeVar("_T")
_MAX_BODY_BYTES: Final = 1_000_000
"""Source: https://learn.microsoft.com/azure/azure-signalr/signalr-quickstart-rest-api (1 MB)"""
_MAX_TOKEN_BYTES: Final = 4_096
_LISTS: Final = "2024-12-01"
"""The first version of the interface that lists a group's connections."""
_REMEMBERED_OWNERS: Final = 10_000


class AzureSignalR(Sender):
    """A client of Azure SignalR Service's REST interface, for one hub.

    Its methods may be called on any thread's event loop; requests are made on that of the first call. Joining, leaving and
    asking are tried again after transient failures; a message only where it surely did not arrive: after 429, 503, or where
    there was no connection. A client of the service that calls methods is disconnected: serverless clients only listen.

    Args:
        connection_string: As the portal shows it, with an access key; or without one and with a *credential*.
        endpoint: In place of a connection string, with a *credential*: ``https://<name>.service.signalr.net``.
        credential: An asynchronous credential of ``azure-identity`` that has the role *SignalR REST API Owner*.
        hub: The hub's name: a letter, then letters, digits and ``_``.
        token_seconds: How long what `negotiate` returns may be used.
        timeout_seconds: How long one request may take.
        max_wait_seconds: How long to wait at most where the service says when to come back; beyond that `ThrottledError`
            is raised at once, and so it is by calls until then.
    """

    def __init__(
        self,
        connection_string: str | None = None,
        *,
        endpoint: str | None = None,
        credential: AsyncCredential | None = None,
        hub: str = "hub",
        token_seconds: float = 3_600,
        timeout_seconds: float = 10,
        max_wait_seconds: float = 5,
    ) -> None:
        self._account = Account.of(connection_string, endpoint, credential)
        self._hub = _checked_hub(hub)
        self._token_seconds = token_seconds
        self._rest = RestClient(self._account, timeout_seconds, max_wait_seconds)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections to the service."""
        await self._here(self._rest.aclose())

    @override
    async def send_to_all(self, target: str, *arguments: object) -> None:
        await self._send("", target, arguments)

    @override
    async def send_to_group(self, group: str, target: str, *arguments: object) -> None:
        await self._send(f"/groups/{_part('group', group)}", target, arguments)

    @override
    async def send_to_user(self, user_id: str, target: str, *arguments: object) -> None:
        await self._send(f"/users/{_part('user', user_id)}", target, arguments)

    @override
    async def send_to_connection(self, connection_id: str, target: str, *arguments: object) -> None:
        try:
            await self._send(f"/connections/{_part('connection', connection_id)}", target, arguments)
        except ConnectionNotFoundError:
            return

    @override
    async def add_to_group(self, connection_id: str, group: str) -> None:
        await self._ask("PUT", f"/groups/{_part('group', group)}/connections/{_part('connection', connection_id)}")

    @override
    async def remove_from_group(self, connection_id: str, group: str) -> None:
        await self._unless_gone("DELETE", f"/groups/{_part('group', group)}/connections/{_part('connection', connection_id)}")

    @override
    async def close_connection(self, connection_id: str, reason: str | None = None) -> None:
        query = {} if reason is None else {"reason": reason}
        await self._unless_gone("DELETE", f"/connections/{_part('connection', connection_id)}", query)

    @override
    async def is_connection_of(self, connection_id: str, user_id: str) -> bool:
        """Return whether a connection is a user's; False too where it is not there.

        The service has no request for that. The connection is put into a group that nobody else knows, which is then
        listed, and left: three requests for a connection that was not asked about before.
        """
        check_name("user", user_id)
        connection = _part("connection", connection_id)
        owner = self._owners.get(connection_id)
        if owner is None:
            group = f"/groups/owner-{secrets.token_hex(16)}/connections"
            try:
                await self._ask("PUT", f"{group}/{connection}")
            except ConnectionNotFoundError:
                return False
            try:
                listed = await self._ask("GET", group, version=_LISTS)
            finally:
                await self._unless_gone("DELETE", f"{group}/{connection}")
            owner = _owner(listed, connection_id)
            if owner is None:
                return False
            self._owners[connection_id] = owner
            if len(self._owners) > _REMEMBERED_OWNERS:
                self._owners.popitem(last=False)
        return owner == user_id

    @override
    async def negotiate(self, user_id: str) -> Negotiation:
        check_name("user", user_id)
        url = self._account.client_url(self._hub)
        if self._account.key is not None:
            now = int(time.time())
            claims = {"aud": url, "nameid": user_id, "iat": now, "exp": now + int(self._token_seconds)}
            token = jwt.encode(claims, self._account.key, "HS256")
        else:
            minutes = str(max(1, round(self._token_seconds / 60)))
            answer = await self._ask("POST", "/:generateToken", {"userId": user_id, "minutesToExpire": minutes}, is_safe=True)
            token = str(answer["token"])
        if len(token) > _MAX_TOKEN_BYTES:
            raise InvalidMessageError("the user's id is too long for a token of the service")
        return Negotiation(url, token)

    async def _send(self, path: str, target: str, arguments: tuple[object, ...]) -> None:
        body = wire.call(target, arguments)
        if len(body) > _MAX_BODY_BYTES:
            raise MessageTooLargeError(f"a message of {len(body)} bytes; the service takes {_MAX_BODY_BYTES}")
        await self._ask("POST", f"{path}/:send", body=body, is_safe=False)

    async def _unless_gone(self, method: str, path: str, query: dict[str, str] | None = None) -> None:
        try:
            await self._ask(method, path, query)
        except ConnectionNotFoundError:
            return

    async def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        body: bytes | None = None,
        version: str | None = None,
        is_safe: bool = True,
    ) -> Any:
        request = self._rest.request(
            method, f"/api/hubs/{self._hub}{path}", query or {}, body=body, version=version, is_safe=is_safe
        )
        return await self._here(request)

    async def _here(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run something on the event loop of the first call, as connections belong to it."""
        present = asyncio.get_running_loop()
        if self._loop is None or not self._loop.is_running():
            self._loop = present
        if self._loop is present:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def _part(kind: Any, name: str) -> str:
    return quote(check_name(kind, name), safe="")


def _owner(listed: Any, connection_id: str) -> str | None:
    found = listed.get("value", []) if isinstance(listed, dict) else []
    return next((one.get("userId") for one in found if one.get("connectionId") == connection_id), None)


def _checked_hub(hub: str) -> str:
    is_good = hub.isascii() and hub[:1].isalpha() and hub.replace("_", "a").isalnum() and len(hub) <= 128
    if not is_good:
        raise ValueError(f"a hub's name is a letter, then letters, digits and '_', up to 128; not {hub!r}")
    return hub.lower()
