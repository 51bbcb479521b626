"""An API that is slow, wrong or at its limits, and values that are hard to show: what can be is, the rest says why not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from bifrost_store import ExecutionStatus, Scope
from bifrost_store.console import live
from bifrost_store.settings import StoreSettings
from bifrost_store.signalr import Limits
from tests.console.browser.conftest import Stage, fits, open_stage
from tests.console.browser.looking import LogView

pytestmark = [pytest.mark.anyio, pytest.mark.servers]
_TOLD = {"message": "the database is upset", "isRetryable": False, "retryAfterSeconds": None, "requestId": "abc123"}
ANSWERS: dict[str, dict[str, Any]] = {
    "an error": {"status": 500, "headers": {"x-request-id": "abc123"}, "json": {"error": _TOLD}},
    "a page": {"status": 200, "body": "<h1>Sign in</h1>", "content_type": "text/html"},
    "a list": {"status": 200, "json": []},
    "other members": {"status": 200, "json": {"runs": None, "items": [None], "slices": 7, "id": 1, "variables": []}},
}


async def answer(page: Page, path: str, **given: Any) -> None:
    """Let the API answer so where an address matches."""

    async def fulfill(route: Route) -> None:
        await route.fulfill(**given)

    await page.route(path, fulfill)


def forgive(stage: Stage) -> None:
    """Browsers complain of answers that are errors."""
    stage.expected.add("Failed to load resource")


_PARTS = {
    "dashboard/platform": ("dashboard/*", "The figures"),
    "dashboard/GLOBAL": ("runs/*", "Latest failures"),
    "feed": ("cost/process", "This process"),
    "migration": ("migration", "From Table Storage to Cosmos DB"),
}
"""By page, what is answered with something else, and the part that says so."""


@pytest.mark.parametrize("name", ["a list", "other members"])
async def test_what_is_wrong_fails_alone_where_it_is_operated(stage: Stage, name: str) -> None:
    """Dashboard, feed, cost and migration say which part got something else; it is there once it is read again."""
    for place, (path, what) in _PARTS.items():
        page = await stage.page("nowhere")
        await answer(page, f"**/api/{path}*", **ANSWERS[name])
        await page.goto(f"{stage.address}{place}")
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text(f"{what} could not be read: The console answered with something else (200).")
        await page.unroute_all()
        await alert.get_by_role("button", name="Retry").click()
        await expect(alert).to_have_count(0)


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_is_wrong_fails_alone(stage: Stage, name: str) -> None:
    """Each part that got something else says so, with the request where it has one, and is read again; the others are there."""
    scope = Scope.organization("wrong")
    run = await stage.run(scope, workflow_name="sync")
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.info("a line")
        recording.set_variables({"a": 1})
    await stage.store.executions.complete(run, ExecutionStatus.SUCCESS, result={"b": 2})
    told = "The database is upset. Request abc123." if name == "an error" else "The console answered with something else"
    page = await stage.page("nowhere")
    await answer(page, "**/api/runs/**", **ANSWERS[name])
    await page.goto(f"{stage.address}runs/{scope}")
    await expect(page.get_by_role("alert")).to_contain_text(told)
    await page.unroute_all()
    await page.get_by_role("button", name="Retry").click()
    await expect(page.locator("tbody")).to_contain_text("sync")

    for part in ("items", "outline", "variables"):
        await answer(page, f"**/{run.execution_id}/{part}*", **ANSWERS[name])
    await page.goto(f"{stage.address}runs/{scope}/{run.execution_id}")
    log, panel = LogView(page), page.get_by_role("tabpanel")
    await expect(page.get_by_role("heading", name="sync")).to_be_visible()
    await expect(log.panel.get_by_role("alert")).to_contain_text(told)
    await log.foot("not read")
    await expect(panel.get_by_role("alert")).to_contain_text(told)
    await page.get_by_role("tab", name="Result").click()
    await expect(panel).to_contain_text("b: 2")
    await page.unroute_all()
    await log.panel.get_by_role("button", name="Retry").click()
    await log.shows("a line")
    await page.get_by_role("tab", name="Variables").click()
    await panel.get_by_role("button", name="Retry").or_(panel.get_by_text("a: 1")).first.click()
    await expect(panel).to_contain_text("a: 1")
    forgive(stage)


async def test_who_asks_cannot_be_told(stage: Stage) -> None:
    """Where the console answers nothing of use from the start, the page says that, and tries again when it is asked to."""
    page = await stage.page("nowhere")
    await answer(page, "**/api/me", **ANSWERS["a list"])
    await page.goto(f"{stage.address}runs/GLOBAL")
    await expect(page.get_by_role("heading", name="The console does not answer")).to_be_visible()
    await page.unroute_all()
    await page.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()


async def test_what_takes_long_keeps_its_place(stage: Stage) -> None:
    """A skeleton stands where something will be, not before 150 ms; what was read stays while it is read again."""
    scope = Scope.organization("slow")
    failed = await stage.run(scope, workflow_name="sync")
    await stage.store.executions.complete(failed, ExecutionStatus.FAILED)
    await stage.run(scope, workflow_name="report")
    page = await stage.page("nowhere")
    waiting: asyncio.Event = asyncio.Event()

    async def hold(route: Route) -> None:
        await waiting.wait()
        await route.continue_()

    await page.route("**/api/runs/**", hold)
    await page.goto(f"{stage.address}runs/{scope}")
    skeleton = page.get_by_role("status", name="Reading runs")
    await expect(skeleton).to_be_visible()
    delay = "one => getComputedStyle(one).animationDelay + ' ' + getComputedStyle(one).animationFillMode"
    assert await skeleton.evaluate(delay) == "0.15s backwards"
    waiting.set()
    await expect(page.locator("tbody tr")).to_have_count(2)
    waiting.clear()
    await page.get_by_role("button", name="Failed").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(skeleton).to_be_hidden()
    waiting.set()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.unroute_all()


async def test_hard_values_are_shown(stage: Stage) -> None:
    """Megabytes, many and long keys, depth, direction marks and broken characters, wherever values and names stand."""
    deep: Any = "the bottom"
    for _ in range(90):
        deep = [deep]
    run = await stage.run(
        workflow_name="safe\u202eelif", executed_by_name="Kim \u2066Lee", input_data={"deep": deep, "k" * 5_000: "\u202e"}
    )
    async with stage.store.execution_data.recording(run, capture=False) as recording:
        recording.info("a line", data={"blob": "x" * 60_000, "half": "\ud83d", "deep": deep})
        recording.set_variables(
            {"blob": "y" * 1_000_000, "many": dict.fromkeys(map(str, range(5_000)), 0), "mark\u202e": "<b>\u202e</b>"}
        )
    error: dict[str, Any] = {"error_type": "E\u202e", "error_message": "no\u2066 <img src=x>"}
    await stage.store.executions.complete(run, ExecutionStatus.FAILED, **error, result="r\u202e" * 10, result_type="text")
    page = await stage.page(f"runs/GLOBAL/{run.execution_id}")
    log, panel = LogView(page), page.get_by_role("tabpanel")
    await log.shows("a line")
    await expect(page.get_by_role("heading", name="safeU+202Eelif")).to_be_visible()
    await expect(page.locator("header").first).to_contain_text("Kim U+2066Lee")
    await expect(page.get_by_role("alert")).to_contain_text("noU+2066 <img src=x>")
    await log.panel.get_by_role("button", name="data").click()
    await expect(log.list).to_contain_text("Show all 60,000 characters")
    await expect(panel).to_contain_text("Show all 1,000,000 characters")
    await expect(panel).to_contain_text("markU+202E")
    await panel.get_by_role("button", name="many").click()
    await expect(panel).to_contain_text("4900 more")
    await panel.get_by_role("button", name="Show all").click()
    await page.get_by_role("tab", name="Result").click()
    await expect(panel).to_contain_text("rU+202E")
    await page.get_by_role("tab", name="Input").click()
    await expect(panel).to_contain_text("k" * 300 + "…")
    await fits(page)
    assert not await page.evaluate("/[\\u202e\\u2066]/.test(document.body.innerText)")


async def test_a_tab_too_many_reads(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the hub takes no more of a user's tabs, the next one says that it reads every few seconds, and misses nothing."""
    monkeypatch.setattr(live, "_LIMITS", Limits(connections=100, connections_per_user=1))
    settings = StoreSettings(sqlite_path=str(tmp_path_factory.mktemp("tabs") / "tabs.db"))
    async with open_stage(browser, settings) as stage:
        run = await stage.run()
        async with stage.store.execution_data.recording(run, capture=False) as recording:
            recording.info("before")
            first = await stage.page(f"runs/GLOBAL/{run.execution_id}")
            await expect(first.get_by_role("navigation")).to_contain_text("Live")
            second = await stage.page(f"runs/GLOBAL/{run.execution_id}")
            await expect(second.get_by_role("navigation")).to_contain_text("Reading every 5 s")
            recording.info("after")
            for page in (first, second):
                await LogView(page).is_at_end("after")
        forgive(stage)
