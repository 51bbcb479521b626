"""`Server`: uvicorn that lets the clients of hubs go before it closes their sockets."""

from __future__ import annotations

import socket
from typing import Protocol

import uvicorn
from typing_extensions import override


class Stoppable(Protocol):
    """A hub."""

    async def stop(self) -> None:
        """Let its clients go."""
        ...


class Server(uvicorn.Server):
    """uvicorn, which otherwise closes sockets first and tells applications afterwards, and waits for polls to end.

    ``Server(uvicorn.Config(app, port=8000), hub).run()`` in place of ``uvicorn.run(app, port=8000)``.

    Args:
        config: As uvicorn's.
        hubs: What to stop first.
    """

    def __init__(self, config: uvicorn.Config, *hubs: Stoppable) -> None:
        super().__init__(config)
        self._hubs = hubs

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for hub in self._hubs:
            await hub.stop()
        await super().shutdown(sockets)
