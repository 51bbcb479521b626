"""A run as long as they get: 200,000 lines, and the page stays quick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bifrost_store import GLOBAL, ExecutionStatus, Store
from bifrost_store.core.clock import format_time
from bifrost_store.core.execution_data import DataDocument, segment_id
from bifrost_store.core.version import new_write_id
from bifrost_store.repositories.execution_data.places import run_of
from tests.console.browser.conftest import Stage, until
from tests.console.browser.looking import LogView
from tests.thorough import is_thorough

pytestmark = [pytest.mark.anyio, pytest.mark.servers, pytest.mark.long]
LINES = 200_000 if is_thorough() else 20_000
_EACH = 100
_WATCH_LONG_TASKS = """() => {
  window.tasks = [];
  new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(one => Math.round(one.duration))))
    .observe({ type: 'longtask' });
}"""


def message(number: int) -> str:
    return f"line {number:06d}" + " and some more words" * (number * 7 % 13)


async def record(store: Store, count: int) -> str:
    """Store a run of so many lines, as flushes do, without their time."""
    run = await store.executions.create(
        GLOBAL, workflow_name="large", executed_by="kim@x.example", executed_by_name="Kim", execution_id="large"
    )
    data = (await store.backend.data_place(GLOBAL)).data
    assert data is not None
    began, of, flushes = datetime.now(UTC), run_of(run.record), []
    for first in range(1, count, _EACH):
        time = began + timedelta(milliseconds=first)
        lines = [
            {"number": number, "timestamp": format_time(time), "level": "info", "message": message(number)}
            for number in range(first, first + _EACH)
        ]
        identifier = segment_id(GLOBAL, 0, first)
        expires = began + timedelta(days=1)
        last = first + _EACH - 1
        flushes.append([DataDocument(of, identifier, "log", {"lines": lines}, time, new_write_id(), expires, 0, first, last)])
    for start in range(0, len(flushes), 50):
        assert not any(await data.append(flushes[start : start + 50]))
    await store.executions.complete(run, ExecutionStatus.SUCCESS)
    return run.execution_id


async def test_a_run_of_200_000_lines_is_at_hand(stage: Stage) -> None:
    """It opens at its end, is read back by scrolling, gone through from top to end, and counted; all lines are never drawn."""
    execution_id = await record(stage.store, LINES)
    page = await stage.page()
    await page.goto(f"{stage.address}runs/GLOBAL/{execution_id}")
    log = LogView(page)
    await log.is_at_end(message(LINES))
    await page.evaluate(_WATCH_LONG_TASKS)
    await log.list.hover()
    seen = LINES
    while seen > LINES - 5_000:
        await page.mouse.wheel(0, -3_000)
        seen = min([seen, *(int(line.partition("-")[2]) for line in await log.seen_lines())])
        assert await page.locator("[data-line]").count() < 200
    await log.foot(f"{LINES:,} lines · INFO and above")
    await log.list.focus()
    await page.keyboard.press("Home")
    await log.shows(message(1))
    await page.keyboard.press("End")
    await log.is_at_end(message(LINES))
    tasks = await page.evaluate("window.tasks")
    print(f"{LINES} lines: {len(tasks)} long tasks, {max(tasks, default=0)} ms the longest")

    await log.search.fill(f"line {LINES // 2:06d}")
    await until(lambda: log.panel.get_by_text("–/1").count(), wanted=1)
    await log.search.press("Enter")
    await log.shows(message(LINES // 2))
