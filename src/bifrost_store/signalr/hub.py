"""`Hub`: a SignalR hub as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.counters import Counters, Reason
from bifrost_store.signalr.endpoints import Endpoints, bearer, private
from bifrost_store.signalr.errors import InvalidMessageError, UnavailableError
from bifrost_store.signalr.gate import LOCAL_HOSTS, Gate
from bifrost_store.signalr.limits import Limits
from bifrost_store.signalr.methods import Method, Methods
from bifrost_store.signalr.names import check_name
from bifrost_store.signalr.receiving import Receiver
from bifrost_store.signalr.sender import Negotiation, Sender
from bifrost_store.signalr.switchboard import Refusal, Switchboard
from bifrost_store.signalr.telemetry import MeterProvider, observe
from bifrost_store.signalr.tokens import InvalidTokenError, Tokens

_log = logging.getLogger("bifrost_store.signalr")
_T = TypeVar("_T")
_LONGEST_TICKET: Final = 2_048
_CONNECT: Final = "/connect"
_HEADERS: Final = ("authorization", "x-requested-with", "x-signalr-user-agent")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks to connect, and until when that is known, in seconds since 1970; None: as long as a connection may last."""

    user_id: str
    expires_at: float | None = None


Authenticate = Callable[[Request], Awaitable[Principal | str | None]]
Hook = Callable[[Connection], Awaitable[None]]


