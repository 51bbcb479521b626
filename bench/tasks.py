"""What a page's main thread does at a time, by Chromium's own trace, in which the browser's own pages work, too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Page
from typing_extensions import override

_CATEGORIES: Final = ["toplevel", "blink.user_timing"]
"""Not ``devtools.timeline``: to tell who began what, it lets V8 parse scripts once more, in the page's own tasks."""
_MARK: Final = "this page"


@dataclass
class Tasks:
    """Tasks of the main thread, in milliseconds, the longest first.

    Attributes:
        cpu: How long the thread worked: what the page is to blame for.
        wall: From beginning to end: on a busy machine also what others took.
    """

    cpu: list[float] = field(default_factory=list[float])
    wall: list[float] = field(default_factory=list[float])

    @override
    def __str__(self) -> str:
        over = sum(one > 50 for one in self.wall)
        return f"longest task {self.cpu[0]:.0f} ms of work, {self.wall[0]:.0f} ms in all; {over} over 50 ms in all"


@contextlib.asynccontextmanager
async def traced(page: Page) -> AsyncIterator[Tasks]:
    """Watch a page; the tasks are known when the block has ended."""
    tasks, events, is_complete = Tasks(), list[Mapping[str, Any]](), asyncio.Event()
    session = await page.context.new_cdp_session(page)
    session.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    session.on("Tracing.tracingComplete", lambda _: is_complete.set())
    config = {"includedCategories": _CATEGORIES}
    await session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
    yield tasks
    await page.evaluate("mark => { performance.mark(mark); }", _MARK)
    await session.send("Tracing.end")
    await is_complete.wait()
    await session.detach()
    (thread,) = {(one["pid"], one["tid"]) for one in events if one["name"] == _MARK}
    for one in events:
        if one["ph"] == "X" and one["name"].endswith("RunTask") and (one["pid"], one["tid"]) == thread:
            tasks.cpu.append(one.get("tdur", 0) / 1000)
            tasks.wall.append(one["dur"] / 1000)
    tasks.cpu.sort(reverse=True)
    tasks.wall.sort(reverse=True)
