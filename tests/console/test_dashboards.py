"""What the API answers about how runs went."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import GLOBAL, ExecutionStatus, Scope
from bifrost_store.changefeed.leases import FeedLeases
from bifrost_store.core.feed import FeedRange
from bifrost_store.metrics.following import NAME
from tests.console.conftest import JUNIPER, Console, open_console, user

pytestmark = pytest.mark.anyio


@dataclass
class Day:
    """The store's clock, at a time of day that no hour ends soon after."""

    now: datetime = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def day() -> Day:
    return Day()


@pytest.fixture
async def counting(tmp_path: Path, day: Day) -> AsyncIterator[Console]:
    """A console whose dashboards show what was counted before."""
    async with open_console(tmp_path, metrics="aggregated", store_clock=day) as console:
        yield console


async def ended(console: Console, scope: Scope, status: ExecutionStatus, *, workflow: str = "sync", ms: int = 100) -> None:
    run = await console.run(scope, workflow_name=workflow)
    await console.store.executions.complete(run, status, duration_ms=ms)


async def dashboard(console: Console, scope: str, **query: Any) -> dict[str, Any]:
    answer = await console.get(f"dashboard/{scope}", ADA, **query)
    assert 200 == answer.status_code
    found: dict[str, Any] = answer.json()
    return found


ADA = user("ada@msp.example", **{"x-platform-admin": "true"})


async def test_a_dashboard_says_what_was_counted_and_what_was_not(counting: Console) -> None:
    """Figures, workflows with their trend, and days that nobody counted as such; once counted they are what a live count finds."""
    never = await dashboard(counting, "GLOBAL")
    assert (False, None, {"absent"}) == (never["isExact"], never["asOf"], {one["state"] for one in never["series"]})

    for number in range(4):
        await ended(counting, GLOBAL, ExecutionStatus.SUCCESS, ms=100 * (number + 1))
    await ended(counting, GLOBAL, ExecutionStatus.TIMEOUT, workflow="report", ms=9_000)
    await ended(counting, GLOBAL, ExecutionStatus.CANCELLED, workflow="report")
    await counting.store.organizations.create("Juniper", created_by="ada", id="juniper")
    await ended(counting, JUNIPER, ExecutionStatus.SUCCESS)
    await counting.store.metrics.rebuild()
    shown = await dashboard(counting, "GLOBAL", window="24h")

    total = shown["total"]
    assert ("aggregated", 24) == (shown["source"], len(shown["series"]))
    assert {"runs": 6, "success": 4, "failed": 1} == {name: total[name] for name in ("runs", "success", "failed")}
    assert pytest.approx(100 * 4 / 6) == total["successRate"]
    assert 8_000 < total["p95Ms"] < 10_000
    last = shown["series"][-1]
    assert (6, 4, 1) == (last["runs"], last["success"], last["failed"])
    assert ["sync", "report"] == [one["name"] for one in shown["workflows"]]
    assert [[4], [2]] == [one["trend"][-1:] for one in shown["workflows"]]
    assert {24} == {len(one["trend"]) for one in shown["workflows"]}
    week = (await dashboard(counting, "GLOBAL", window="90d"))["workflows"][0]
    assert (None, 4) == (week["trend"][0], week["trend"][-1])
    assert shown["before"] is None
    assert 7 == (await dashboard(counting, "platform", window="24h"))["total"]["runs"]


async def test_the_window_before_is_told_where_it_can_be_compared(tmp_path: Path, day: Day) -> None:
    """Counted live, two windows with runs in both are compared, and it is said that they were counted now."""
    async with open_console(tmp_path, metrics="live", store_clock=day) as console:
        await ended(console, GLOBAL, ExecutionStatus.FAILED, ms=700)
        day.now += timedelta(days=8)
        await ended(console, GLOBAL, ExecutionStatus.SUCCESS, ms=50)
        shown = await dashboard(console, "GLOBAL", window="7d")

    assert ("live", None) == (shown["source"], shown["behindSeconds"])
    assert (1, 1) == (shown["before"]["runs"], shown["before"]["failed"])
    assert shown["total"]["p95Ms"] < shown["before"]["p95Ms"]


async def test_how_far_behind_the_figures_are(counting: Console) -> None:
    """It is told where a processor keeps them and somebody runs it; else it cannot be known."""
    assert (await dashboard(counting, "GLOBAL"))["behindSeconds"] is None
    leases = FeedLeases(counting.store.backend.backend("sqlite"), NAME)
    part = FeedRange("", "ff")
    await leases.begin(part, "executions", None)
    assert (await dashboard(counting, "GLOBAL"))["behindSeconds"] is None
    row = (await leases.all())[0]
    lagging = row.state.model_copy(update={"owner": "x", "lag_items": 3, "lag_seconds": 42.0})
    row = await leases.change(row, lagging) or row
    assert 42.0 == (await dashboard(counting, "GLOBAL"))["behindSeconds"]
    await leases.change(row, lagging.model_copy(update={"lag_items": 0}))
    assert 0.0 == (await dashboard(counting, "GLOBAL"))["behindSeconds"]


