"""A network that takes its time: a TCP proxy in a process of its own that hands everything on a little later."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

_CHUNK: Final = 65_536


@contextlib.contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """Yield a port of 127.0.0.1 behind which is *port*, a round trip of *milliseconds* away."""
    command = [sys.executable, "-m", __name__, str(port), str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the proxy did not start; it says why above")
        try:
            yield int(line)
        finally:
            process.terminate()


async def _serve(port: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_hand_on(reader, beyond_writer, seconds), _hand_on(beyond_reader, writer, seconds))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with server:
        await ended  # whoever started this process is gone


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Write what is read, each piece so much later; a piece does not wait for the one before."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(_CHUNK):
            loop.call_later(seconds, writer.write, piece)
    loop.call_later(seconds, writer.close)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 2000))