class Hub(Sender):
    """A SignalR hub for the clients ``@microsoft/signalr``, .NET and others, over the JSON protocol.

    An ASGI application: mount it in FastAPI or Starlette, or serve it alone. A client connects to where it is mounted. Each
    process serves its own connections; sending reaches those of this process. Methods of `Sender` may be called on any
    thread's event loop.

    Args:
        authenticate: Says who a request to negotiate comes from, or None, which is answered 401. Without it, clients
            connect only by what `negotiate` returned.
        key: What tickets and connections are signed with, 32 bytes at least. Processes behind one address need the same;
            by default each process makes its own.
        name: Tells hubs with the same key apart.
        public_url: Where clients reach the hub, where that is not what a request says: behind a proxy that changes it.
        allowed_hosts: Host names by which the hub may be called, beside that of *public_url*; by default this machine's. ``*``
            where something in front of it has checked.
        allowed_origins: Origins of pages that may use the hub, beside those that the hub's own host serves.
        sticky: Whether each request of a client reaches the same process, as with one process it does. Only then clients
            that cannot use WebSockets may poll.
        limits: Bounds for clients.
        meter_provider: Where metrics go; by default OpenTelemetry's global one.
    """

    def __init__(
        self,
        authenticate: Authenticate | None = None,
        *,
        key: bytes | str | None = None,
        name: str = "hub",
        public_url: str | None = None,
        allowed_hosts: Sequence[str] = LOCAL_HOSTS,
        allowed_origins: Sequence[str] = (),
        sticky: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        meter_provider: MeterProvider | None = None,
    ) -> None:
        hosts = [*allowed_hosts, *([urlsplit(public_url).netloc] if public_url else [])]
        self._authenticate = authenticate
        self._public_url = public_url.rstrip("/") if public_url else None
        self._limits = limits
        self._gate = Gate(hosts, allowed_origins)
        key = key.encode() if isinstance(key, str) else key
        self._tokens = Tokens(secrets.token_bytes(32) if key is None else key, name)
        self._switchboard = Switchboard(limits, lambda connection: self._tell(self._on_disconnected, connection))
        observe(self._switchboard.counters, name, meter_provider)
        self._methods = Methods(self._switchboard)
        receiver = Receiver(self._switchboard, self._methods, lambda connection: self._tell(self._on_connected, connection))
        self._endpoints = Endpoints(self._switchboard, receiver, self._tokens, sticky=sticky)
        self._on_connected: list[Hook] = []
        self._on_disconnected: list[Hook] = []
        self._hooks: set[asyncio.Task[None]] = set()
        self._app: ASGIApp = CORSMiddleware(
            self._serve,
            allow_origins=self._gate.origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_HEADERS,
            allow_credentials=True,
        )

    # What an application says of it

    def on(self, name: str) -> Callable[[Method], Method]:
        """Decorate an async function that clients may call by *name*; it takes the `Connection` and their arguments.

        Arguments are whatever JSON a client sent: check them. What it returns is the client's result, what it raises
        an error without details, unless it is a `HubError`. Calls of one client run one after another.
        """

        def decorate(method: Method) -> Method:
            self._methods.add(name, method)
            return method

        return decorate

    def on_connected(self, hook: Hook) -> Hook:
        """Decorate an async function to be called with each new connection."""
        self._on_connected.append(hook)
        return hook

    def on_disconnected(self, hook: Hook) -> Hook:
        """Decorate an async function to be called with each connection that has ended."""
        self._on_disconnected.append(hook)
        return hook

    @property
    def counters(self) -> Counters:
        """What happened so far in this process."""
        return self._switchboard.counters

    def connections(self) -> list[Connection]:
        """Return the connections of this process."""
        return self._switchboard.connections()

    def groups(self) -> Collection[str]:
        """Return the groups that connections of this process are in."""
        return self._switchboard.groups()

    # Sender

    @override
    async def send_to_all(self, target: str, *arguments: object) -> None:
        record = self._switchboard.record(target, arguments)
        await self._here(lambda: self._switchboard.send(self._switchboard.connections(), *record))

    @override
    async def send_to_group(self, group: str, target: str, *arguments: object) -> None:
        check_name("group", group)
        record = self._switchboard.record(target, arguments)
        await self._here(lambda: self._switchboard.send(self._switchboard.in_group(group), *record))

    @override
    async def send_to_user(self, user_id: str, target: str, *arguments: object) -> None:
        check_name("user", user_id)
        record = self._switchboard.record(target, arguments)
        await self._here(lambda: self._switchboard.send(self._switchboard.of_user(user_id), *record))

    @override
    async def send_to_connection(self, connection_id: str, target: str, *arguments: object) -> None:
        record = self._switchboard.record(target, arguments)

        def send() -> None:
            connection = self._switchboard.find(connection_id)
            self._switchboard.send([] if connection is None else [connection], *record)

        await self._here(send)

    @override
    async def add_to_group(self, connection_id: str, group: str) -> None:
        check_name("group", group)
        await self._here(lambda: self._switchboard.join(self._switchboard.get(connection_id), group))

    @override
    async def remove_from_group(self, connection_id: str, group: str) -> None:
        check_name("group", group)

        def leave() -> None:
            connection = self._switchboard.find(connection_id)
            if connection is not None:
                self._switchboard.leave(connection, group)

        await self._here(leave)

    @override
    async def close_connection(self, connection_id: str, reason: str | None = None) -> None:
        def close() -> None:
            connection = self._switchboard.find(connection_id)
            if connection is not None:
                self._switchboard.close(connection, reason)

        await self._here(close)

    @override
    async def is_connection_of(self, connection_id: str, user_id: str) -> bool:
        return self._tokens.is_connection_of(connection_id, user_id)

    @override
    async def negotiate(self, user_id: str, *, url: str | None = None, expires_at: float | None = None) -> Negotiation:
        """Return what a client of this user connects with.

        Args:
            user_id: Whose connection it will be.
            url: Where clients reach the hub, if it was not made with a *public_url*.
            expires_at: When the connection is to end, in seconds since 1970; at most an hour from now.

        Raises:
            ValueError: Neither is known.
        """
        base = url or self._public_url
        if base is None:
            raise ValueError("where clients reach the hub is not known: give it a public_url, or negotiate a url")
        check_name("user", user_id)
        limits, now = self._limits, time.time()
        ends_at = min(now + limits.connection_seconds, expires_at or float("inf"))
        ticket = self._tokens.ticket(user_id, seconds=min(limits.ticket_seconds, ends_at - now), ends_at=ends_at)
        if len(ticket) > _LONGEST_TICKET:
            raise InvalidMessageError("the user's id is too long to stand in addresses")
        return Negotiation(base.rstrip("/") + _CONNECT, ticket)

    async def invoke(self, connection_id: str, target: str, *arguments: object, timeout_seconds: float = 30) -> Any:
        """Call *target* at one client of this process and return its result. Call it on the hub's own event loop.

        Raises:
            ConnectionNotFoundError: The client is not there.
            InvocationError: It answered with an error, not in time, or ended before.
        """
        return await self._methods.ask(self._switchboard.get(connection_id), target, arguments, timeout_seconds)

    # Life

    async def stop(self) -> None:
        """Close every connection, so that clients reconnect elsewhere; takes as long as the slowest, 5 s by default at most."""
        await self._switchboard.stop()

    async def __aenter__(self) -> Self:
        self._switchboard.is_stopping = False
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Hold the hub open as long as an application runs: ``FastAPI(lifespan=hub.lifespan)``."""
        async with self:
            yield

    # ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, a WebSocket, or, where it is served alone, the server's start and stop."""
        if scope["type"] == "websocket":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.__aenter__()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/")
        is_socket = scope["type"] == "websocket"
        try:
            self._gate.check(Headers(scope=scope))
            if is_socket and path == _CONNECT:
                await self._endpoints.socket(scope, receive, send)
                return
            if is_socket:
                raise Refusal(Reason.TOKEN, 404, "Negotiate first.")
            response = await self._answer(Request(scope, receive), path)
        except Refusal as refusal:
            if is_socket:
                await self._endpoints.deny(refusal, scope, receive, send)
                return
            scope["query_string"] = b""
            self._switchboard.teller.refused(refusal.reason)
            response = Response(refusal.text, refusal.status, media_type="text/plain")
        await response(scope, receive, send)

    async def _answer(self, request: Request, path: str) -> Response:
        if path == _CONNECT:
            return await self._endpoints.request(request)
        if path not in ("/negotiate", f"{_CONNECT}/negotiate"):
            return Response("Not found.", 404)
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        if path == "/negotiate":
            return await self._redirect(request)
        try:
            user_id, ends_at = self._tokens.read_ticket(bearer(request.scope))
        except InvalidTokenError:
            raise Refusal(Reason.TICKET, 401, "The ticket is not valid; negotiate again.") from None
        return self._endpoints.negotiated(request, user_id, ends_at)

    async def _redirect(self, request: Request) -> Response:
        found = None if self._authenticate is None else await self._authenticate(request)
        principal = Principal(found) if isinstance(found, str) else found
        if principal is None or not principal.user_id:
            raise Refusal(Reason.UNAUTHENTICATED, 401, "Who asks is not known.")
        here = f"{request.url.scheme}://{request.headers['host']}{request.scope.get('root_path', '')}"
        try:
            negotiation = await self.negotiate(principal.user_id, url=self._public_url or here, expires_at=principal.expires_at)
        except InvalidMessageError as error:
            raise Refusal(Reason.UNAUTHENTICATED, 401, str(error)) from None
        answer = {"url": negotiation.url, "accessToken": negotiation.access_token}
        return private({"negotiateVersion": 0, **answer, "availableTransports": []})

    # Within

    def _tell(self, hooks: list[Hook], connection: Connection) -> None:
        for hook in hooks:
            task = asyncio.get_running_loop().create_task(_guarded(hook, connection))
            self._hooks.add(task)
            task.add_done_callback(self._hooks.discard)

    async def _here(self, action: Callable[[], _T]) -> _T:
        """Run something on the event loop of the connections; where there are none yet, on this one."""
        loop = self._switchboard.loop
        if loop is None or loop is asyncio.get_running_loop() or loop.is_closed():
            return action()

        async def run() -> _T:
            return action()

        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), loop))
        except RuntimeError as error:
            raise UnavailableError("the hub's event loop has ended") from error


async def _guarded(hook: Hook, connection: Connection) -> None:
    try:
        await hook(connection)
    except Exception:  # noqa: BLE001 - a hook's mistake must not touch others
        _log.exception("signalr.hook_failed")
