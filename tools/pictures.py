"""Takes the pictures of docs/howto/watch-runs.md: the console on made-up runs, in Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, async_playwright

from bifrost_store import GLOBAL, Execution, ExecutionStatus, Store
from bifrost_store.console.serving import serve
from bifrost_store.settings import StoreSettings

FOLDER = Path(__file__).parents[1] / "docs" / "howto" / "pictures"
SIZE = {"width": 1120, "height": 620}
MOST_BYTES = 100_000


async def main() -> None:
    """Fill a store, open the console, and take each picture."""
    chromium = os.environ.get("BIFROST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is missing: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            serving(StoreSettings(sqlite_path=f"{folder}/pictures.db")) as (address, store),
            async_playwright() as playwright,
        ):
            failed = await fill(store)
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = await browser.new_page(viewport=SIZE, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
            await page.goto(address)
            await page.get_by_text("report_licences").first.wait_for()
            await page.get_by_text("Live", exact=True).wait_for()
            await take(page, "runs")
            await page.goto(f"{address.partition('#')[0]}runs/GLOBAL/{failed.execution_id}")
            await page.get_by_text("user 412 could not be written").wait_for()
            await page.get_by_text("all loaded").wait_for()
            await take(page, "run")
            await browser.close()


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


async def take(page: Page, name: str) -> None:
    """Save a picture, which must stay small."""
    content = await page.screenshot()
    if len(content) > MOST_BYTES:
        raise SystemExit(f"{name}.png has {len(content):,} bytes; at most {MOST_BYTES:,} belong into the repository")
    (FOLDER / f"{name}.png").write_bytes(content)


if __name__ == "__main__":
    asyncio.run(main())
