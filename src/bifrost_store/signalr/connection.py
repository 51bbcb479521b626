"""One client of a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from typing_extensions import override

from bifrost_store.signalr import wire
from bifrost_store.signalr.outbox import Outbox

TransportName = Literal["WebSockets", "LongPolling"]


def _nothing() -> None:
    """Stand in until a transport is there."""


class Connection:
    """A client, from its first request to its end.

    Args:
        id: How everybody calls it.
        user_id: Whose it is.
        ends_at: When its authentication ends, on the hub's monotonic clock.
        opened_at: Now, on that clock.
    """

    __slots__ = (
        "__weakref__",
        "allowance",
        "closing_at",
        "counted_at",
        "ends_at",
        "groups",
        "hang_up",
        "heard_at",
        "id",
        "is_closing",
        "is_open",
        "opened_at",
        "outbox",
        "questions",
        "sent_at",
        "transport",
        "turns",
        "user_id",
        "wake",
        "worker",
    )

    def __init__(
        self, id: str, user_id: str, transport: TransportName, outbox: Outbox, *, opened_at: float, ends_at: float, allowance: float
    ) -> None:
        self.id = id
        self.user_id = user_id
        self.transport: TransportName = transport
        self.ends_at = ends_at
        self.groups: set[str] = set()
        self.outbox = outbox
        self.is_open = False
        """Whether its handshake is done."""
        self.is_closing = False
        self.closing_at = 0.0
        self.opened_at = self.heard_at = self.sent_at = self.counted_at = opened_at
        self.allowance = allowance
        self.questions: dict[str, asyncio.Future[Any]] | None = None
        """What it was asked and did not answer yet."""
        self.turns: list[wire.Invocation] | None = None
        """Its invocations that wait."""
        self.worker: asyncio.Task[None] | None = None
        self.wake: Callable[[], None] = _nothing
        """Tells the transport that something waits to be sent."""
        self.hang_up: Callable[[], None] = _nothing
        """Ends the transport at once."""

    @override
    def __repr__(self) -> str:
        return f"<Connection {self.id} of {self.user_id!r} by {self.transport}>"

    def answer(self, record: str) -> None:
        """Send what must not be lost while the connection lasts."""
        self.outbox.answer(record)
        self.wake()

    def cancel_calls(self) -> None:
        """Run no more of what the client called; that is for one that broke a rule. Calls of one that just goes are finished."""
        if self.turns:
            self.turns.clear()
        if self.worker is not None:
            self.worker.cancel()
