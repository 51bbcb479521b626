"""What a month costs, as a process: measured on the emulator or on an account, shown, projected, and held against a threshold."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.costing import DEFAULT_MIX, project_usage
from bifrost_store.emulator import CosmosEmulator, Options
from tests import commands
from tests.commands import Finished, Settings


@pytest.fixture
def empty_cosmos() -> Iterator[CosmosEmulator]:
    """An account of this test's own that is billed by what is used."""
    with CosmosEmulator(options=Options(consistency="Strong", is_serverless=True)) as running:
        yield running


def run(*arguments: str, settings: Settings | None = None, check: int = 0) -> Finished:
    """Run one command to its end and demand its exit code."""
    finished = commands.run(*arguments, settings=settings or {})
    assert check == finished.returncode, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    return finished


def report(*arguments: str, settings: Settings | None = None, check: int = 0) -> dict[str, Any]:
    """Run one command with ``--json`` and return its object."""
    values: dict[str, Any] = json.loads(run(*arguments, "--json", settings=settings, check=check).stdout)
    assert values["ok"] is (check == 0)
    return values


def test_a_month_of_50_000_executions_is_cheaper_than_planned() -> None:
    """Each operation of the mix is measured, sums are those of the lines, and all stays far below plan and threshold."""
    told = report("cost", "--executions-per-month", "50000")
    lines = {line["operation"]: line for line in told["operations"]}

    assert lines.keys() == DEFAULT_MIX.keys()
    assert told["is_model"] is True
    assert told["stored_executions"] == pytest.approx(50_000 * 14 / 30)
    assert told["request_units"] == pytest.approx(sum(line["calls"] * line["request_units_each"] for line in lines.values()))
    assert told["dollars"]["requests"] == pytest.approx(told["request_units"] * 0.25 / 1e6)
    assert told["dollars"]["total"] == pytest.approx(
        sum(told["dollars"][part] for part in ("requests", "documents", "blobs", "signalr"))
    )
    assert {"execution_data, each expired"} == {name for name, line in lines.items() if line["stand_in"]}
    assert all(line["request_units_each"] > 0 for line in lines.values())
    assert told["dollars"]["execution_data"] == pytest.approx(
        sum(line["dollars"] for name, line in lines.items() if "_data" in name)
    )
    assert 5 < lines["executions.create"]["request_units_each"] < 12
    assert (lines["executions.create"]["requests_each"], lines["executions.get"]["requests_each"]) == (1, 2)
    assert lines["executions.statistics"]["request_units_each"] > 100 > lines["executions.stuck"]["request_units_each"]
    assert 1000 < told["execution_bytes"] < 2000
    assert told["gigabytes"]["documents"] > 0.5
    assert told["plan"]["create_request_units"] == 700
    assert told["plan"]["dollars"]["total"] == pytest.approx(12.77)
    assert told["signalr"]["tier"] == "Free"
    assert told["dollars"]["total"] < 10
    assert told["alert"] == {"above": 25, "is_above": False}


def test_above_the_threshold_it_exits_with_1() -> None:
    """And says so, on the last line."""
    shown = run("cost", "--executions-per-month", "50000", "--alert-above", "0.5", check=1).stdout.splitlines()

    assert shown[-1].endswith("$ a month: ABOVE the alert threshold of 0.50 $.")
    assert "they are not a bill" in shown[0]


