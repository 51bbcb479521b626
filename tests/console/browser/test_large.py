"""A run as long as they get: 200,000 lines, and the page stays quick."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from bench.kept import keep
from bench.tasks import traced
from bifrost_store import GLOBAL, Execution, ExecutionStatus, Store
from tests.console.browser.conftest import PATIENCE, Stage, until
from tests.console.browser.looking import LogView
from tests.thorough import is_thorough

pytestmark = [pytest.mark.anyio, pytest.mark.servers, pytest.mark.long]
LINES = 200_000 if is_thorough() else 20_000
_MOST_ROWS = 80
"""Of the log that are drawn at a time, and that are added at a time."""
_MOST_WORK = 200
"""Milliseconds of work in one task: four times what `bench.painting` allows, for machines that are busy."""
_COUNT_ROWS = """() => {
  window.most = 0;
  const rows = node => node instanceof Element ? node.querySelectorAll('[data-line]').length + node.matches('[data-line]') : 0;
  new MutationObserver(changes => {
    window.most = Math.max(window.most, changes.flatMap(one => [...one.addedNodes]).reduce((sum, node) => sum + rows(node), 0));
  }).observe(document.body, { childList: true, subtree: true });
}"""


def message(number: int) -> str:
    return f"line {number:06d}" + " and some more words" * (number * 7 % 13)


async def record(store: Store, count: int, *, error: int) -> Execution:
    """Store a failed run of so many lines, as flushes do, without their time."""
    run = await store.executions.create(
        GLOBAL, workflow_name="large", executed_by="kim@x.example", executed_by_name="Kim", execution_id="large"
    )
    await keep(store, run, [("error" if number == error else "info", message(number)) for number in range(1, count + 1)])
    return await store.executions.complete(run, ExecutionStatus.FAILED, error_type="ValueError", error_message="no")


async def test_a_run_of_200_000_lines_is_at_hand(stage: Stage) -> None:
    """It opens at its first error, is gone through from top to end, read back by scrolling, counted and searched.

    However many lines there are, only those that are seen are drawn, and what is done at a time is what they take.
    """
    error = LINES * 3 // 4
    run = await record(stage.store, LINES, error=error)
    page = await stage.page()
    await page.add_init_script(f"addEventListener('DOMContentLoaded', {_COUNT_ROWS})")
    async with traced(page) as tasks:
        await page.goto(f"{stage.address}runs/GLOBAL/{run.execution_id}")
        log = LogView(page)
        await log.shows(message(error))
        await expect(log.panel).to_contain_text(f"{LINES:,} lines · INFO and above", timeout=6 * PATIENCE)
        await log.list.focus()
        await page.keyboard.press("End")
        await log.is_at_end(message(LINES))
        await log.list.hover()
        seen = LINES
        while seen > LINES - 2_500:
            await page.mouse.wheel(0, -3_000)
            seen = min([seen, *(int(line.partition("-")[2]) for line in await log.seen_lines())])
            assert await page.locator("[data-line]").count() <= _MOST_ROWS
        await log.list.focus()
        await page.keyboard.press("Home")
        await log.shows(message(1))
        for text, found in ((f"line {LINES // 2:06d}", "–/1"), ("words", "–/5,000+")):
            await log.search.fill(text)
            await until(log.panel.get_by_text(found).count, wanted=1)
            await log.search.press("Enter")
        await log.shows("words")
        await log.panel.get_by_role("button", name="Filter").click()
        await log.foot("5,000 matching lines")
    print(f"{LINES} lines: {tasks}")
    assert await page.evaluate("window.most") <= _MOST_ROWS
    assert tasks.cpu[0] <= _MOST_WORK
