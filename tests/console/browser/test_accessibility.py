"""Nobody is left out: what axe finds, and what is said to those who hear the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from bifrost_store import ExecutionStatus
from tests.console.browser.conftest import Stage
from tests.console.browser.looking import LogView

pytestmark = [pytest.mark.anyio, pytest.mark.servers]
_RUN = "() => axe.run(document, { resultTypes: ['violations'] })"


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    found = os.environ.get("BIFROST_AXE") or str(Path(__file__).parents[3] / "web" / "node_modules" / "axe-core" / "axe.min.js")
    if not Path(found).exists():
        reason = "axe-core is not here; run the tests through nox, which brings it, or `npm ci` in web/"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(found).read_text("utf-8")


async def violations(page: Page, axe: str) -> list[str]:
    """Return what axe finds on a page as it is now."""
    await page.evaluate(axe)
    found: dict[str, Any] = await page.evaluate(_RUN)
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(stage: Stage, axe: str, scheme: str) -> None:
    """No page has a violation, in either theme: lists, a failed run with everything open, results, menus, what is missing."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        for level in ("debug", "info", "warning", "error", "critical"):
            recording.log(level, f"\x1b[32mgreen\x1b[33m {level} \x1b[2mdim\x1b[0m needle", data={"a": {"b": [1, None, "text"]}})
        recording.log("error", "failed", traceback='Traceback:\n  File "a.py", line 1\nValueError: no')
        for number in range(3):
            recording.set_variables({"n": number, "deep": {"a": 1}})
            await recording.flush()
        recording.set_state({"step": 1})
    outcome: dict[str, Any] = {"error_type": "ValueError", "error_message": "no", "result": {"a": [1]}}
    await stage.store.executions.complete(run, ExecutionStatus.FAILED, **outcome)
    page = await stage.page(scheme=scheme)
    await expect(page.locator("tbody")).to_contain_text("Failed")
    found = await violations(page, axe)
    await page.get_by_role("button", name="Scope:").click()
    await page.get_by_role("option").first.wait_for()
    found += await violations(page, axe)

    await page.goto(
        f"{stage.address}runs/GLOBAL/{run.execution_id}?levels=debug,info,warning,error,critical&q=needle&tab=variables"
    )
    log = LogView(page)
    await log.shows("needle")
    await expect(log.panel).to_contain_text("/5")
    await log.panel.get_by_role("button", name="ValueError").click()
    await log.panel.get_by_role("button", name="data").first.click()
    await page.get_by_role("tabpanel").get_by_text("deep").click()
    found += await violations(page, axe)
    for tab in ("State", "Result", "Input"):
        await page.get_by_role("tab", name=tab).click()
        found += await violations(page, axe)
    await page.goto(f"{stage.address}runs/GLOBAL/missing")
    await page.get_by_role("heading", name="There is no such run").wait_for()
    found += await violations(page, axe)
    stage.expected.add("404")

    assert [] == found


async def test_new_lines_are_told_politely(stage: Stage) -> None:
    """The log itself is not read out as it grows; now and then it is said how many lines are new, and how many errors."""
    run = await stage.run()
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.info("first")
        await recording.flush()
        page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
        log = LogView(page)
        await log.shows("first")
        await expect(log.list).to_have_attribute("aria-live", "off")
        await log.list.focus()
        for number in range(23):
            recording.info(f"line {number}")
        recording.error("an error")
        await expect(log.panel.locator("[aria-live=polite]")).to_have_text("24 new lines, 1 error", timeout=20_000)
        await expect(log.list).to_be_focused()
