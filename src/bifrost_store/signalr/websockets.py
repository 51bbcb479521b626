"""Clients by WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.receiving import Receiver
from bifrost_store.signalr.switchboard import Switchboard

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NORMAL: Final = 1_000
_TOO_BIG: Final = 1_009
"""The server's own limit was passed before the hub's."""
_DISCONNECTED: Final = (OSError, RuntimeError)
"""What servers raise where something is sent to a client that is gone: an OSError by specification."""


async def serve(switchboard: Switchboard, receiver: Receiver, connection: Connection, receive: Receive, send: Send) -> None:
    """Serve a client until it, its connection or the server ends."""
    socket = _Socket(switchboard, connection, send)
    try:
        await send({"type": "websocket.accept"})
        async with asyncio.timeout(None) as reading:
            socket.accepted(reading)
            while (event := await receive())["type"] != "websocket.disconnect":
                if not connection.is_closing:
                    _take(switchboard, receiver, connection, event)
            if event.get("code") == _TOO_BIG:
                switchboard.teller.refused(Reason.OVERSIZE)
    except TimeoutError:
        if not socket.has_hung_up:
            raise
    except _DISCONNECTED:
        pass
    finally:
        await socket.finish()
        switchboard.ended(connection)


def _take(switchboard: Switchboard, receiver: Receiver, connection: Connection, event: MutableMapping[str, Any]) -> None:
    text = event.get("text")
    if text is None:
        switchboard.refuse(connection, Reason.MALFORMED, "The JSON protocol needs text frames.")
    else:
        receiver.take(connection, text)


class _Socket:
    """The one writer of a connection. Its task lives only while there is something to write."""

    __slots__ = ("_connection", "_loop", "_reading", "_send", "_switchboard", "_writer", "has_hung_up")

    def __init__(self, switchboard: Switchboard, connection: Connection, send: Send) -> None:
        self._switchboard = switchboard
        self._connection = connection
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._writer: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None
        self.has_hung_up = False
        connection.wake = self._wake
        connection.hang_up = self._hang_up

    def accepted(self, reading: asyncio.Timeout) -> None:
        """Begin to write; *reading* is what to end where the connection is to end at once."""
        self._reading = reading
        if self.has_hung_up:
            reading.reschedule(self._loop.time())
        elif self._connection.outbox:
            self._wake()

    async def finish(self) -> None:
        """End the writer."""
        self.has_hung_up = True
        self._connection.wake = self._connection.hang_up = _nothing
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    def _wake(self) -> None:
        if self._writer is None and self._reading is not None:
            self._writer = self._loop.create_task(self._write())

    def _hang_up(self) -> None:
        if not self.has_hung_up:
            self.has_hung_up = True
            if self._reading is not None:
                self._reading.reschedule(self._loop.time())

    async def _write(self) -> None:
        connection, counters = self._connection, self._switchboard.counters
        try:
            while connection.outbox:
                frame, size, count = connection.outbox.take()
                await self._send({"type": "websocket.send", "text": frame})
                connection.sent_at = time.monotonic()
                counters.frames_out += 1
                counters.messages_out += count
                counters.bytes_out += size
            connection.outbox.caught_up()
            if connection.is_closing:
                await self._send({"type": "websocket.close", "code": _NORMAL})
                self._hang_up()
        except _DISCONNECTED:
            self._hang_up()
        finally:
            self._writer = None


def _nothing() -> None:
    """Stand in for a transport that is gone."""
