"""The page in a browser: Debian's Chromium, driven by playwright, against a console of this process."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, StorageState, expect

from bifrost_store import GLOBAL, Execution, ExecutionStatus, Scope, Store
from bifrost_store.console.serving import serve
from bifrost_store.settings import StoreSettings

WIDE = (1280, 800)
PATIENCE = 20_000
"""Milliseconds that something on the page may take to come true on a busy machine; not a promise."""
expect.set_options(timeout=PATIENCE)
_ERROR = "error of the page: "
_numbers = count(1)


@dataclass
class Stage:
    """A console, its store, and a browser that enters it."""

    store: Store
    address: str
    token: str
    browser: Browser
    session: StorageState | None = None
    contexts: list[BrowserContext] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    """Parts of what browsers are to complain of, whenever they come to it. Errors of the page's own are always too many."""

    async def page(self, path: str = "", *, size: tuple[int, int] = WIDE, scheme: str = "light", **options: Any) -> Page:
        """Open a page of the console in a browser of its own; what it complains about fails the test."""
        given = {"color_scheme": scheme, "locale": "en-GB", "timezone_id": "UTC", "storage_state": self.session, **options}
        context = await self.browser.new_context(viewport={"width": size[0], "height": size[1]}, **given)
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"{_ERROR}{error}"))
        page.on("console", lambda told: self.problems.append(told.text) if told.type in ("error", "warning") else None)
        if self.session is None:
            await page.goto(f"{self.address}#token={self.token}")
            await page.get_by_role("heading", name="Runs").wait_for()
            self.session = await context.storage_state()
        await page.goto(self.address + path)
        return page

    async def run(self, scope: Scope = GLOBAL, **fields: Any) -> Execution:
        """Start a run."""
        given = {
            "workflow_name": "sync_users",
            "executed_by": "kim@x.example",
            "executed_by_name": "Kim Lee",
            "execution_id": f"run-{next(_numbers)}",
            **fields,
        }
        return await self.store.executions.create(scope, **given)

    async def ended(
        self, messages: Sequence[str | tuple[str, str]], status: ExecutionStatus = ExecutionStatus.SUCCESS, **outcome: Any
    ) -> Execution:
        """Record a run that has ended: messages, or levels and messages."""
        run = await self.run()
        async with self.store.execution_data.recording(run, capture=False) as recording:
            for message in messages:
                level, text = ("info", message) if isinstance(message, str) else message
                recording.log(level, text)
            await recording.flush(seconds=60)
        return await self.store.executions.complete(run, status, **outcome)

    async def leave(self) -> None:
        """Close every page; none has complained of anything but what was expected."""
        for context in self.contexts:
            await context.close()
        self.contexts.clear()
        assert [] == [one for one in self.problems if one.startswith(_ERROR) or not any(part in one for part in self.expected)]


@pytest.fixture(scope="module")
async def theatre(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The console of a module."""
    settings = StoreSettings(sqlite_path=str(tmp_path_factory.mktemp("console") / "console.db"))
    async with open_stage(browser, settings) as stage:
        yield stage


@contextlib.asynccontextmanager
async def open_stage(browser: Browser, settings: StoreSettings, allowed_hosts: Sequence[str] = ()) -> AsyncIterator[Stage]:
    """Serve a console."""
    async with _serving(settings, allowed_hosts) as (address, store):
        await store.provision()
        plain, _, token = address.partition("#token=")
        stage = Stage(store, plain, token, browser)
        yield stage
        await stage.leave()


@pytest.fixture
async def stage(theatre: Stage) -> AsyncIterator[Stage]:
    """The theatre without what an earlier test has left open; the page has complained about nothing."""
    theatre.problems.clear()
    theatre.expected.clear()
    yield theatre
    await theatre.leave()


@contextlib.asynccontextmanager
async def _serving(settings: StoreSettings, allowed_hosts: Sequence[str]) -> AsyncIterator[tuple[str, Store]]:
    ready: asyncio.Future[tuple[str, Store]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, allowed_hosts=allowed_hosts, on_ready=lambda *told: ready.set_result(told)))
    both: list[asyncio.Future[Any]] = [ready, task]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    yield ready.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(ask: Callable[[], Any], *, wanted: object = True) -> None:
    """Wait until what *ask* returns is *wanted*, as patiently as the browser is waited for."""
    found: object = None
    try:
        async with asyncio.timeout(2 * PATIENCE / 1000):
            while True:
                found = ask()
                if inspect.isawaitable(found):
                    found = await found
                if found == wanted:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found!r:.1000} never became {wanted!r:.1000}") from None


async def fits(page: Page) -> None:
    """Wait until nothing of a page has to be scrolled sideways."""
    await until(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
