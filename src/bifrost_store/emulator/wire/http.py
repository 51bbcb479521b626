"""HTTP/1.1 on asyncio and httptools: requests in, answers out, nothing of Cosmos DB.

A protocol of our own in place of a general server: it answers in the callback that read the request, which keeps a point read
well under a millisecond, and it can cut a connection at any point of an answer, which faults need.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Final, cast

import httptools
from typing_extensions import override

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""What the service takes ("Azure Cosmos DB service quotas"); of a larger body only the size is kept."""

LARGEST_SKIPPED_BODY_BYTES: Final = 64 * 1024 * 1024
"""Beyond this the connection is closed; below, a body that is too large is read and dropped, so that the answer arrives."""


@dataclass(slots=True)
class Request:
    """One request; names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    is_body_too_large: bool = False
    scheme: str = "http"
    is_kept_alive: bool = True


@dataclass(slots=True)
class Response:
    """One answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Cut:
    """In place of an answer: the connection ends, after the head and half the body of *half_of* if that is given."""

    half_of: Response | None = None
    is_reset: bool = False


REQUEST_SECONDS: Final = 30.0
"""So long a request may take to arrive; the service's clients send one in a packet or a few."""

_TLS_SECONDS: Final = 10.0
Answer = Response | Cut
Handler = Callable[[Request], Answer | Awaitable[Answer]]
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus} | {449: "Retry With"}


class Connection(asyncio.Protocol):
    """One client's connection; its requests are answered one after the other."""

    def __init__(
        self, handler: Handler, connections: set[Connection], scheme: str, malformed: Callable[[int, str], Response]
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._scheme = scheme
        self._malformed = malformed
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_refused = False
        self._unread_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._begin()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._waiting.clear()
        self._arrived()
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unread_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "The connection cannot be upgraded.")
        except httptools.HttpParserError:
            self._refuse(400, "The request is no valid HTTP.")
        if self._unread_bytes > MAX_HEADER_BYTES:
            # The parser has seen the end of nothing for so long: a header, or the length of a part, that does not end.
            self._refuse(431, "The request's headers are too large.")
        elif self._is_arriving and self._deadline is None and not self._is_refused:
            self._deadline = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self._late)

    def _late(self) -> None:
        self._refuse(408, f"The request did not arrive within {REQUEST_SECONDS:g} seconds.")

    def _arrived(self) -> None:
        self._is_arriving = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._begin()
        self._is_arriving = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes <= MAX_BODY_BYTES:
            self._body.append(body)
        elif self._body_bytes > LARGEST_SKIPPED_BODY_BYTES:
            self._refuse(413, "Request size is too large")
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        self._arrived()
        if self._is_refused:
            return
        request = Request(
            self._parser.get_method().decode("latin-1"),
            self._target.decode("latin-1"),
            self._headers,
            b"".join(self._body),
            self._body_bytes > MAX_BODY_BYTES,
            self._scheme,
            self._parser.should_keep_alive(),
        )
        if self._task is not None:
            self._waiting.append(request)
        else:
            self._handle(request)

    def _begin(self) -> None:
        self._is_arriving = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(431, "The request's headers are too large.")

    def _handle(self, request: Request) -> None:
        answer = self._handler(request)
        if isinstance(answer, (Response, Cut)):
            self._send(request, answer)
        else:
            self._task = asyncio.ensure_future(self._wait(request, answer))

    async def _wait(self, request: Request, answer: Awaitable[Answer]) -> None:
        self._send(request, await answer)
        self._task = None
        while self._waiting and self._task is None:
            self._handle(self._waiting.popleft())

    def _send(self, request: Request, answer: Answer) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if isinstance(answer, Cut):
            self._cut(request, answer)
            return
        transport.write(encode(answer, is_kept_alive=request.is_kept_alive, has_body=request.method != "HEAD"))
        if not request.is_kept_alive:
            transport.close()

    def _cut(self, request: Request, cut: Cut) -> None:
        assert self._transport is not None
        if cut.half_of is not None:
            head_and_body = encode(cut.half_of, is_kept_alive=request.is_kept_alive, has_body=True)
            self._transport.write(head_and_body[: len(head_and_body) - max(1, len(cut.half_of.body) // 2)])
        if cut.is_reset:
            self._transport.abort()
        else:
            self._transport.close()

    def _refuse(self, status: int, message: str) -> None:
        if self._is_refused:
            return
        self._is_refused = True
        self._arrived()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(self._malformed(status, message), is_kept_alive=False, has_body=True))
            self._transport.close()


def encode(response: Response, *, is_kept_alive: bool, has_body: bool) -> bytes:
    """Return an answer as bytes."""
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status not in (204, 304):
        lines.append(f"Content-Length: {len(response.body)}")
    if not is_kept_alive:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "\r\n"]).encode("utf-8", "replace")
    return head + response.body if has_body and response.status not in (204, 304) else head


class Listener:
    """Accepts connections until it is told to stop, and then ends all of them, those in their TLS handshake among them.

    Args:
        sock: Bound and listening.
        context: For TLS; None for plain HTTP.
        handler: Answers requests.
        malformed: Answers what is none.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext | None, handler: Handler, malformed: Callable[[int, str], Response]
    ) -> None:
        self._socket = sock
        self._context = context
        scheme = "http" if context is None else "https"
        self._connections: set[Connection] = set()
        self._make = partial(Connection, handler, self._connections, scheme, malformed)
        self._entering: dict[asyncio.Task[None], socket.socket] = {}

    async def serve(self, stopping: asyncio.Event, started: Callable[[], None]) -> None:
        """Serve until *stopping* is set; *started* is called when clients may connect."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._accept)
        started()
        await stopping.wait()
        loop.remove_reader(self._socket)
        while self._entering or self._connections:
            for peer in self._entering.values():
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
            for connection in list(self._connections):
                connection.close()
            await asyncio.sleep(0)

    def _accept(self) -> None:
        try:
            peer, _ = self._socket.accept()
        except OSError:
            # The peer is gone already, or there are too many open files.
            return
        peer.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._enter(peer))
        self._entering[task] = peer
        task.add_done_callback(self._entering.pop)

    async def _enter(self, peer: socket.socket) -> None:
        tls = {} if self._context is None else {"ssl_handshake_timeout": _TLS_SECONDS, "ssl_shutdown_timeout": _TLS_SECONDS}
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(self._make, peer, ssl=self._context, **tls)
        except OSError:
            peer.close()
