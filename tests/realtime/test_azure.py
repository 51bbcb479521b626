"""The same page over Azure SignalR Service, as the local one stands in for it: told by a command, or by the recording's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from bifrost_store import Store, open_store
from bifrost_store.changefeed import leases_by_processor
from bifrost_store.realtime import Watchers, platform_rules
from bifrost_store.realtime.routes import watch_routes
from bifrost_store.settings import StoreSettings
from bifrost_store.signalr import AzureSignalR, LocalService
from tests.realtime.application import items_route, principal_of
from tests.realtime.page import Page
from tests.realtime.test_page import run_of, write
from tests.signalr.serving import serving
from tests.signalr.stock import StockClients

pytestmark = [pytest.mark.anyio, pytest.mark.long]


@pytest.fixture
def service() -> Iterator[tuple[LocalService, str]]:
    made = LocalService()
    with serving(made, made) as url:
        yield made, made.connection_string(url)


def platform(database: str, connection_string: str) -> Starlette:
    """What a platform serves beside the service: negotiate, join, leave, and the items of runs."""
    opened: list[Store] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AzureSignalR(connection_string, hub="runs") as sender, open_store(StoreSettings(sqlite_path=database)) as store:
            opened.append(store)
            watchers = Watchers(store, sender, may_watch=platform_rules)
            app.router.routes += [Mount("/api/signalr", routes=watch_routes(watchers, principal_of))]
            yield

    return Starlette(routes=[Route("/items/{id}", items_route(lambda: opened[0]))], lifespan=lifespan)


@contextlib.asynccontextmanager
async def command(settings: dict[str, str]) -> AsyncIterator[None]:
    """`bifrost-store feed run realtime`."""
    arguments = ["-m", "bifrost_store.cli", "feed", "run", "realtime", "--poll", "0.05"]
    env = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=env)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        assert await process.wait() in (0, 130)


@pytest.mark.parametrize(("by", "user"), [("command", "owner"), ("recording", "admin")])
async def test_a_page_sees_every_line_through_the_service(
    tmp_path: Path, stock: StockClients, service: tuple[LocalService, str], by: str, user: str
) -> None:
    """The stock client follows the redirect, is put into its group by a request of ours, and is told."""
    made, connection_string = service
    database = str(tmp_path / "store.db")
    named = connection_string if by == "recording" else None
    settings = StoreSettings(sqlite_path=database, signalr_connection_string=named)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        await store.provision()
        run = await run_of(store)
        url = stack.enter_context(serving(platform(database, connection_string)))
        if by == "command":
            variables = {"BIFROST_STORE_SQLITE_PATH": database, "BIFROST_STORE_SIGNALR_CONNECTION_STRING": connection_string}
            await stack.enter_async_context(command(variables))
            backend = store.backend.backend("sqlite")
            while len(await leases_by_processor(backend)) < 2:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        page = Page(stock, http, url, user, run.execution_id)
        await page.open()
        writing = asyncio.create_task(write(store, run, 50))
        await page.watch()
        await writing
        numbers = [number for number in range(50) if user == "admin" or number % 5]
        assert [f"line {number}" for number in numbers] == [line["message"] for line in page.shown.values()]
        assert any(one["target"] == "executionLog" for one in stock.seen("page"))
        assert bool(made.room("runs").switchboard.counters.messages_out)
