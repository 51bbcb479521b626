"""The stock client ``@microsoft/signalr`` in Node, by order of tests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shlex
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("client.cjs")
VERSION = "10.0.11"
HERE = Path(__file__).parents[2] / ".nox" / "signalr" / VERSION / "node_modules" / "@microsoft" / "signalr" / "package.json"


def find_client() -> tuple[str, Path] | None:
    """Return the command of Node, and the folder with the client's packages; None where they are not installed."""
    named = os.environ.get("BIFROST_SIGNALR_CLIENT")
    if named:
        node, package = shlex.split(named)
        return node, Path(package).parents[3]
    node_here = shutil.which("node")
    return (node_here, HERE.parents[3]) if node_here and HERE.exists() else None


class StockError(Exception):
    """What a promise of the client was rejected with."""


class StockClients:
    """As many connections of the stock client as a test wants, each with a name, in one Node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._happened = asyncio.Condition()

    async def order(self, order: str, **arguments: Any) -> Any:
        """Have something done, and return what came of it."""
        id = next(self._ids)
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": id, "order": order, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        return await answer

    async def start(self, name: str, url: str, **options: Any) -> str:
        """Connect, and return the connection's id."""
        return str(await self.order("start", name=name, url=url, **options))

    async def invoke(self, name: str, target: str, *args: Any) -> Any:
        return await self.order("invoke", name=name, target=target, args=args)

    def seen(self, name: str, event: str = "message") -> list[dict[str, Any]]:
        """Return the events of a connection so far."""
        return [one for one in self.events if one["name"] == name and one["event"] == event]

    def messages(self, name: str) -> list[tuple[str, list[Any]]]:
        """Return what a connection was called with so far."""
        return [(one["target"], one["args"]) for one in self.seen(name)]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until events make something true."""
        async with self._happened:
            await self._happened.wait_for(condition)

    async def read(self) -> None:
        """Take what the clients tell, until Node ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "event" in told:
                async with self._happened:
                    self.events.append(told)
                    self._happened.notify_all()
            elif "error" in told:
                self._answers.pop(told["id"]).set_exception(StockError(told["error"]))
            else:
                self._answers.pop(told["id"]).set_result(told["result"])


@contextlib.asynccontextmanager
async def stock_clients() -> AsyncIterator[StockClients]:
    """Run Node with the client."""
    found = find_client()
    assert found is not None
    node, packages = found
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, str(SCRIPT), str(packages), stdin=pipe, stdout=pipe, limit=2**24)
    clients = StockClients(process)
    reading = asyncio.create_task(clients.read())
    try:
        yield clients
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading
