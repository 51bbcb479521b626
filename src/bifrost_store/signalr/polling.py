"""Clients that poll, where WebSockets do not come through. Each request of one must reach the same process."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.receiving import Receiver
from bifrost_store.signalr.switchboard import Refusal, Switchboard
from bifrost_store.signalr.tokens import Opening

_OVER: Final = 204
_TEXT: Final = "text/plain"


class Polling:
    """Answers requests of clients that poll.

    Args:
        switchboard: Who is connected.
        receiver: Takes what they send.
        opening: Reads the token of a new connection; raises `Refusal`.
    """

    def __init__(self, switchboard: Switchboard, receiver: Receiver, opening: Callable[[str], Opening]) -> None:
        self._switchboard = switchboard
        self._receiver = receiver
        self._opening = opening
        self._pollers: dict[str, _Poller] = {}

    async def answer(self, request: Request, token: str) -> Response:
        """Answer one; raise `Refusal` where its connection is none."""
        poller = self._pollers.get(token)
        if request.method == "GET" and poller is None:
            self._begin(token)
            return Response(b"", media_type=_TEXT)
        if poller is None:
            raise Refusal(Reason.TOKEN, 404, "There is no such connection.")
        match request.method:
            case "GET":
                return await poller.poll(request)
            case "POST":
                return await self._take(request, poller.connection)
            case "DELETE":
                self._switchboard.close(poller.connection)
                poller.end()
                return Response(status_code=202)
            case _:
                return Response(status_code=405)

    def _begin(self, token: str) -> None:
        connection = self._switchboard.admit(self._opening(token), "LongPolling")
        self._pollers[token] = _Poller(self._switchboard, connection, lambda: self._pollers.pop(token, None))

    async def _take(self, request: Request, connection: Connection) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._switchboard.limits.message_bytes:
                self._receiver.refuse_oversize(connection)
                return Response(status_code=413)
        if connection.is_closing:
            raise Refusal(Reason.TOKEN, 404, "There is no such connection.")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            self._switchboard.refuse(connection, Reason.MALFORMED, "A message is UTF-8.")
            return Response(status_code=400)
        self._receiver.take(connection, text)
        return Response(b"", media_type=_TEXT)


class _Poller:
    """The one poll of a connection that may wait."""

    def __init__(self, switchboard: Switchboard, connection: Connection, on_end: Callable[[], object]) -> None:
        self.connection = connection
        self._switchboard = switchboard
        self._on_end = on_end
        self._waiting: asyncio.Future[None] | None = None
        self._is_over = False
        connection.wake = self._wake
        connection.hang_up = self.end

    def end(self) -> None:
        """End the connection, and the poll that waits."""
        if not self._is_over:
            self._is_over = True
            self._on_end()
            self._switchboard.ended(self.connection)
            self._wake()

    async def poll(self, request: Request) -> Response:
        """Answer with what waits, else wait for it; an earlier poll that still waits ends with nothing."""
        connection, outbox = self.connection, self.connection.outbox
        self._wake()
        self._waiting, connection.heard_at = None, time.monotonic()
        if not outbox:
            outbox.caught_up()
            if not connection.is_closing and not await self._wait(request):
                return Response(status_code=_OVER)
        frame, size, count = outbox.take()
        if frame:
            counters = self._switchboard.counters
            counters.frames_out += 1
            counters.messages_out += count
            counters.bytes_out += size
        elif connection.is_closing:
            self.end()
            return Response(status_code=_OVER)
        return Response(frame, media_type=_TEXT)

    async def _wait(self, request: Request) -> bool:
        """Return whether this poll is still the one to answer."""
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        self.connection.heard_at = math.inf
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait({waiting, gone}, timeout=self._switchboard.limits.poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_gone = gone.done()
            gone.cancel()
            is_last = self._waiting is waiting
            if is_last:
                self._waiting = None
                self.connection.heard_at = time.monotonic()
        return is_last and not is_gone and not self._is_over

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def _disconnected(request: Request) -> None:
    try:
        await request.body()
        while (await request.receive())["type"] != "http.disconnect":
            pass
    except ClientDisconnect:
        pass
