"""Who is connected, and what is sent to whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from bifrost_store.signalr import wire
from bifrost_store.signalr.connection import Connection, TransportName
from bifrost_store.signalr.counters import Counters, Reason, Teller
from bifrost_store.signalr.errors import (
    ConnectionNotFoundError,
    InvocationError,
    LimitReachedError,
    MessageTooLargeError,
)
from bifrost_store.signalr.limits import Limits
from bifrost_store.signalr.outbox import Outbox
from bifrost_store.signalr.tokens import Opening

_SWEEPS_PER_KEEP_ALIVE: Final = 15


class Refusal(Exception):  # noqa: N818 - control flow within the package
    """A client cannot be let in."""

    def __init__(self, reason: Reason, status: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.status = status
        self.text = text


class Switchboard:
    """The connections of one process. Everything here happens on one event loop, and nothing waits.

    Args:
        limits: Bounds.
        on_ended: Called with each connection that was open, once it has ended.
    """

    def __init__(self, limits: Limits, on_ended: Callable[[Connection], None] = lambda _: None) -> None:
        self.limits = limits
        self.counters = Counters()
        self.teller = Teller(self.counters)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_stopping = False
        self._on_ended = on_ended
        self._connections: dict[str, Connection] = {}
        self._closing: set[Connection] = set()
        self._users: dict[str, set[Connection]] = {}
        self._groups: dict[str, set[Connection]] = {}
        self._used: dict[str, float] = {}
        self._heart: asyncio.Task[None] | None = None

    # Coming and going

    def admit(self, opening: Opening, transport: TransportName) -> Connection:
        """Return a new connection; raise `Refusal`."""
        limits, now = self.limits, time.monotonic()
        remaining = min(opening.ends_at - time.time(), limits.connection_seconds)
        self.check_room(opening.user_id)
        if opening.connection_id in self._connections or opening.connection_id in self._used:
            raise Refusal(Reason.REUSED, 409, "The connection was opened before.")
        if remaining <= 0:
            raise Refusal(Reason.TOKEN, 401, "The authentication has ended.")
        connection = Connection(
            opening.connection_id,
            opening.user_id,
            transport,
            Outbox(limits, self.counters),
            opened_at=now,
            ends_at=now + remaining,
            allowance=limits.burst_messages,
        )
        self._connections[connection.id] = connection
        self._users.setdefault(connection.user_id, set()).add(connection)
        self._used[connection.id] = opening.expires_at
        self.counters.connections += 1
        self._beat()
        return connection

    def check_room(self, user_id: str) -> None:
        """Raise `Refusal` if a user cannot have one more connection."""
        if self.is_stopping:
            raise Refusal(Reason.STOPPING, 503, "The hub stops; try again.")
        if len(self._connections) >= self.limits.connections:
            raise Refusal(Reason.CONNECTIONS, 503, "There are too many connections; try again later.")
        if len(self._users.get(user_id, ())) >= self.limits.connections_per_user:
            raise Refusal(Reason.USER_CONNECTIONS, 429, "This user has too many connections.")

    def close(self, connection: Connection, error: str | None = None, *, allow_reconnect: bool = False) -> None:
        """Let a connection go, after what already waits for it. From now on nothing else is sent to it."""
        if connection.is_closing:
            return
        if connection.is_open:
            connection.outbox.answer(wire.close(error, allow_reconnect=allow_reconnect))
        self._forget(connection)
        self._closing.add(connection)
        connection.closing_at = time.monotonic()
        connection.wake()

    def refuse(self, connection: Connection, reason: Reason, error: str) -> None:
        """Close a connection that broke a rule."""
        if not connection.is_closing:
            self.teller.refused(reason)
            connection.cancel_calls()
            self.close(connection, error)

    def abort(self, connection: Connection, reason: Reason) -> None:
        """End a connection at once, and whatever waits for it."""
        if not connection.is_closing:
            self.teller.refused(reason)
        connection.cancel_calls()
        connection.outbox.drop()
        self._forget(connection)
        connection.hang_up()

    def ended(self, connection: Connection) -> None:
        """Note that a connection's transport is gone."""
        self._forget(connection)
        self._closing.discard(connection)
        connection.outbox.drop()
        for question in (connection.questions or {}).values():
            if not question.done():
                question.set_exception(InvocationError("the client ended before it answered"))
        if connection.is_open:
            connection.is_open = False
            self._on_ended(connection)

    def _forget(self, connection: Connection) -> None:
        if connection.is_closing:
            return
        connection.is_closing = True
        self.counters.connections -= 1
        del self._connections[connection.id]
        for group in list(connection.groups):
            self.leave(connection, group)
        _discard(self._users, connection.user_id, connection)

    # Who is there

    def connections(self) -> list[Connection]:
        """Return those that are open."""
        return [connection for connection in self._connections.values() if connection.is_open]

    def find(self, connection_id: str) -> Connection | None:
        """Return a connection of this process, or None."""
        return self._connections.get(connection_id)

    def get(self, connection_id: str) -> Connection:
        """Return an open connection of this process; raise `ConnectionNotFoundError`."""
        connection = self._connections.get(connection_id)
        if connection is None or not connection.is_open:
            raise ConnectionNotFoundError("there is no such connection in this process")
        return connection

    def of_user(self, user_id: str) -> Collection[Connection]:
        """Return the connections of a user."""
        return self._users.get(user_id, ())

    def in_group(self, group: str) -> Collection[Connection]:
        """Return the members of a group."""
        return self._groups.get(group, ())

    def groups(self) -> Collection[str]:
        """Return the groups that somebody is in."""
        return self._groups.keys()

    def join(self, connection: Connection, group: str) -> None:
        """Add a connection to a group; again changes nothing."""
        if len(connection.groups) >= self.limits.groups_per_connection and group not in connection.groups:
            self.teller.refused(Reason.GROUPS)
            raise LimitReachedError(f"a connection may be in {self.limits.groups_per_connection} groups at most")
        connection.groups.add(group)
        self._groups.setdefault(group, set()).add(connection)

    def leave(self, connection: Connection, group: str) -> None:
        """Remove a connection from a group, if it is in it."""
        connection.groups.discard(group)
        _discard(self._groups, group, connection)

    # Sending

    def record(self, target: str, arguments: tuple[object, ...] | list[object], id: str | None = None) -> tuple[str, int]:
        """Return an invocation's record and size; raise what cannot be sent."""
        record = wire.invocation(target, arguments, id)
        size = wire.size_of(record)
        if size > self.limits.sent_message_bytes:
            raise MessageTooLargeError(
                f"a message of {size} bytes is larger than the {self.limits.sent_message_bytes} that may be sent"
            )
        return record, size

    def send(self, connections: Iterable[Connection], record: str, size: int) -> None:
        """Queue a record for each; those that cannot keep up are dropped, and nobody waits for them."""
        slow: list[Connection] = []
        for connection in connections:
            if connection.is_open and not connection.is_closing:
                if connection.outbox.put(record, size):
                    connection.wake()
                else:
                    slow.append(connection)
        for connection in slow:
            self.abort(connection, Reason.SLOW)

    # Time

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            self.loop, self._heart = loop, None
        if self._heart is None or self._heart.done():
            self._heart = loop.create_task(self._sweep_until_empty(), name="signalr-heart")

    async def _sweep_until_empty(self) -> None:
        pause = min(1.0, self.limits.keep_alive_seconds / _SWEEPS_PER_KEEP_ALIVE)
        while self._connections or self._closing or self._used:
            await asyncio.sleep(pause)
            self._sweep(time.monotonic())

    def _sweep(self, now: float) -> None:
        limits, present = self.limits, time.time()
        for connection in list(self._connections.values()):
            if not connection.is_open:
                if now - connection.opened_at > limits.handshake_seconds:
                    self.abort(connection, Reason.HANDSHAKE_TIME)
            elif now >= connection.ends_at:
                self.close(connection, "The authentication has ended.", allow_reconnect=True)
            elif now - connection.heard_at > limits.silent_seconds:
                self.abort(connection, Reason.SILENT)
            elif connection.transport == "WebSockets" and now - connection.sent_at >= limits.keep_alive_seconds:
                if not connection.outbox:
                    connection.answer(wire.PING)
                connection.sent_at = now
        for connection in list(self._closing):
            if now - connection.closing_at > limits.close_seconds:
                self._closing.discard(connection)
                connection.hang_up()
        for id, expires_at in list(self._used.items()):
            if present > expires_at:
                del self._used[id]

    async def stop(self) -> None:
        """Close every connection with leave to reconnect, and wait until they are gone, as long as a closed client gets."""
        self.is_stopping = True
        for connection in list(self._connections.values()):
            self.close(connection, "The server stops.", allow_reconnect=True)
        while self._closing:  # noqa: ASYNC110 - each ends by its own transport, or by the heart
            await asyncio.sleep(min(0.05, self.limits.close_seconds))
        if self._heart is not None:
            self._heart.cancel()


def _discard(index: dict[str, set[Connection]], key: str, connection: Connection) -> None:
    members = index.get(key)
    if members is not None:
        members.discard(connection)
        if not members:
            del index[key]
