"""What `bench.painting` measures: the console, and what a browser has painted of it when."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Browser, BrowserContext, Page, WebSocket, async_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from bench.watched import ORG, write_when_asked
from bifrost_store.console import Access, console_app
from bifrost_store.console.live import Live, console_hub
from bifrost_store.opening.realtime import open_realtime
from bifrost_store.realtime import platform_rules

TOKEN: Final = "bench" * 8
_NOTE_PAINTS: Final = """() => {
  window.painted = [];
  let fresh = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = ({ data }) => {
    const at = (performance.timeOrigin + performance.now()) / 1000;
    for (const line of data) window.painted.push([line, at]);
  };
  const rows = node => node instanceof Element ? [node, ...node.querySelectorAll('[data-line]')] : [];
  new MutationObserver(changes => {
    const isFirst = fresh.length === 0;
    for (const { target, addedNodes, type } of changes) {
      for (const row of type === 'attributes' ? [target] : [...addedNodes].flatMap(rows)) {
        if (row.dataset?.line) fresh.push(row.dataset.line);
      }
    }
    if (isFirst && fresh.length > 0) {
      requestAnimationFrame(() => { channel.port2.postMessage(fresh); fresh = []; });
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-line'] });
}"""
"""A line is painted when the task after the frame that draws it begins."""
_CLOCKS: Final = 20


def console(host: str, *, publishes: bool, rates: tuple[float, float], seconds: float) -> Starlette:
    """Return the console as it is served at *host*, which records once a line comes on standard input, if it *publishes*."""
    hub = console_hub()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with hub, open_realtime(hub, may_watch=platform_rules, publishes=publishes) as opened:
            served = console_app(opened.store, Access({host}, TOKEN), live=Live(hub, opened.watchers))
            app.router.routes.append(Mount("/", served))
            task = asyncio.create_task(write_when_asked(hub, rates, seconds)) if publishes else None
            yield
            if task is not None:
                await task

    return Starlette(lifespan=lifespan)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Open a browser.

    Raises:
        SystemExit: There is none.
    """
    path = os.environ.get("BIFROST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        raise SystemExit("Chromium is missing: apt-get install chromium, or name one by BIFROST_CHROMIUM")
    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        await browser.close()


async def entered(browser: Browser, address: str) -> BrowserContext:
    """Return a browser of its own that the console at *address* has let in."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    page = await context.new_page()
    await page.goto(f"{address}#token={TOKEN}")
    await page.get_by_role("heading", name="Runs").wait_for()
    await page.close()
    return context


@dataclass
class Watched:
    """A page on a run, and what it has painted."""

    page: Page
    run: str
    ahead: float
    disconnects: int = 0

    @classmethod
    async def open(cls, context: BrowserContext, address: str, run: str) -> Watched:
        """Open the page of a run and wait until it is told of lines."""
        page = await context.new_page()
        await page.add_init_script(f"({_NOTE_PAINTS})()")
        watched = cls(page, run, 0.0)
        page.on("websocket", watched._count)
        await page.goto(f"{address}runs/{ORG}/{run}")
        await page.get_by_text("Live", exact=True).wait_for()
        watched.ahead = await ahead(page)
        return watched

    def _count(self, socket: WebSocket) -> None:
        def note(_: object) -> None:
            self.disconnects += 1

        socket.on("close", note)

    async def painted(self) -> Mapping[tuple[str, int], float]:
        """Return when each line was painted, or one behind it, by this process's clock.

        Lines that came together and fill more than what is seen are passed without being drawn: they are there.
        """
        found: list[tuple[str, float]] = await self.page.evaluate("window.painted")
        first: dict[int, float] = {}
        for line, at in found:
            first.setdefault(int(line.rpartition("-")[2]), at - self.ahead)
        soonest, times = float("inf"), dict[tuple[str, int], float]()
        for number in range(max(first, default=0), 0, -1):
            soonest = min(soonest, first.get(number, soonest))
            times[self.run, number] = soonest
        return times


async def ahead(page: Page) -> float:
    """Return by how many seconds the page's clock is ahead of this process's, from the quickest of some questions."""
    answers: list[tuple[float, float]] = []
    for _ in range(_CLOCKS):
        asked = time.time()
        told: float = await page.evaluate("(performance.timeOrigin + performance.now()) / 1000")
        came = time.time()
        answers.append((came - asked, told - (asked + came) / 2))
    return min(answers)[1]
