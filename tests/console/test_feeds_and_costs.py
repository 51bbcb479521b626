"""What the API answers about feeds and costs, to administrators alone."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bifrost_store import GLOBAL, ExecutionStatus
from bifrost_store.changefeed import DeadLetters
from bifrost_store.changefeed.leases import FeedLeases
from bifrost_store.console import costs
from bifrost_store.core.feed import FeedRange
from bifrost_store.costing import DEFAULT_MIX, Charge, Measurement, project
from bifrost_store.costing.aside import measured_aside
from bifrost_store.errors import CorruptDocumentError, StoreError
from tests.console.conftest import Console, open_console, user

pytestmark = pytest.mark.anyio
ADA = user("ada@msp.example", **{"x-platform-admin": "true"})
MEASURED = Measurement("here", True, dict.fromkeys(DEFAULT_MIX, Charge(10.0, requests=1)), execution_bytes=1_000)


class Charges:
    """Tells charges without measuring; counts how often."""

    asked = 0

    async def __call__(self) -> Measurement:
        self.asked += 1
        return MEASURED


@pytest.fixture
def charges() -> Charges:
    return Charges()


@pytest.fixture
async def priced(tmp_path: Path, charges: Charges) -> AsyncIterator[Console]:
    async with open_console(tmp_path, measure=charges) as console:
        yield console


async def asked(console: Console, path: str, **query: Any) -> dict[str, Any]:
    answer = await console.get(path, ADA, **query)
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_range_of_each_processor_is_told(priced: Console) -> None:
    """Owner, lag, when it moved and what it is stuck for; dead letters with the command that shows them."""
    backend = priced.store.backend.backend("sqlite")
    leases = FeedLeases(backend, "mine")
    await leases.begin(FeedRange("", "ff"), "executions", None)
    row = (await leases.all())[0]
    since = datetime(2026, 11, 1, tzinfo=UTC)
    changes = {"owner": "t", "process": "host:7", "lag_items": 3, "lag_seconds": 9.5, "moved_at": since, "problem": "KeyError"}
    await leases.change(row, row.state.changed({**changes, "failures": 5, "failing_since": since}))

    await DeadLetters(backend, "it's lost").keep_unreadable("execution_data", CorruptDocumentError("unreadable", key="k"))
    shown = await asked(priced, "feeds")

    assert [("sqlite", None)] == [(one["store"], one["problem"]) for one in shown["stores"]]
    mine = next(one for one in shown["stores"][0]["processors"] if one["name"] == "mine")
    assert ("executions", 0, None) == (mine["feed"], mine["deadLetters"], mine["deadLettersCommand"])
    assert [
        {
            "range": str(FeedRange("", "ff")),
            "owner": "host:7",
            "lagItems": 3,
            "lagSeconds": 9.5,
            "movedAt": "2026-11-01T00:00:00.000000Z",
            "problem": "KeyError",
            "failures": 5,
            "stuckSince": "2026-11-01T00:00:00.000000Z",
        }
    ] == mine["ranges"]
    lost = next(one for one in shown["stores"][0]["processors"] if one["name"] == "it's lost")
    assert ("execution_data", 1, []) == (lost["feed"], lost["deadLetters"], lost["ranges"])
    words = ["bifrost-store", "feed", "dead-letters", "--store", "sqlite", "--", "it's lost"]
    assert words == shlex.split(lost["deadLettersCommand"])


async def test_a_store_that_cannot_be_asked_is_told(priced: Console) -> None:
    """A lease that cannot be read does not take the page with it: what to do stands there."""
    backend = priced.store.backend.backend("sqlite")
    leases = FeedLeases(backend, "mine")
    await leases.begin(FeedRange("", "ff"), "executions", None)
    row = (await leases.all())[0]
    await backend.replace(row.record.with_body({"processor": "mine"}), row.record.etag)
    shown = (await asked(priced, "feeds"))["stores"][0]

    assert [] == shown["processors"]
    assert "delete it, and the range starts anew" in shown["problem"]


async def test_what_this_process_costs_is_split(tmp_path: Path, priced: Console) -> None:
    """Calls of this process are told since its store was opened; on SQLite they have no price."""
    await priced.run()
    shown = await asked(priced, "cost/process")

    assert (0.0, False, 25.0) == (shown["dollars"], shown["isPriced"], shown["alertDollars"])
    assert {"writes", "feed", "reads"} == set(shown["shares"])
    assert shown["calls"] >= 1


async def test_a_month_is_projected_from_what_was_measured_once(priced: Console, charges: Charges) -> None:
    """By as many runs as were asked for, else as were counted, else the plan's; its shares make up its dollars."""
    assumed = await asked(priced, "cost/month")
    assert (10_000, "assumed") == (assumed["runs"], assumed["runsFrom"])
    one = await asked(priced, "cost/month", runs="2000")
    assert (2_000, "asked", "bifrost-store cost --executions-per-month 2000") == tuple(
        one[name] for name in ("runs", "runsFrom", "command")
    )
    assert one["dollars"] < assumed["dollars"]
    for shown in (assumed, one):
        assert pytest.approx(shown["dollars"]) == sum(shown["shares"].values())
        assert {"writes", "feed", "reads", "storage", "signalr"} == set(shown["shares"])

    for _ in range(3):
        await priced.store.executions.complete(await priced.run(), ExecutionStatus.SUCCESS)
    await priced.store.metrics.rebuild(GLOBAL)
    await priced.store.metrics.rebuild()
    counted = await asked(priced, "cost/month")
    assert "counted" == counted["runsFrom"]
    assert 3 <= counted["runs"] <= 90
    assert 1 == charges.asked


async def test_whoever_asks_does_not_wait_for_a_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told that it is under way; one that failed says why, and is tried again."""
    monkeypatch.setattr(costs, "_PATIENCE", 0.0)
    begun, may_fail = anyio.Event(), anyio.Event()

    async def slow() -> Measurement:
        if begun.is_set():
            return MEASURED
        begun.set()
        await may_fail.wait()
        raise StoreError("no emulator")

    async with open_console(tmp_path, measure=slow) as console:
        assert {"isMeasured": False} == await asked(console, "cost/month")
        await begun.wait()
        may_fail.set()
        await anyio.lowlevel.checkpoint()
        failed = await console.get("cost/month", ADA)
        assert (500, "no emulator") == (failed.status_code, failed.json()["error"]["message"])
        monkeypatch.setattr(costs, "_PATIENCE", 10.0)
        assert (await asked(console, "cost/month"))["isMeasured"]


@pytest.mark.servers
async def test_charges_are_measured_in_another_process() -> None:
    """What comes back is a measurement of every call that the mix knows."""
    measured = await measured_aside()
    assert DEFAULT_MIX.keys() <= measured.charges.keys()
    assert measured.is_model
    assert project(measured, DEFAULT_MIX, 10_000, retention_days=14).dollars > 0


async def test_feeds_and_costs_are_for_administrators(priced: Console) -> None:
    """Others cannot tell that there is such a page; numbers of runs that are none are refused."""
    kim = user(organization="juniper")
    for path in ("feeds", "cost/process", "cost/month"):
        answer = await priced.get(path, kim)
        assert (404, "there is nothing here, or you may not see it") == (answer.status_code, answer.json()["error"]["message"])
    for runs in ("0", "-1", "1e9", "x", "9" * 4_000, "²"):
        assert 400 == (await priced.get("cost/month", ADA, runs=runs)).status_code