@pytest.mark.parametrize(("module", "extra"), [("lark", "emulator"), ("azure.cosmos", "cosmos")])
def test_a_missing_extra_is_named(module: str, extra: str) -> None:
    """The emulator and the backend are both optional."""
    code = f"import sys; sys.modules[{module!r}] = None; from bifrost_store.cli.__main__ import main; main()"
    command = [sys.executable, "-c", code, "cost", "--executions-per-month", "1"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert f"pip install 'bifrost-store[{extra}]'" in finished.stderr


def test_on_an_account_nothing_is_left(cosmos: Settings, empty_cosmos: CosmosEmulator) -> None:
    """What others have stays, and so does what cannot be taken back: what others use is not purged, no event is added."""

    async def keep(*, check: bool) -> list[str]:
        async with open_store(StoreSettings.from_environment(cosmos)) as store:
            if not check:
                await store.provision()
                await store.executions.create(GLOBAL, workflow_name="w", executed_by="k", executed_by_name="K", execution_id="kept")
            return [
                f"{record.key.kind}:{record.key.id}"
                async for page in store.backend.scan()
                for record in page.records
                if not record.is_tombstone
            ]

    asyncio.run(keep(check=False))
    told = report("cost", "--executions-per-month", "50000", "--on-account", settings=cosmos)
    stand_ins = {line["operation"]: line["stand_in"] for line in told["operations"] if line["stand_in"]}

    assert ["execution:kept"] == asyncio.run(keep(check=True))
    assert [] == [path for path in Path(cosmos["BIFROST_STORE_BLOB_FOLDER"]).rglob("*.json") if path.is_file()]
    assert told["is_model"] is False
    assert told["measured_on"].startswith("cosmos http://127.0.0.1:")
    assert empty_cosmos.key not in json.dumps(told)
    assert stand_ins == {
        "audit.append": "executions.create",
        "executions.purge_expired": "executions.stuck",
        "executions.purge_expired, each": "executions.create",
        "execution_data, each expired": "execution_data.append, a line",
        "metrics.rollup": "metrics.recount, an hour and its day",
    }
    assert told["gigabytes"]["documents"] > 0.5


def test_an_account_without_containers_says_how_to_make_them(cosmos: Settings) -> None:
    """An account is not provisioned by the way."""
    assert "run `bifrost-store init`" in run("cost", "--executions-per-month", "1", "--on-account", settings=cosmos, check=1).stderr


def test_usage_shows_request_units_and_dollars(cosmos: Settings) -> None:
    """By operation and in all, at the price given; a read of an execution is one request of some 2 RU where reads are strong."""
    run("init", settings=cosmos)

    async def fill() -> None:
        async with open_store(StoreSettings.from_environment(cosmos)) as store:
            await store.executions.create(GLOBAL, workflow_name="w", executed_by="k", executed_by_name="K")

    asyncio.run(fill())
    told = report("usage", "--price", "1", settings=cosmos)
    shown = run("usage", settings=cosmos).stdout.splitlines()
    rows = {row["operation"]: row for row in told["operations"]}
    get = rows["executions.get"]

    assert (get["calls"], get["requests_by_service"]["cosmos"], get["retries"]) == (3, 3, 0)
    assert get["request_units"] == pytest.approx(6.0, abs=0.1)
    assert get["dollars"] == pytest.approx(get["request_units"] / 1e6)
    assert told["request_units"] == pytest.approx(sum(row["request_units"] for row in rows.values()))
    assert told["dollars"] == pytest.approx(told["request_units"] / 1e6)
    assert told["dollars_per_million_request_units"] == 1
    # What the SDK wants to know of account and containers is among the requests of whoever came first, by its own name.
    assert any("cosmos_metadata" in row["requests_by_service"] for row in rows.values())
    assert {"RU/call", "$/1M"} <= set(shown[1].split())
    assert " $ at 0.25 $ per million; metadata apart: " in shown[-1]
    line = next(line for line in shown if line.startswith("executions.get"))
    assert ["cosmos", "1", "2.00", "0.50"] == line.split()[5:9]


def test_metadata_charges_stand_apart(cosmos: Settings) -> None:
    """A ping asks for the account and its containers alone: that is charged to a budget of their own."""
    run("init", settings=cosmos)
    rows = {row["operation"]: row for row in report("usage", settings=cosmos)["operations"]}
    ping = rows["backend.ping"]

    assert ping["requests_by_service"].keys() == {"cosmos_metadata"}
    assert (ping["request_units"], ping["dollars"]) == (0, 0)
    assert ping["metadata_request_units"] > 0


def test_the_usage_of_an_application_is_projected(cosmos: Settings) -> None:
    """Its own calls in place of the mix: two reads for each execution that it creates."""

    async def work() -> Any:
        async with open_store(StoreSettings.from_environment(cosmos)) as store:
            await store.provision()
            for _ in range(5):
                made = await store.executions.create(GLOBAL, workflow_name="w", executed_by="k", executed_by_name="K")
                for _ in range(2):
                    await store.executions.get(GLOBAL, made.execution_id)
            return store.usage()

    usage = asyncio.run(work())
    projection = project_usage(usage, 50_000)
    reads = next(line for line in projection.lines if line.operation == "executions.get")

    assert (reads.calls, reads.request_units_each) == (100_000, pytest.approx(2.0, abs=0.1))
    assert 0.1 < projection.dollars < 1
