"""The stock client watches runs through a hub of a real server: every line once and in order, whatever is cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bifrost_store import Execution, ExecutionStatus, Store, open_store
from bifrost_store.settings import StoreSettings
from tests.realtime.application import ORG
from tests.realtime.cutting import CuttingProxy
from tests.realtime.page import Page
from tests.signalr.stock import StockClients
from tests.thorough import is_thorough

pytestmark = [pytest.mark.anyio, pytest.mark.long]
LINES = 15_000 if is_thorough() else 500
PAUSE = 0.02
"""Seconds between two lines."""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextlib.asynccontextmanager
async def process(database: Path, port: int, public_port: int, mode: str) -> AsyncIterator[None]:
    """A process that serves the platform."""
    arguments = ["-m", "tests.realtime.application", str(database), str(port), f"http://127.0.0.1:{public_port}", mode]
    serving = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=Path(__file__).parents[2])
    try:
        while True:
            assert serving.returncode is None
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            serving.terminate()
        await serving.wait()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=str(tmp_path / "store.db"))) as opened:
        await opened.provision()
        yield opened


async def run_of(store: Store) -> Execution:
    return await store.executions.create(
        ORG, workflow_name="w", executed_by="owner", executed_by_name="Owner", execution_id="run-1", status=ExecutionStatus.RUNNING
    )


async def write(store: Store, run: Execution, count: int) -> None:
    """Record a run in this process."""
    async with store.execution_data.recording(run, capture=False) as recording:
        for number in range(count):
            recording.log("debug" if number % 5 == 0 else "info", f"line {number}")
            await asyncio.sleep(PAUSE)
    await store.executions.complete(run, ExecutionStatus.SUCCESS)


async def write_there(http: aiohttp.ClientSession, port: int) -> None:
    """Have the process that serves the page record the run."""
    url = f"http://127.0.0.1:{port}/write/run-1?lines={LINES}&pause={PAUSE}"
    async with http.post(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        answer.raise_for_status()


@pytest.mark.parametrize(("mode", "user"), [("publishes", "owner"), ("feed", "admin")])
async def test_every_line_is_shown_once_and_in_order_though_connections_are_cut(
    tmp_path: Path, store: Store, stock: StockClients, mode: str, user: str
) -> None:
    """By the recording's own process, or written by another one so that the feed alone carries it; seen by either kind of user."""
    port, run = free_port(), await run_of(store)
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CuttingProxy(port, seed=7))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(process(tmp_path / "store.db", port, proxy.port, mode))
        page = Page(stock, http, f"http://127.0.0.1:{proxy.port}", user, run.execution_id)
        await page.open()
        if mode == "publishes":
            writing = asyncio.create_task(write_there(http, port))
        else:
            writing = asyncio.create_task(write(store, run, LINES))
        await page.watch()
        await writing
    expected = [f"line {number}" for number in range(LINES) if user == "admin" or number % 5]
    assert expected == [line["message"] for line in page.shown.values()]
    assert proxy.cuts > 3
    assert page.joins > 1


async def test_who_may_not_see_details_never_gets_them_over_the_wire(tmp_path: Path, store: Store, stock: StockClients) -> None:
    """Every frame that the owner of a run receives: no DEBUG line, no traceback, no variable."""
    port, run = free_port(), await run_of(store)
    async with aiohttp.ClientSession() as http, process(tmp_path / "store.db", port, port, "feed"):
        url = f"http://127.0.0.1:{port}"
        owner, admin = (Page(stock, http, url, user, run.execution_id, name=user) for user in ("owner", "admin"))
        await owner.open()
        await admin.open()
        async with store.execution_data.recording(run, capture=False) as recording:
            recording.debug("DETAIL of a debug line")
            recording.log("error", "it broke", traceback="DETAIL of a traceback")
            recording.set_variables({"customer": "DETAIL of a variable"})
            recording.set_state({"step": "DETAIL of a state"})
        await store.executions.complete(run, ExecutionStatus.FAILED, error_message="it broke")
        await owner.watch()
        await admin.watch()
        await stock.until(lambda: json.dumps(stock.seen("admin")).count("DETAIL") == 4)
    received = json.dumps(stock.seen("owner"))
    assert "it broke" in received
    assert "DETAIL" not in received


async def test_several_processes_serve_pages_behind_a_balancer_that_is_not_sticky(
    tmp_path: Path, store: Store, stock: StockClients
) -> None:
    """Whatever process a request reaches, the one that holds the connection tells it what happens."""
    ports, run = [free_port() for _ in range(3)], await run_of(store)
    async with contextlib.AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(RoundRobin(ports))
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)))
        for port in ports:
            await stack.enter_async_context(process(tmp_path / "store.db", port, balancer.port, "feed many"))
        pages = [Page(stock, http, f"http://127.0.0.1:{balancer.port}", "admin", run.execution_id, name=f"p{n}") for n in range(6)]
        for page in pages:
            await page.open()
        writing = asyncio.create_task(write(store, run, 60))
        await asyncio.gather(*(page.watch() for page in pages))
        await writing
    for page in pages:
        assert [f"line {number}" for number in range(60)] == [line["message"] for line in page.shown.values()]
        assert stock.seen(page.name)


class RoundRobin(CuttingProxy):
    """Gives each connection to the next process."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(ports[0], seed=1, pause=None)
        self._ports = ports

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ports.append(self._ports.pop(0))
        self._upstream = self._ports[0]
        await super()._forward(reader, writer)
