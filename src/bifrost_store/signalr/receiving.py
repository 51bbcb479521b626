"""What clients send: the handshake, then records, whatever way they came."""

from __future__ import annotations

import time
from collections.abc import Callable

from bifrost_store.signalr import wire
from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.counters import Reason
from bifrost_store.signalr.methods import Methods
from bifrost_store.signalr.switchboard import Switchboard


class Receiver:
    """Takes frames of clients. What breaks the protocol or a limit closes the one connection that it came by.

    Args:
        switchboard: Who is connected.
        methods: What clients may call; None where they may only listen, and one that calls is closed.
        on_opened: Called with each connection whose handshake is done.
    """

    def __init__(self, switchboard: Switchboard, methods: Methods | None, on_opened: Callable[[Connection], None]) -> None:
        self._switchboard = switchboard
        self._methods = methods
        self._on_opened = on_opened

    def take(self, connection: Connection, frame: str) -> None:
        """Take a frame."""
        counters, limits = self._switchboard.counters, self._switchboard.limits
        size = wire.size_of(frame)
        counters.frames_in += 1
        counters.bytes_in += size
        if size > limits.message_bytes:
            self.refuse_oversize(connection)
            return
        now = time.monotonic()
        connection.heard_at = max(now, connection.heard_at)
        elapsed, connection.counted_at = now - connection.counted_at, now
        connection.allowance = min(limits.burst_messages, connection.allowance + elapsed * limits.messages_per_second)
        try:
            records = wire.split(frame)
            if not connection.is_open:
                self._open(connection, records.pop(0))
            for record in records:
                if connection.is_closing:
                    return
                self._take(connection, record)
        except wire.ProtocolError as error:
            self._switchboard.refuse(connection, Reason.MALFORMED, str(error))

    def refuse_oversize(self, connection: Connection) -> None:
        """Close a connection whose client sent too much at once."""
        text = f"A message may have {self._switchboard.limits.message_bytes} bytes."
        self._switchboard.refuse(connection, Reason.OVERSIZE, text)

    def _open(self, connection: Connection, record: str) -> None:
        try:
            wire.check_handshake(record)
        except wire.ProtocolError as error:
            connection.outbox.answer(wire.handshake_refused(str(error)))
            self._switchboard.refuse(connection, Reason.HANDSHAKE, str(error))
            return
        connection.answer(wire.HANDSHAKE_DONE)
        connection.is_open = True
        self._switchboard.counters.opened += 1
        self._on_opened(connection)

    def _take(self, connection: Connection, record: str) -> None:
        connection.allowance -= 1
        if connection.allowance < 0:
            self._switchboard.refuse(connection, Reason.FLOOD, "Too many messages.")
            return
        message = wire.parse(record)
        match message:
            case wire.Invocation():
                if self._methods is None:
                    self._switchboard.refuse(connection, Reason.SERVERLESS, "Clients of this hub may only listen.")
                else:
                    self._methods.call(connection, message)
            case wire.Completion():
                if self._methods is not None:
                    self._methods.answered(connection, message)
            case wire.Close():
                self._switchboard.close(connection)
            case _:
                pass
