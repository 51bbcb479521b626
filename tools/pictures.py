"""Takes the pictures of the console in docs/howto: on made-up runs, in Chromium."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from pydantic import SecretStr

from bifrost_store import GLOBAL, Execution, ExecutionStatus, Store, open_store
from bifrost_store.changefeed import DeadLetters, FeedName
from bifrost_store.changefeed.leases import FeedLeases
from bifrost_store.console.serving import serve
from bifrost_store.core.feed import FeedRange
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.opening.migration import open_migration
from bifrost_store.settings import StoreSettings

FOLDER = Path(__file__).parents[1] / "docs" / "howto" / "pictures"
SIZE: ViewportSize = {"width": 1120, "height": 620}
MOST_BYTES = 120_000


async def main() -> None:
    """Fill stores, open the console on each, and take each picture."""
    chromium = os.environ.get("BIFROST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is missing: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = StoreSettings(sqlite_path=f"{folder}/figures.db", metrics="aggregated", execution_retention_days=70)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            await take_runs(browser, StoreSettings(sqlite_path=f"{folder}/runs.db"))
            await take_figures(browser, figures)
            await take_migration(browser, Path(folder))
            await browser.close()


async def take_runs(browser: Browser, settings: StoreSettings) -> None:
    """Take a list of runs, and one that failed."""
    async with serving(settings) as (address, store):
        failed = await fill(store)
        page = await opened(browser, address)
        await page.get_by_text("report_licences").first.wait_for()
        await page.get_by_text("Live", exact=True).wait_for()
        await take(page, "runs")
        await page.goto(f"{address.partition('#')[0]}runs/GLOBAL/{failed.execution_id}")
        await page.get_by_text("user 412 could not be written").wait_for()
        await page.get_by_text("all loaded").wait_for()
        await take(page, "run")


async def take_figures(browser: Browser, settings: StoreSettings) -> None:
    """Take a dashboard of 30 days, and processors of which one is stuck."""
    await fill_days(settings)
    async with serving(settings) as (address, store):
        page = await opened(browser, address)
        await page.goto(f"{address.partition('#')[0]}dashboard/GLOBAL?window=30d")
        await page.get_by_role("img", name="Runs by day since").wait_for()
        await page.get_by_text("HttpResponseError").first.wait_for()
        await take(page, "dashboard", height=860)
        await follow(store)
        await page.goto(f"{address.partition('#')[0]}feed")
        await page.get_by_text("that a month may cost").wait_for(timeout=120_000)
        await take(page, "feed", height=740)


async def take_migration(browser: Browser, folder: Path) -> None:
    """Take a migration that was verified."""
    async with run_azurite() as azurite, CosmosEmulator(options=Options(consistency="Strong")) as cosmos:
        settings = StoreSettings(
            backend="table",
            table_connection_string=SecretStr(azurite.connection_string),
            cosmos_connection_string=SecretStr(cosmos.connection_string),
        )
        async with serving(settings) as (address, store), open_migration(settings, folder=folder) as migration:
            await store.provision()
            for number in range(12):
                await store.organizations.create(f"Customer {number}", created_by="ada@msp.example")
            await migration.run()
            page = await opened(browser, address)
            await page.goto(f"{address.partition('#')[0]}migration")
            await page.get_by_text("0 differences").wait_for()
            await take(page, "migration", height=860)


async def opened(browser: Browser, address: str) -> Page:
    """Open the console in a browser that has nothing yet."""
    page = await browser.new_page(viewport=SIZE, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    await page.goto(address)
    await page.get_by_role("heading", name="Runs").wait_for()
    return page


async def fill_days(settings: StoreSettings) -> None:
    """Let runs end over two months, and count them."""
    draw = random.Random(4)  # noqa: S311 - made-up runs
    end = now = datetime.now(UTC)
    names = ("sync_users", "close_tickets", "report_licences", "rotate_credentials", "archive_mail")
    async with open_store(settings, clock=lambda: now) as store:
        await store.provision()
        for hours in range(61 * 24, 0, -2):
            for _ in range(draw.randint(0, 3 if (end - timedelta(hours=hours)).weekday() < 5 else 1)):
                now = end - timedelta(hours=hours)
                name = names[min(int(draw.expovariate(0.7)), len(names) - 1)]
                run = await store.executions.create(
                    GLOBAL, workflow_name=name, executed_by="ada@msp.example", executed_by_name="Ada"
                )
                fails = draw.random() < 0.06
                outcome = {"error_type": "HttpResponseError", "error_message": "429 Too Many Requests"} if fails else {}
                status = ExecutionStatus.FAILED if fails else ExecutionStatus.SUCCESS
                await store.executions.complete(run, status, duration_ms=int(draw.lognormvariate(8.5, 1)), **outcome)
        now = end
        await store.metrics.rebuild()


async def follow(store: Store) -> None:
    """Leave what three processors would."""
    backend, now = store.backend.backend("sqlite"), datetime.now(UTC)
    held = {"problem": "KeyError", "failures": 12, "failing_since": now - timedelta(hours=2)}
    followed: list[tuple[str, FeedName, str, int, dict[str, Any]]] = [
        ("metrics", "executions", "worker-1 4711", 0, {}),
        ("realtime", "execution_data", "worker-2 812", 14, {}),
        ("search-index", "entities", "worker-2 812", 87, held),
    ]
    for name, feed, process, waiting, problem in followed:
        leases = FeedLeases(backend, name)
        await leases.begin(FeedRange("", "FF"), feed, None)
        row = (await leases.all())[0]
        lag = {"lag_items": waiting, "lag_seconds": 1.0 if not problem else 7_300.0}
        moved = now - timedelta(hours=2 if problem else 0)
        await leases.change(row, row.state.changed({"owner": name, "process": process, "moved_at": moved, **lag, **problem}))
    for number in range(3):
        lost = CorruptDocumentError("unreadable", key=f"org-acme/form-{number}")
        await DeadLetters(backend, "search-index").keep_unreadable("entities", lost)


async def fill(store: Store) -> Execution:
    """Record some runs, and return one that failed."""
    await store.provision()
    began = datetime.now(UTC) - timedelta(hours=3)
    for number in range(9):
        name = ("sync_users", "close_tickets", "report_licences")[number % 3]
        run = await store.executions.create(
            GLOBAL,
            workflow_name=name,
            executed_by="ada@msp.example",
            executed_by_name="Ada",
            started_at=began + timedelta(minutes=17 * number),
        )
        fails = number == 4
        outcome = {"error_type": "HttpResponseError", "error_message": "429 Too Many Requests"} if fails else {}
        status = ExecutionStatus.FAILED if fails else ExecutionStatus.SUCCESS
        await store.executions.complete(run, status, duration_ms=4_000 + 9_000 * number % 31_000, **outcome)
    run = await store.executions.create(GLOBAL, workflow_name="sync_users", executed_by="kim@x.example", executed_by_name="Kim Lee")
    async with store.execution_data.recording(run, capture=False) as recording:
        for number in range(700):
            recording.info(f"user {number} is up to date", data={"groups": number % 7} if number % 50 == 8 else None)
            if number == 408:
                recording.warning("quota is at 95 %")
            if number == 412:
                traceback = (
                    'Traceback (most recent call last):\n  File "sync.py", line 88, in write\nPermissionError: mailbox is locked'
                )
                recording.log("error", "user 412 could not be written", traceback=traceback)
            if number % 100 == 0:
                recording.set_variables({"done": number, "failed": int(number > 412), "tenant": {"id": "juniper", "users": 700}})
                await recording.flush()
    return await store.executions.complete(
        run, ExecutionStatus.FAILED, duration_ms=65_000, error_type="PermissionError", error_message="mailbox is locked"
    )


@asynccontextmanager
async def serving(settings: StoreSettings) -> AsyncIterator[tuple[str, Store]]:
    """Serve the console while pictures are taken."""
    ready: asyncio.Future[tuple[str, Store]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, on_ready=lambda address, store: ready.set_result((address, store))))
    yield await ready
    task.cancel()
    await asyncio.wait([task])


async def take(page: Page, name: str, *, height: int = SIZE["height"]) -> None:
    """Save a picture, which must stay small."""
    await page.set_viewport_size({"width": SIZE["width"], "height": height})
    content = await page.screenshot()
    if len(content) > MOST_BYTES:
        raise SystemExit(f"{name}.png has {len(content):,} bytes; at most {MOST_BYTES:,} belong into the repository")
    (FOLDER / f"{name}.png").write_bytes(content)


if __name__ == "__main__":
    asyncio.run(main())
