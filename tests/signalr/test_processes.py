"""Several processes of a hub behind a balancer that takes turns, as a deployment without sticky sessions has them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.signalr.raw import HANDSHAKE, Raw, framed
from tests.signalr.stock import StockClients

pytestmark = [pytest.mark.anyio, pytest.mark.long]
ROOT = Path(__file__).parents[2]
KEY = "a key that all processes of the hub have"


class Balancer:
    """Gives each new connection to the next process that takes it."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.port = 0
        self._turn = 0
        self._open: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._take, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{self.port}"
            for writer in self._open:
                writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self.ports:
            self._turn += 1
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", self.ports[self._turn % len(self.ports)])
                break
        else:
            writer.close()
            return
        self._open |= {writer, there[1]}
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))
        self._open -= {writer, there[1]}

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def process(log: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run the program; its log is in a file."""
    command = [sys.executable, "-m", "tests.signalr.program", KEY]
    with log.open("w") as stderr:
        running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=stderr, cwd=ROOT)
    assert running.stdout is not None
    try:
        yield running, int(await running.stdout.readline())
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        await running.wait()
        await running.stdout.read()


async def test_any_process_takes_any_client_and_none_is_lost_when_one_stops(stock: StockClients, tmp_path: Path) -> None:
    """What one process negotiates another opens; clients of one that stops come back at the other; no log holds a token."""
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    async with process(logs[0]) as (first, a), process(logs[1]) as (second, b), Balancer([a, b]).running() as url:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            strict = Raw(session, f"{url}/live")
            for _ in range(4):
                socket = await strict.socket((await strict.negotiate())["connectionToken"])
                await socket.send_str(framed(HANDSHAKE))
                assert framed({}) == await socket.receive_str()
                await socket.close()
        names = [f"c{number}" for number in range(6)]
        for name in names:
            await stock.start(name, f"{url}/live", token=name, targets=["said"], reconnect=[0, *[100] * 300])
        homes = {name: await stock.invoke(name, "where") for name in names}
        assert {first.pid, second.pid} == set(homes.values())
        first.send_signal(signal.SIGTERM)
        moved = [name for name in names if homes[name] == first.pid]
        await stock.until(lambda: all(stock.seen(name, "reconnected") for name in moved))

        assert -signal.SIGTERM == await first.wait()
        assert {second.pid} == {await stock.invoke(name, "where") for name in names}
        assert [] == [name for name in names if name not in moved and stock.seen(name, "reconnecting")]
        for name in names:
            await stock.invoke(name, "join", "g")
        await stock.invoke("c0", "emit", "g", "hello")
        await stock.until(lambda: all(stock.messages(name) == [("said", ["c0", "hello"])] for name in names))
    texts = [log.read_text() for log in logs]
    assert all('"WebSocket /live/connect" [accepted]' in text for text in texts), texts
    assert [] == [line for text in texts for line in text.splitlines() if "eyJ" in line or "Traceback" in line or "ERROR" in line]
