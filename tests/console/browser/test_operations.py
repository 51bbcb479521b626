"""Feed and cost, and the migration: what administrators see of what works behind the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from bifrost_store import ExecutionStatus, Scope
from bifrost_store.changefeed import DeadLetters
from bifrost_store.changefeed.leases import FeedLeases
from bifrost_store.core.feed import FeedRange
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.opening.migration import open_migration
from bifrost_store.settings import StoreSettings
from tests.console.browser.conftest import PATIENCE, Stage, fits, open_stage
from tests.console.browser.test_accessibility import axe, violations

__all__ = ["axe"]
ACME = Scope.organization("acme")
pytestmark = [pytest.mark.anyio, pytest.mark.servers]


async def step_states(page: Page) -> list[str]:
    found: list[str] = await page.locator("ol > li").evaluate_all("steps => steps.map(step => step.dataset.state)")
    return found


@pytest.mark.long
async def test_feeds_and_costs(stage: Stage, axe: str) -> None:
    """Owner, lag, what is stuck, dead letters with their command; a month by as many runs as one says; nothing axe finds."""
    backend, since = stage.store.backend.backend("sqlite"), datetime.now(UTC) - timedelta(minutes=5)
    page = await stage.page()
    await page.get_by_role("link", name="Feed and cost").click()
    feed = page.get_by_role("region", name="Feed", exact=True)
    await expect(feed.locator("code")).to_have_text("bifrost-store feed run metrics")
    leases = FeedLeases(backend, "search")
    await leases.begin(FeedRange("", "ff"), "entities", None)
    row = (await leases.all())[0]
    changes = {"owner": "t", "process": "worker 7", "lag_items": 87, "lag_seconds": 300.0, "moved_at": since}
    await leases.change(
        row,
        row.state.changed({**changes, "problem": "KeyError", "failures": 12, "failing_since": since}),
    )
    await DeadLetters(backend, "search").keep_unreadable("entities", CorruptDocumentError("unreadable", key="k"))
    await page.reload()
    await expect(feed.locator("tbody tr")).to_contain_text("worker 7")
    await expect(feed.locator("tbody tr")).to_contain_text("87 items · 5 min")
    await expect(feed.locator("tbody tr")).to_contain_text("KeyError, 12 times")
    await expect(feed).to_contain_text("stuck since")
    await expect(feed.locator("code")).to_have_text("bifrost-store feed dead-letters --store sqlite -- search")

    month = page.get_by_role("region", name="A month on Cosmos DB")
    await expect(month).to_contain_text("of the 25.00 $ that a month may cost", timeout=3 * PATIENCE)
    await month.get_by_role("spinbutton").fill("50000000")
    await month.get_by_role("spinbutton").press("Enter")
    await expect(month).to_contain_text("above the 25.00 $")
    await expect(month.locator("code")).to_have_text("bifrost-store cost --executions-per-month 50000000")
    await expect(page.get_by_role("region", name="This process")).to_contain_text("none of them to Cosmos DB")
    found = await violations(page, axe)
    await page.get_by_role("combobox", name="Theme").select_option("dark")
    found += await violations(page, axe)
    await page.set_viewport_size({"width": 360, "height": 700})
    found += await violations(page, axe)
    assert [] == found
    await fits(page)
    await page.get_by_role("link", name="Migration").click()
    await expect(page.get_by_text("Nothing is being migrated.")).to_be_visible()
    await expect(page.locator("code")).to_have_text("bifrost-store migrate start")


@pytest.fixture
async def pair(empty_azurite: Azurite, tmp_path: Path) -> AsyncIterator[StoreSettings]:
    """Settings that name Table Storage and an empty Cosmos DB account."""
    async with CosmosEmulator(options=Options(consistency="Strong")) as cosmos:
        yield StoreSettings(
            backend="table",
            table_connection_string=SecretStr(empty_azurite.connection_string),
            cosmos_connection_string=SecretStr(cosmos.connection_string),
            lease_seconds=10,
        )


@pytest.mark.long
async def test_a_migration_is_followed(browser: Browser, pair: StoreSettings, axe: str, tmp_path: Path) -> None:
    """Its steps move on as commands are given elsewhere; routes, counts, differences and days left are shown."""
    async with open_stage(browser, pair) as stage:
        await stage.store.organizations.create("Acme", created_by="ada", id="acme")
        await stage.store.executions.complete(await stage.run(ACME), ExecutionStatus.FAILED, error_type="QuotaError", duration_ms=5)
        page = await stage.page("migration")
        await expect(page.get_by_text("Nothing is being migrated.")).to_be_visible()
        assert ["ahead"] * 5 == await step_states(page)
        async with open_migration(pair, folder=tmp_path / "reports") as migration:
            await migration.run()
            await page.reload()
            await expect(page.locator("ol > li[aria-current]")).to_contain_text("Cut over")
            await expect(page.get_by_role("region", name="Verification")).to_contain_text("✓ 0 differences")
            await expect(page.get_by_role("region", name="Backfill")).to_contain_text("copied")
            await expect(page.get_by_role("region", name="Journal").locator("li")).to_have_text(["table: empty", "cosmos: empty"])
            await expect(page.get_by_role("region", name="Processes")).to_contain_text("✓ live")
            found = await violations(page, axe)
            await migration.cutover()
        await page.get_by_role("combobox", name="Theme").select_option("dark")
        await page.reload()
        await expect(page.get_by_text("30 days left")).to_be_visible()
        row = page.get_by_role("region", name="Routes").locator("tbody td")
        await expect(row).to_have_text(["every scope", "cosmos", "table"])
        assert ["done", "done", "done", "done", "current"] == await step_states(page)
        await page.set_viewport_size({"width": 360, "height": 700})
        found += await violations(page, axe)
        assert [] == found
        await fits(page)

        # And the figures of what was moved, counted now on Cosmos DB, whose calls have a price.
        await page.goto(f"{stage.address}dashboard/{ACME}?window=24h")
        await expect(page.locator("dl > div").filter(has_text="Failed")).to_contain_text("1")
        await expect(page.locator("main > header")).to_contain_text("live · counted")
        await expect(page.get_by_role("region", name="Latest failures")).to_contain_text("QuotaError")
        await page.goto(f"{stage.address}feed")
        await expect(page.get_by_role("region", name="This process")).to_contain_text("request units")
