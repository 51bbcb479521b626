"""A TCP proxy that cuts connections at random."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from types import TracebackType


class CuttingProxy:
    """Forwards to a port of this machine, and now and then cuts a connection in the middle of whatever it carries.

    Attributes:
        cuts: How many were cut.
        pause: Seconds between cuts, at most; None: no cuts.
    """

    def __init__(self, port: int, seed: int, pause: float | None = 1.0) -> None:
        self.cuts = 0
        self.pause = pause
        self._upstream = port
        self._random = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self._cutter = asyncio.create_task(self._cut())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._cutter.cancel()
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.1, self.pause or 1.0))
            if self.pause is not None and self._open:
                self._random.choice(sorted(self._open, key=id)).transport.abort()
                self.cuts += 1

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))
        self._open -= {writer, up_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 + self._random.randrange(4096)):
                writer.write(data)
                await writer.drain()
        writer.close()
