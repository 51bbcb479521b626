"""The dashboard: figures, chart and lists, what is not known, and what happens when a part cannot be read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from bifrost_store import GLOBAL, ExecutionStatus, Scope
from bifrost_store.settings import StoreSettings
from tests.console.browser.conftest import Stage, fits, open_stage
from tests.console.browser.test_accessibility import axe, violations

__all__ = ["axe"]

pytestmark = [pytest.mark.anyio, pytest.mark.servers]
JUNIPER = Scope.organization("juniper")
_DRAWN = """() => [...document.querySelectorAll('[data-period]')].map(column => column.querySelectorAll('rect').length)"""


@pytest.fixture(scope="module")
async def counted(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A console whose dashboards show what was counted: eight runs of three workflows in two scopes."""
    path = tmp_path_factory.mktemp("dashboard") / "console.db"
    async with open_stage(browser, StoreSettings(sqlite_path=str(path), metrics="aggregated")) as stage:
        await stage.store.organizations.create("Juniper", created_by="ada", id="juniper")
        for number in range(6):
            await ended(
                stage, GLOBAL, "sync" if number < 4 else "report", ExecutionStatus.SUCCESS, duration_ms=1_000 * (number + 1)
            )
        failure = {"error_type": "QuotaError", "error_message": "too many\nsecond line"}
        await ended(stage, GLOBAL, "export", ExecutionStatus.FAILED, duration_ms=9_000, **failure)
        await ended(stage, JUNIPER, "sync", ExecutionStatus.SUCCESS, duration_ms=50)
        await stage.store.metrics.rebuild()
        yield stage


@pytest.fixture
async def stage(counted: Stage) -> AsyncIterator[Stage]:
    counted.problems.clear()
    counted.expected.clear()
    yield counted
    await counted.leave()


async def ended(stage: Stage, scope: Scope, workflow: str, status: ExecutionStatus, **outcome: Any) -> None:
    run = await stage.run(scope, workflow_name=workflow)
    await stage.store.executions.complete(run, status, **outcome)


def figure(page: Page, name: str) -> Any:
    return page.locator("dl > div").filter(has_text=name)


async def workflows(page: Page) -> list[str]:
    found: list[str] = await page.get_by_role("region", name="Workflows").locator("tbody td:first-child").all_inner_texts()
    return found


