"""What `bench.painting` says of the page itself: its size, how soon it shows something, and what it does at a time."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import statistics
from collections.abc import AsyncIterator, Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn
from playwright.async_api import Browser, BrowserContext, Page

from bench.kept import keep
from bench.painted import TOKEN, chromium, entered
from bench.tasks import Tasks, traced
from bench.watched import ORG
from bench.watching import answers, free_port, tried
from bifrost_store import ExecutionStatus, Store, StoreSettings, open_store
from bifrost_store.console import Access, console_app
from bifrost_store.console.site import FOLDER

MOST_BYTES: Final = 200_000
"""Of the page, compressed."""
_LOADS: Final = 10
_LINES: Final = 200_000
_MOST_WORK: Final = 50.0
"""Milliseconds of one task."""
_FIRST_PAINT: Final = """() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"""
_CONTENT: Final = {"runs": "a[data-run]", "run": "[data-line]"}


def sizes() -> bool:
    """Print the size of each part of the page as it is sent, compressed; return whether all of it keeps to the limit."""
    found = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in sorted(FOLDER.rglob("*.*")) if path.is_file()}
    for name, size in found.items():
        print(f"page: {name} {size / 1000:.1f} KB compressed")
    total = sum(found.values())
    print(f"page: {total / 1000:.1f} KB compressed in all", flush=True)
    return total <= MOST_BYTES


async def first_paints(most_of_others: float) -> bool:
    """Print how soon the pages of runs and of a run show something, and their content, in a browser that has nothing of them."""

    async def run() -> Callable[[], bool]:
        async with _served(2_000) as (store, address), chromium() as browser:
            for number in range(60):
                await store.executions.create(ORG, workflow_name=f"w{number % 5}", executed_by="u", executed_by_name="U")
            times = {page: [await _load(browser, address, page) for _ in range(_LOADS)] for page in _CONTENT}
        return partial(_report_paints, times)

    return await tried("first paint", run, most_of_others)


def _report_paints(times: dict[str, list[tuple[float, float]]]) -> bool:
    for page, loads in times.items():
        first, content = (statistics.median(values) for values in zip(*loads, strict=True))
        print(f"first paint of {page}: {first:.0f} ms, with content {content:.0f} ms, medians of {len(loads)} loads", flush=True)
    return True


async def _load(browser: Browser, address: str, name: str) -> tuple[float, float]:
    """Return milliseconds until a page has painted anything, and its content."""
    context = await _with_session(browser, address)
    page = await context.new_page()
    await page.goto(f"{address}runs/{ORG}{'/run' if name == 'run' else ''}")
    content: float = await page.evaluate(
        """selector => new Promise(resolve => {
          const look = () => {
            if (document.querySelector(selector)) setTimeout(() => resolve(performance.now()));
            else requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        })""",
        _CONTENT[name],
    )
    # What was painted is told of a little later.
    first: float = await (await page.wait_for_function(_FIRST_PAINT)).json_value()
    await context.close()
    return first, content


async def _with_session(browser: Browser, address: str) -> BrowserContext:
    """Return a browser with a session and an empty cache."""
    with_cache = await entered(browser, address)
    state = await with_cache.storage_state()
    await with_cache.close()
    return await browser.new_context(viewport={"width": 1280, "height": 800}, storage_state=state)


async def long_run(most_of_others: float) -> bool:
    """Print what tasks take when somebody goes through 200,000 lines; return whether none works too long."""

    async def run() -> Callable[[], bool]:
        async with _served(_LINES) as (_, address), chromium() as browser:
            context = await entered(browser, address)
            page = await context.new_page()
            await page.goto(f"{address}runs/{ORG}/run")
            async with traced(page) as tasks:
                await _go_through(page)
            await context.close()
        return partial(_report_tasks, tasks)

    return await tried(f"{_LINES:,} lines", run, most_of_others)


async def _go_through(page: Page) -> None:
    log = page.get_by_role("log")
    await page.get_by_text(f"{_LINES:,} lines").wait_for(timeout=120_000)
    await log.hover()
    for _ in range(150):
        await page.mouse.wheel(0, -1_000)
        await page.evaluate("new Promise(requestAnimationFrame)")
    for key, line in (("Home", 1), ("End", _LINES)):
        await log.focus()
        await page.keyboard.press(key)
        await page.locator(f"[data-line='0-{line}']").wait_for()
    await page.get_by_role("searchbox").fill("line 99999")
    await page.get_by_text("–/1").wait_for(timeout=120_000)
    await page.get_by_role("searchbox").press("Enter")
    await page.locator("[data-line='0-99999']").wait_for()


def _report_tasks(tasks: Tasks) -> bool:
    print(f"{_LINES:,} lines: {tasks}", flush=True)
    return tasks.cpu[0] <= _MOST_WORK


@contextlib.asynccontextmanager
async def _served(lines: int) -> AsyncIterator[tuple[Store, str]]:
    """Serve the console on a store with one run of so many lines."""
    with TemporaryDirectory(prefix="bifrost-store-bench-") as folder:
        async with open_store(StoreSettings(sqlite_path=f"{folder}/runs.db")) as store:
            await store.provision()
            run = await store.executions.create(ORG, workflow_name="w", executed_by="u", executed_by_name="U", execution_id="run")
            await keep(store, run, [("info", f"line {number} {'x' * (number % 7 * 20)}") for number in range(1, lines + 1)])
            await store.executions.complete(run, ExecutionStatus.SUCCESS)
            port = free_port()
            app = console_app(store, Access({f"127.0.0.1:{port}"}, TOKEN))
            server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
            serving = asyncio.create_task(server.serve())
            await answers(port)
            yield store, f"http://127.0.0.1:{port}/"
            server.should_exit = True
            await serving
