"""The page on the stores that have servers, and over a network that cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from pydantic import SecretStr

from bifrost_store import ExecutionStatus
from bifrost_store.demo.azurite import Azurite
from bifrost_store.settings import StoreSettings
from tests.console.browser.conftest import Stage, open_stage, until
from tests.console.browser.looking import LogView
from tests.contract.cosmos_harness import CosmosServer
from tests.realtime.cutting import CuttingProxy

pytestmark = [pytest.mark.anyio, pytest.mark.servers]


@pytest.fixture
async def on_cosmos(
    browser: Browser, cosmos_server: CosmosServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    settings = StoreSettings(
        backend="cosmos",
        cosmos_connection_string=SecretStr(cosmos_server.connection_string),
        cosmos_database="console",
        blob_folder=str(tmp_path_factory.mktemp("blobs")),
    )
    async with open_stage(browser, settings) as stage:
        yield stage


@pytest.fixture
async def on_tables(browser: Browser, empty_azurite: Azurite) -> AsyncIterator[Stage]:
    settings = StoreSettings(backend="table", table_connection_string=SecretStr(empty_azurite.connection_string))
    async with open_stage(browser, settings) as stage:
        yield stage


async def test_a_run_is_watched_on_cosmos_db(on_cosmos: Stage) -> None:
    """Lines come as they are stored, older ones are read, all are searched, and the end is seen."""
    run = await on_cosmos.run()
    async with on_cosmos.store.execution_data.recording(run, capture=False) as recording:
        for number in range(1_200):
            recording.info(f"line {number}{' needle' if number == 7 else ''}")
        await recording.flush(seconds=60)
        page = await on_cosmos.page(f"runs/GLOBAL/{run.execution_id}")
        log = LogView(page)
        await log.is_at_end("line 1199")
        await expect(page.get_by_role("navigation")).to_contain_text("Live")
        recording.info("and one more")
        await log.is_at_end("and one more")
        await log.search.fill("needle")
        await expect(log.panel).to_contain_text("–/1")
        await log.search.press("Enter")
        await log.shows("line 7 needle")
    await on_cosmos.store.executions.complete(run, ExecutionStatus.SUCCESS)
    await expect(page.locator("header")).to_contain_text("Success")


async def test_a_run_is_read_on_table_storage(on_tables: Stage) -> None:
    """Where nothing can be told as it happens the page says so, and shows what was saved once the run has ended."""
    run = await on_tables.run()
    page = await on_tables.page(f"runs/GLOBAL/{run.execution_id}")
    log = LogView(page)
    await expect(page.get_by_text("Read every 5 s:")).to_be_visible()
    await expect(page.get_by_role("navigation")).to_contain_text("Reading every 5 s")
    async with on_tables.store.execution_data.recording(run, capture=False) as recording:
        recording.info("a line")
        recording.set_variables({"a": 1})
    await on_tables.store.executions.complete(run, ExecutionStatus.SUCCESS)
    await log.shows("a line")
    await expect(page.get_by_role("tabpanel")).to_contain_text("a: 1")


async def test_whatever_is_cut_each_line_is_shown_once(browser: Browser, tmp_path: Path) -> None:
    """Connections are cut at random while lines come: in the end each is there once and in order."""
    async with CuttingProxy(0, seed=7, pause=None) as proxy:
        here = f"127.0.0.1:{proxy.port}"
        async with open_stage(browser, StoreSettings(sqlite_path=str(tmp_path / "cut.db")), [here]) as stage:
            proxy._upstream = int(stage.address.rstrip("/").rpartition(":")[2])
            stage.address = f"http://{here}/"
            run = await stage.run()
            async with stage.store.execution_data.recording(run, capture=False) as recording:
                recording.info("the first line")
                log = LogView(await stage.page(f"runs/GLOBAL/{run.execution_id}"))
                await expect(log.page.get_by_role("navigation")).to_contain_text("Live")
                await log.shows("the first line")
                proxy.pause = 0.2
                for number in range(400):
                    recording.info(f"line {number}")
                    await asyncio.sleep(0.01)
                assert proxy.cuts
                proxy.pause = None
                await log.is_at_end("line 399")
                await log.foot("401 lines · INFO and above · all loaded")
            expected = ["the first line", *(f"line {number}" for number in range(400))]
            assert expected == await read_through(log, expected[-1])
            stage.expected.add("")  # Browsers have many words for a connection that is cut.


async def read_through(log: LogView, last: str) -> list[str]:
    """Return the message of every line, as they are scrolled through from the first."""
    await log.list.focus()
    await log.page.keyboard.press("Home")
    await log.shows("the first line")
    found: dict[str, None] = {}
    while last not in found:
        await until(log.is_drawn)
        found |= dict.fromkeys(await log.seen())
        await log.list.evaluate("list => list.scrollBy(0, 200)")
    return list(found)