async def test_a_dashboard_shows_how_runs_went(stage: Stage) -> None:
    """Figures, a column for each day, workflows by any figure, and failures that lead to their runs; all in the address."""
    page = await stage.page()
    await page.get_by_role("link", name="Dashboard").click()
    await expect(figure(page, "Runs")).to_contain_text("7")
    await expect(figure(page, "Success rate")).to_contain_text("85.7 %")
    await expect(page.locator("main > header")).to_contain_text("aggregated · counted")
    await expect(page.locator("main > header")).to_contain_text("UTC days")
    assert 7 == len(await page.evaluate(_DRAWN))
    await page.get_by_role("button", name="Table").focus()
    await page.keyboard.press("Enter")
    rows = page.get_by_role("region", name="Runs by day, in UTC").locator("tbody tr")
    await expect(rows).to_have_count(7)
    cells = [(await row.locator("td").all_inner_texts())[1:5] for row in await rows.all()]
    assert [7, 6, 1, 0] == [sum(map(int, column)) for column in zip(*[row for row in cells if "–" not in row], strict=True)]

    assert ["sync", "report", "export"] == await workflows(page)
    await page.get_by_role("button", name="p95").click()
    await expect(page.get_by_role("columnheader", name="p95")).to_have_attribute("aria-sort", "descending")
    assert ["export", "report", "sync"] == await workflows(page)
    await page.get_by_role("button", name="24 hours").click()
    await expect(page.get_by_role("heading", name="Runs by hour")).to_be_visible()
    assert {"sort=-p95", "window=24h"} == set(page.url.partition("?")[2].split("&"))
    await page.get_by_role("link", name="Whole platform").click()
    await expect(figure(page, "Runs")).to_contain_text("8")
    failed = page.get_by_role("region", name="Latest failures").get_by_role("listitem")
    await expect(failed).to_contain_text(["GLOBAL"])
    await expect(failed.get_by_role("link", name="export")).to_have_attribute("href", re.compile("/runs/GLOBAL/"))
    await page.go_back()
    await expect(figure(page, "Runs")).to_contain_text("7")

    await expect(page.get_by_role("region", name="Latest failures")).to_contain_text("QuotaError: too many")
    await figure(page, "Failed").get_by_role("link", name="1").click()
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    await expect(page.locator("a[data-run]")).to_have_count(1)
    assert page.url.endswith("?status=failed&window=24h")
    await page.get_by_role("link", name="Dashboard").click()
    await page.get_by_role("button", name="Scope:").click()
    await page.get_by_role("option", name="Juniper").click()
    await expect(figure(page, "Runs")).to_contain_text("1")
    assert page.url.endswith(f"/dashboard/{JUNIPER}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_dashboard_is_for_everybody(stage: Stage, axe: str, scheme: str) -> None:
    """Axe finds nothing, as chart and as table; at 360 pixels, and at 200 %, nothing has to be scrolled sideways."""
    page = await stage.page("dashboard/GLOBAL?window=90d", scheme=scheme)
    found: list[str] = []
    for width, height in ((1280, 800), (640, 400), (360, 700)):
        await page.set_viewport_size({"width": width, "height": height})
        await expect(page.get_by_role("img", name="Runs by day since")).to_be_visible()
        await fits(page)
    found += await violations(page, axe)
    await page.goto(f"{stage.address}dashboard/GLOBAL")
    await page.get_by_role("button", name="Table").click()
    await expect(page.get_by_role("region", name="Runs by day, in UTC").locator("tbody tr")).to_have_count(7)
    found += await violations(page, axe)
    await fits(page)
    assert [] == found


async def test_failures_of_90_days_are_listed_too(stage: Stage) -> None:
    """From the longest window the number of failures leads to those runs, and the list's window says so."""
    page = await stage.page("dashboard/GLOBAL?window=90d")
    await figure(page, "Failed").get_by_role("link", name="1").click()
    await expect(page.locator("a[data-run]")).to_have_count(1)
    await expect(page.get_by_role("combobox", name="Window")).to_have_value("90d")
    assert page.url.endswith("?status=failed&window=90d")


async def test_days_are_utc_wherever_the_reader_is(stage: Stage) -> None:
    """Hours are named in the reader's zone, here 5:45 ahead, or in UTC if asked for; days are those that were counted, in UTC."""
    page = await stage.page("dashboard/GLOBAL?window=24h")
    context = await stage.browser.new_context(timezone_id="Asia/Kathmandu", storage_state=await page.context.storage_state())
    stage.contexts.append(context)
    page = await context.new_page()
    await page.goto(f"{stage.address}dashboard/GLOBAL?window=24h")
    chart = page.get_by_role("region", name="Runs by hour")
    await expect(chart.locator("text").last).to_contain_text(":45")
    await page.get_by_role("combobox", name="Times").select_option("utc")
    await expect(chart.locator("text").last).to_contain_text(":00")
    await page.get_by_role("button", name="7 days").click()
    days = page.get_by_role("region", name="Runs by day, in UTC").locator("text").last
    for zone in ("utc", "local"):
        await page.get_by_role("combobox", name="Times").select_option(zone)
        await expect(days).to_contain_text(f"{datetime.now(UTC):%-d}")


async def test_what_was_not_counted_is_not_told_as_exact(stage: Stage) -> None:
    """Days that nobody counted are hatched, and said before the figures; an organization without any says what to do."""
    await stage.store.organizations.create("Acme", created_by="ada", id="acme")
    page = await stage.page("dashboard/GLOBAL?window=90d")
    await expect(page.get_by_role("status").filter(has_text="were not counted")).to_contain_text("The figures are not exact.")
    await expect(figure(page, "Runs")).to_contain_text("≥ 7")
    drawn = await page.evaluate(_DRAWN)
    assert (90, 1) == (len(drawn), drawn[0])
    await page.goto(f"{stage.address}dashboard/org-acme")
    await expect(page.get_by_text("No run ended in this window.")).to_be_visible()
    await expect(page.locator("code")).to_have_text("bifrost-store metrics rebuild")


async def test_a_part_fails_by_itself(stage: Stage) -> None:
    """Figures that cannot be read say why and how to go on; failures beside them are there, and what was read stays."""

    async def fail(route: Route) -> None:
        error = {"message": "the database is busy", "isRetryable": False, "requestId": "abc"}
        await route.fulfill(status=503, json={"error": error}, headers={"x-request-id": "abc"})

    page = await stage.page()
    await page.route("**/api/dashboard/**", fail)
    await page.goto(f"{stage.address}dashboard/GLOBAL")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The figures could not be read: The database is busy. Request abc.")
    await expect(page.get_by_role("region", name="Latest failures")).to_contain_text("QuotaError")
    await page.unroute("**/api/dashboard/**")
    await alert.get_by_role("button", name="Retry").click()
    await expect(figure(page, "Runs")).to_contain_text("7")
    await expect(alert).to_have_count(0)
    await page.route("**/api/dashboard/**", fail)
    await page.get_by_role("button", name="24 hours").click()
    await expect(alert).to_contain_text("Request abc.")
    await page.unroute("**/api/dashboard/**")
    await alert.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("heading", name="Runs by hour")).to_be_visible()
    await page.goto(f"{stage.address}dashboard/nonsense")
    await expect(alert.first).to_contain_text("There is nothing here, or you may not see it")
    stage.expected |= {"503", "404"}
