"""The options of `bifrost-store cost`, over charges that are given in place of measured ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bifrost_store import costing
from bifrost_store.cli.app import app
from bifrost_store.cli.output import display
from bifrost_store.costing import DEFAULT_MIX, Charge, Measurement
from bifrost_store.costing.mix import POLL
from bifrost_store.costing.telling import CONNECTIONS, WATCHERS

CHARGES = {name: Charge(10.0, requests=1, blob_bytes=100) for name in DEFAULT_MIX} | {POLL: Charge(0.1, requests=1)}
MEASURED = Measurement("here", True, CHARGES, 1000)
RETENTION = "BIFROST_STORE_EXECUTION_RETENTION_DAYS"


@pytest.fixture(autouse=True)
def given_charges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is charged 10 RU, at once; a poll, which is made so often, a hundredth."""

    @asynccontextmanager
    async def nowhere() -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(name="nowhere")

    async def measure(place: SimpleNamespace) -> Measurement:
        return MEASURED

    monkeypatch.setattr(costing, "emulated", nowhere)
    monkeypatch.setattr(costing, "measure", measure)
    monkeypatch.delenv(RETENTION, raising=False)


def run(*arguments: str, check: int = 0) -> Result:
    """Run the command and demand its exit code."""
    finished = CliRunner().invoke(app, ["cost", *arguments])
    assert check == finished.exit_code, finished.output
    return finished


def report(*arguments: str, check: int = 0) -> dict[str, Any]:
    """Run it with ``--json`` and return its object."""
    values: dict[str, Any] = json.loads(run(*arguments, "--json", check=check).stdout)
    assert values["ok"] is (check == 0)
    return values


def test_mix_prices_and_retention_are_adjustable() -> None:
    """Each option changes its own part and no other."""
    usual = report("--executions-per-month", "1000")
    other = report(
        "--executions-per-month", "1000", "--processes", "3", "--rate", "executions.list=10", "--rate", "executions.stuck=0",
        "--price", "0.5", "--storage-price", "1", "--blob-price", "1", "--retention-days", "30",
    )  # fmt: skip
    before, after = ({line["operation"]: line for line in told["operations"]} for told in (usual, other))

    assert (before["leases.renew"]["calls"], after["leases.renew"]["calls"]) == (259_200, 777_600)
    assert (before["executions.list"]["calls"], after["executions.list"]["calls"]) == (500, 10_000)
    assert (after["executions.stuck"]["calls"], after["config.get"]["calls"]) == (0, 1000)
    assert (before["config.get"]["dollars"], after["config.get"]["dollars"]) == pytest.approx((0.0025, 0.005))
    assert (usual["retention_days"], other["retention_days"], other["stored_executions"]) == (14, 30, 1000)
    assert other["dollars"]["documents"] == pytest.approx(1000 * 1000 / 1e9)
    assert other["dollars"]["blobs"] == pytest.approx(other["gigabytes"]["blobs"])


def test_names_with_commas_and_spaces_can_be_given() -> None:
    """The last equals sign parts name and number."""
    told = report("--executions-per-month", "1000", "--rate", "execution_data.append, a result = 1")
    (line,) = (line for line in told["operations"] if line["operation"] == "execution_data.append, a result")

    assert (line["calls"], line["count"], line["per"], line["why"]) == (1000, 1, "execution", "as given")


def test_the_threshold_decides_about_the_exit_code() -> None:
    """For people and for machines alike; 25 dollars unless told otherwise."""
    few, many = ("--executions-per-month", "1000"), ("--executions-per-month", "1e6")

    assert run(*few).stdout.splitlines()[-1].endswith("below the alert threshold of 25.00 $.")
    assert run(*many, check=1).stdout.splitlines()[-1].endswith("ABOVE the alert threshold of 25.00 $.")
    assert report(*many, check=1)["alert"] == {"above": 25, "is_above": True}
    assert report(*many, "--alert-above", "1000")["alert"] == {"above": 1000, "is_above": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--executions-per-month"),
        (["--executions-per-month", "-1"], "--executions-per-month"),
        (["--executions-per-month", "inf"], "not a finite number"),
        (["--executions-per-month", "1", "--alert-above", "nan"], "not a finite number"),
        (["--executions-per-month", "1", "--price", "inf"], "not a finite number"),
        (["--executions-per-month", "1", "--rate", "executions.list"], "'=' and a number"),
        (["--executions-per-month", "1", "--rate", "executions.lst=1"], "there is no operation"),
        (["--executions-per-month", "1", "--rate", "executions.list=-1"], "0 or more"),
        (["--executions-per-month", "1", "--processes", "-1"], "--processes"),
        (["--executions-per-month", "1", "--watchers", "-1"], "--watchers"),
        (["--executions-per-month", "1", "--watchers", "inf"], "not a finite number"),
        (["--executions-per-month", "1", "--connections", "0.5"], "--connections"),
    ],
)
def test_wrong_use_is_told_before_anything_is_measured(arguments: list[str], message: str) -> None:
    """Text on stderr, and nothing on stdout."""
    finished = run(*arguments, check=2)

    assert finished.stdout == ""
    assert message in " ".join(finished.stderr.replace("│", " ").split())
    assert "Measuring" not in finished.stderr


def test_what_is_kept_for_ever_needs_a_number_of_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings' retention is used, and `none` is no number."""
    monkeypatch.setenv(RETENTION, "3")
    assert report("--executions-per-month", "1000")["retention_days"] == 3
    monkeypatch.setenv(RETENTION, "none")
    assert "--retention-days" in run("--executions-per-month", "1", check=2).stderr
    assert report("--executions-per-month", "1000", "--retention-days", "60")["stored_executions"] == 2000


def test_a_command_forgets_the_options_of_the_one_before() -> None:
    """Programs that call commands in one process get each as they asked for it."""
    assert run("--executions-per-month", "1000", "--json").stdout.startswith("{")
    assert display.is_json
    assert not run("--executions-per-month", "1000").stdout.startswith("{")
    assert not display.is_json


def test_who_watches_decides_about_the_signalr_service() -> None:
    """Free as long as its 20 connections and 20,000 messages a day suffice, then units, and all of it counts for the warning."""
    usual = report("--executions-per-month", "50000")
    watched = report("--executions-per-month", "50000", "--watchers", "2", "--connections", "1500", "--alert-above", "1000")
    other = report("--executions-per-month", "1000", "--connections", "21", "--signalr-price", "10", "--rate", "feed.poll=0")

    assert (usual["signalr"]["tier"], usual["dollars"]["signalr"]) == ("Free", 0)
    assert (usual["signalr"]["watchers"], usual["signalr"]["connections"]) == (WATCHERS, CONNECTIONS)
    assert (watched["signalr"]["tier"], watched["signalr"]["units"], watched["dollars"]["signalr"]) == ("Standard", 2, 98)
    assert watched["signalr"]["messages"] == pytest.approx(20 * usual["signalr"]["messages"])
    assert watched["dollars"]["total"] == pytest.approx(usual["dollars"]["total"] + 98)
    assert other["dollars"]["signalr"] == 10
    assert "Standard x 2" in run("--executions-per-month", "1", "--connections", "1001", "--alert-above", "200").stdout
