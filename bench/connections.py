"""`python -m bench.connections`: what clients of a hub cost that are only there, and how fast a hub tells many."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import uvicorn

from bifrost_store.signalr import Connection, Hub, Limits, Server

MOST_MEGABYTES: Final = 25
"""Of memory that 1,000 idle clients may take."""
_CLIENTS, _AT_ONCE = 1_000, 50
_LISTENERS, _FRAMES, _LINES = 50, 200, 25
_LINE: Final = {"number": 1, "level": "INFO", "message": "x" * 100}
_END: Final = "\x1e"
_HANDSHAKE: Final = '{"protocol":"json","version":1}' + _END
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def main(arguments: Sequence[str]) -> int:
    """Measure, print the figures, and return 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="bench.connections", description=__doc__)
    parser.add_argument("--serve", choices=["plain", "deflate"], help="be the server")
    options = parser.parse_args(arguments)
    if options.serve:
        _serve(deflate=options.serve == "deflate")
        return 0
    return asyncio.run(_measure())


async def _measure() -> int:
    async with _server("deflate") as (address, pid):
        print(f"{_CLIENTS} idle clients, messages compressed: {await _idle(address, pid):.1f} MB")
    async with _server("plain") as (address, pid):
        megabytes = await _idle(address, pid)
        print(f"{_CLIENTS} idle clients: {megabytes:.1f} MB, at most {MOST_MEGABYTES} promised")
    async with _server("plain") as (address, _):
        rate = await _told(address)
        print(f"{_LISTENERS} clients, calls with {_LINES} lines: {rate:,.0f} calls a second arrive")
    return int(megabytes > MOST_MEGABYTES)


async def _idle(address: str, pid: int) -> float:
    """Return the megabytes that clients take, once others were there and went, which leaves what is made once."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:
        for one in [await _connected(session, address) for _ in range(_AT_ONCE)]:
            await one.close()
        before = _megabytes(pid)
        sockets: list[aiohttp.ClientWebSocketResponse] = []
        while len(sockets) < _CLIENTS:
            sockets += await asyncio.gather(*[_connected(session, address) for _ in range(_AT_ONCE)])
        return _megabytes(pid) - before


async def _told(address: str) -> float:
    async with aiohttp.ClientSession() as session:
        sockets = [await _connected(session, address) for _ in range(_LISTENERS)]
        started = time.perf_counter()
        await sockets[0].send_str('{"type":1,"target":"tell","arguments":[]}' + _END)
        await asyncio.gather(*[_heard(one) for one in sockets])
        return _LISTENERS * _FRAMES / (time.perf_counter() - started)


async def _heard(client: aiohttp.ClientWebSocketResponse) -> None:
    heard = 0
    while heard < _FRAMES:
        heard += (await client.receive_str()).count('"lines"')


async def _connected(session: aiohttp.ClientSession, address: str) -> aiohttp.ClientWebSocketResponse:
    async with session.post(f"{address}/negotiate") as response:
        found = await response.json()
    headers = {"Authorization": f"Bearer {found['accessToken']}"}
    async with session.post(f"{found['url']}/negotiate?negotiateVersion=1", headers=headers) as response:
        token = (await response.json())["connectionToken"]
    client = await session.ws_connect(f"{found['url']}?id={token}", compress=15)
    await client.send_str(_HANDSHAKE)
    await client.receive_str()
    return client


@contextlib.asynccontextmanager
async def _server(how: str) -> AsyncIterator[tuple[str, int]]:
    command = [sys.executable, "-m", "bench.connections", "--serve", how]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}", process.pid
    finally:
        process.terminate()
        await process.communicate()


def _serve(*, deflate: bool) -> None:
    async def everybody(_: object) -> str:
        return "somebody"

    hub = Hub(everybody, limits=Limits(connections_per_user=_CLIENTS + _AT_ONCE, silent_seconds=600))

    @hub.on("tell")
    async def tell(connection: Connection) -> None:
        for _ in range(_FRAMES):
            await hub.send_to_all("lines", [_LINE] * _LINES)
            await asyncio.sleep(0)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(_CLIENTS)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(hub, log_level="warning", ws_max_size=65_536, ws_per_message_deflate=deflate, backlog=_CLIENTS)
    Server(config, hub).run([listening])


def _megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
