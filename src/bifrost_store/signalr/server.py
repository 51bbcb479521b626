"""`Server`: uvicorn that lets the clients of hubs go before it closes their sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Final, Protocol

import uvicorn
from typing_extensions import override

_TICKS_PER_SECOND: Final = 10
"""Of uvicorn's main loop."""


class Stoppable(Protocol):
    """A hub."""

    async def stop(self) -> None:
        """Let its clients go."""
        ...


class Server(uvicorn.Server):
    """uvicorn, which otherwise closes sockets first and tells applications afterwards, and waits for polls to end.

    ``Server(uvicorn.Config(app, port=8000), hub).run()`` in place of ``uvicorn.run(app, port=8000)``.

    It also cuts sockets off that were closed, but whose clients do not take what was still to be sent: uvicorn keeps them,
    with their buffers, for as long as such a client likes, and an application cannot reach them.

    Args:
        config: As uvicorn's.
        hubs: What to stop first.
        linger_seconds: How long a client may take the rest.
    """

    def __init__(self, config: uvicorn.Config, *hubs: Stoppable, linger_seconds: float = 10) -> None:
        super().__init__(config)
        self._hubs = hubs
        self._linger_seconds = linger_seconds
        self._closing_since: dict[asyncio.Transport, float] = {}

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for hub in self._hubs:
            await hub.stop()
        await super().shutdown(sockets)

    @override
    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SECOND == 0:
            self._cut_off(time.monotonic())
        return await super().on_tick(counter)

    def _cut_off(self, now: float) -> None:
        transports: list[asyncio.Transport | None] = [getattr(one, "transport", None) for one in self.server_state.connections]
        closing = [one for one in transports if one is not None and one.is_closing()]
        self._closing_since = {one: self._closing_since.get(one, now) for one in closing}
        for one, since in self._closing_since.items():
            if now - since > self._linger_seconds:
                one.abort()