async def test_a_dashboard_is_shown_to_whom_its_scope_is(counting: Console) -> None:
    """Others' scopes, the platform, and what cannot be a scope look as if they did not exist; a window that is none is an error."""
    kim = user(organization="juniper")
    assert 200 == (await counting.get(f"dashboard/{JUNIPER}", kim)).status_code
    for scope in ("GLOBAL", "platform", "org-acme", "SYSTEM", "nonsense", "%00"):
        answer = await counting.get(f"dashboard/{scope}", kim)
        assert (404, "there is nothing here, or you may not see it") == (answer.status_code, answer.json()["error"]["message"])
    for scope in ("SYSTEM", "nonsense"):
        assert 404 == (await counting.get(f"dashboard/{scope}", ADA)).status_code
    for window in ("", "8d", "x" * 5000, "²"):
        answer = await counting.get("dashboard/GLOBAL", ADA, window=window)
        assert 400 == answer.status_code
        assert "24h, 7d, 30d, 90d" in answer.json()["error"]["message"]
        assert len(answer.text) < 400


async def test_failures_of_the_platform(counting: Console, day: Day) -> None:
    """Administrators see the runs of all scopes that failed last, once figures tell of them; others nothing."""
    await counting.store.organizations.create("Juniper", created_by="ada", id="juniper")
    await ended(counting, JUNIPER, ExecutionStatus.TIMEOUT, workflow="long ago")
    await counting.store.metrics.rollup()
    day.now += timedelta(days=2)
    for number, scope in enumerate([GLOBAL, JUNIPER] * 5):
        status = ExecutionStatus.SUCCESS if number == 9 else ExecutionStatus.FAILED
        await ended(counting, scope, status, workflow=f"w{number}")
        day.now += timedelta(seconds=1)
    before = (await counting.get("failures", ADA)).json()
    await counting.store.metrics.rollup()
    found = (await counting.get("failures", ADA)).json()

    assert "long ago" in [run["workflow"] for run in before["runs"]]
    assert [f"w{number}" for number in (8, 7, 6, 5, 4, 3, 2, 1)] == [run["workflow"] for run in found["runs"]]
    assert {"GLOBAL", "org-juniper"} == {run["scope"] for run in found["runs"]}
    assert 0 == found["scopesLeftOut"]
    assert 400 == (await counting.get("failures", ADA, window="1y")).status_code
    assert 404 == (await counting.get("failures", user(organization="juniper"))).status_code


async def test_failures_of_very_many_scopes(counting: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more scopes than are asked at once those are asked that failed most, and it is told how many were not."""
    monkeypatch.setattr("bifrost_store.console.failures.MOST_SCOPES", 1)
    await counting.store.organizations.create("Juniper", created_by="ada", id="juniper")
    for scope in (GLOBAL, JUNIPER, JUNIPER):
        await ended(counting, scope, ExecutionStatus.FAILED)
    await counting.store.metrics.rollup()
    found = (await counting.get("failures", ADA, window="24h")).json()

    assert (["org-juniper"] * 2, 1) == ([run["scope"] for run in found["runs"]], found["scopesLeftOut"])


async def test_durations_are_those_that_were_counted(counting: Console) -> None:
    """What 95 of 100 runs of a workflow took at most, once figures are kept; before that nothing, and no other window's."""
    await counting.store.organizations.create("Juniper", created_by="ada", id="juniper")
    for number in range(20):
        await ended(counting, JUNIPER, ExecutionStatus.SUCCESS, ms=60_000 if number == 19 else 1_000)
    headers = user(organization="juniper")
    assert {"p95Ms": {}} == (await counting.get("durations/org-juniper", headers)).json()
    await counting.store.metrics.rollup()
    found = (await counting.get("durations/org-juniper", headers, window="30d")).json()["p95Ms"]["sync"]
    assert 940 <= found <= 1_070
    assert 404 == (await counting.get("durations/org-other", headers)).status_code
    assert 400 == (await counting.get("durations/org-juniper", headers, window="1y")).status_code


async def test_runs_that_go_too_soon_cannot_be_counted_before(tmp_path: Path) -> None:
    """Where runs are kept for less than three days it is said what to set; counted live there is a dashboard."""
    for mode, status in (("aggregated", 500), ("live", 200)):
        async with open_console(tmp_path, metrics=mode, execution_retention_days=2) as console:
            answer = await console.get("dashboard/GLOBAL", ADA)
        assert status == answer.status_code
        if status == 500:
            assert "BIFROST_STORE_EXECUTION_RETENTION_DAYS, or BIFROST_STORE_METRICS=live" in answer.json()["error"]["message"]
