"""The arithmetic of a projection, by hand; what is measured is measured elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Any

import pytest

from bifrost_store import OperationUsage, UsageReport, protocols
from bifrost_store.core.meter import Meter, count, count_answer, metering
from bifrost_store.core.usage import Ledger
from bifrost_store.costing import (
    DEFAULT_MIX,
    Charge,
    Measurement,
    Prices,
    Rate,
    places,
    plan_estimate,
    project,
    project_usage,
    with_processes,
    with_rates,
)
from bifrost_store.costing.lifecycle import EACH_EXPIRED, STEPS
from bifrost_store.costing.mix import EACH_DOCUMENT_EXPIRED, FLUSHES
from bifrost_store.costing.places import emulated
from bifrost_store.costing.shares import share_of, shares_of
from bifrost_store.errors import InvalidRequestError

NOW = datetime(2025, 11, 20, tzinfo=UTC)
MEASURED = Measurement(
    "here",
    True,
    {
        "executions.create": Charge(8.0, requests=1),
        "executions.save_logs": Charge(12.0, requests=2, blob_bytes=2000.0),
        "executions.statistics": Charge(10.0, requests=3, per_stored_execution=0.04),
    },
    execution_bytes=1500,
)
MIX = {
    "executions.create": Rate(1, "execution", ""),
    "executions.save_logs": Rate(0.5, "execution", ""),
    "executions.statistics": Rate(100, "month", ""),
}


@pytest.mark.anyio
@pytest.mark.parametrize("hour", [0, 1, 12, 23])
async def test_what_is_measured_does_not_depend_on_the_hour(monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    """The emulator's store is at noon: figures of the last three hours are of two days soon after midnight, and cost more."""
    now = datetime(2026, 12, 1, hour, 59, tzinfo=UTC)
    monkeypatch.setattr(places, "utc_now", lambda: now)
    async with emulated() as place:
        assert place.store.context.clock() == datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_month_by_hand() -> None:
    """60,000 executions kept for 15 days: 30,000 stored; each line is calls times charge, and storage is what lies there."""
    projection = project(MEASURED, MIX, 60_000, retention_days=15)
    by_name = {line.operation: line for line in projection.lines}

    assert projection.stored_executions == 30_000
    assert by_name["executions.create"].request_units == 60_000 * 8 == 480_000
    assert by_name["executions.save_logs"].request_units == 30_000 * 12 == 360_000
    assert by_name["executions.statistics"].request_units_each == pytest.approx(10 + 0.04 * 30_000)
    assert by_name["executions.statistics"].request_units == pytest.approx(100 * 1210)
    assert projection.request_units == pytest.approx(480_000 + 360_000 + 121_000)
    assert projection.request_dollars == pytest.approx(0.961 * 0.25)
    assert projection.document_gigabytes == pytest.approx(0.045)
    assert projection.document_dollars == pytest.approx(0.045 * 0.25)
    assert projection.blob_gigabytes == pytest.approx(30_000 * 2000 / 2 / 1e9)
    assert projection.blob_dollars == pytest.approx(0.03 * 0.018)
    assert projection.dollars == pytest.approx(0.24025 + 0.01125 + 0.00054)
    assert projection.request_units_per_execution == pytest.approx(8 + 0.5 * 12)


def test_execution_data_is_kept_twice_as_long() -> None:
    """What runs left lies there for twice their retention, and what is charged for it is told apart."""
    measured = replace(MEASURED, charges={**MEASURED.charges, "execution_data.append, a line": Charge(6.0, data_bytes=500.0)})
    projection = project(measured, {**MIX, "execution_data.append, a line": Rate(10, "execution", "")}, 60_000, retention_days=15)

    assert projection.document_gigabytes == pytest.approx(0.045 + 600_000 * 500 / 1e9)
    assert projection.execution_data_request_units == pytest.approx(3_600_000)
    assert projection.execution_data_dollars == pytest.approx(0.9)
    assert projection.request_units == pytest.approx(961_000 + 3_600_000)


def test_messages_by_hand() -> None:
    """Two tellings of every flush and one of every status, for each who watches, in steps of 2 KB; nothing is a fixed total."""
    line, variables = FLUSHES
    mix = {**MIX, line: Rate(10, "execution", ""), variables: Rate(5, "execution", "")}
    charges = {**MEASURED.charges, line: Charge(6.0, data_bytes=2048.0), variables: Charge(6.0, data_bytes=2049.0)}
    measured = replace(MEASURED, charges=charges)
    few = project(measured, mix, 3_000, watchers=0.5).telling
    assert few.messages == 3_000 * (10 * 2 + 5 * 2 * 2 + 1) * 0.5
    assert (few.messages_per_day, few.tier, few.units, few.dollars) == (few.messages / 30, "Free", 1, 0)

    many = project(measured, mix, 3_000_000, watchers=1, connections=2_001)
    assert (many.telling.tier, many.telling.units) == ("Standard", 3)
    assert many.telling.dollars == pytest.approx(3 * 49 + (123 - 90))
    assert many.signalr_dollars == many.telling.dollars
    assert project(measured, mix, 3_000, connections=21).telling.tier == "Standard"
    assert project(measured, MIX, 3_000, watchers=0).telling.messages == 0


def test_the_dearest_line_comes_first() -> None:
    """People look at the top of a list."""
    names = [line.operation for line in project(MEASURED, MIX, 60_000).lines]

    assert names == ["executions.create", "executions.save_logs", "executions.statistics"]


def test_prices_are_the_callers() -> None:
    """Other regions cost more, and prices change."""
    projection = project(MEASURED, MIX, 60_000, retention_days=15, prices=Prices(1.0, 2.0, 3.0))

    assert projection.request_dollars == pytest.approx(0.961)
    assert projection.document_dollars == pytest.approx(0.09)
    assert projection.blob_dollars == pytest.approx(0.09)


def test_a_threshold_is_passed_only_above_it() -> None:
    """Exactly the threshold is still within the budget."""
    projection = project(MEASURED, {"executions.create": MIX["executions.create"]}, 1_000_000, retention_days=0)

    assert projection.dollars == 2.0
    assert (projection.is_above(2.0), projection.is_above(1.99)) == (False, True)


def test_without_executions_only_the_clock_costs() -> None:
    """Timers run all the same; nothing is stored."""
    projection = project(MEASURED, MIX, 0)

    assert projection.request_units == 100 * 10
    assert (projection.document_dollars, projection.blob_dollars) == (0, 0)


def test_the_plan_is_quoted_as_it_stands() -> None:
    """At 50,000 executions its figures are those it prints; for others they are in proportion."""
    plan, tenth = plan_estimate(50_000), plan_estimate(5_000)

    assert (plan.create_request_units, plan.request_units) == (700, 43e6)
    assert (plan.request_dollars, plan.document_dollars, plan.blob_dollars) == (10.75, 2.0, 0.02)
    assert plan.dollars == pytest.approx(12.77)
    assert (plan.execution_data_request_units, plan.execution_data_dollars) == (7e6, 1.75)
    assert plan.request_units_per_execution == 700 + 2 * 10 + 1 * 2 + 10 * 5 + 5 * 5 + 50 + 2 * 10
    assert tenth.dollars == pytest.approx(1.277)
    assert tenth.create_request_units == 700


def test_the_mix_and_the_steps_are_of_the_same_operations() -> None:
    """What is counted is measured, and nothing is measured in vain; the plan's numbers of queries are kept."""
    assert set(DEFAULT_MIX) == {*STEPS, EACH_EXPIRED, EACH_DOCUMENT_EXPIRED}
    assert {step.stand_in for step in STEPS.values()} <= {None, *STEPS}
    queries = ("executions.get", "executions.list", "executions.load_result")
    assert sum(DEFAULT_MIX[name].count for name in queries) == 2
    assert DEFAULT_MIX["config.get"].count == 1
    left = [rate.count for name, rate in DEFAULT_MIX.items() if name.startswith("execution_data.append")]
    assert sum(left) == DEFAULT_MIX[EACH_DOCUMENT_EXPIRED].count == 10 + 5 + 1


def test_rates_are_adjusted_in_their_own_unit() -> None:
    """A count is replaced, its unit stays; the rest of the mix is as it was."""
    mix = with_rates(DEFAULT_MIX, {"executions.list": 3, "executions.statistics": 0})

    assert (mix["executions.list"].count, mix["executions.list"].per) == (3, "execution")
    assert (mix["executions.statistics"].count, mix["executions.statistics"].per) == (0, "month")
    assert mix["executions.get"] == DEFAULT_MIX["executions.get"]


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"executions.lst": 1}, "there is no operation 'executions.lst'; known are executions.create;"),
        ({"executions.list": -1}, "executions.list: must be a number, 0 or more"),
        ({"executions.list": float("nan")}, "executions.list: must be a number, 0 or more"),
        ({"executions.list": float("inf")}, "executions.list: must be a number, 0 or more"),
    ],
)
def test_rates_that_cannot_be_are_refused(rates: dict[str, float], message: str) -> None:
    """A typing error must not look like a cheap month."""
    with pytest.raises(InvalidRequestError, match=message):
        with_rates(DEFAULT_MIX, rates)


@pytest.mark.parametrize(("processes", "renewals"), [(0, 0), (1, 259_200), (4, 1_036_800)])
def test_each_process_renews_a_lease_every_ten_seconds(processes: int, renewals: int) -> None:
    """30 days have 259,200 times ten seconds."""
    assert with_processes(DEFAULT_MIX, processes)["leases.renew"].calls(50_000) == renewals


def used(operation: str, backend: str = "cosmos", **values: Any) -> OperationUsage:
    """A row of usage with what matters here."""
    usual: dict[str, Any] = {
        "calls": 1, "failures_by_error": {}, "requests_by_service": {"cosmos": 1}, "retries": 0, "request_units": 0.0,
        "metadata_request_units": 0.0, "sent_bytes": 0, "received_bytes": 0, "total_seconds": 1.0, "max_seconds": 1.0,
        "p95_seconds": 1.0,
    }  # fmt: skip
    return OperationUsage(operation, backend, **{**usual, **values})


def test_usage_is_projected_by_the_executions_it_created() -> None:
    """Ten created, one more failed; what was called beside them is called as often in the month, for each execution."""
    failed = MappingProxyType({"ThrottledError": 1})
    report = UsageReport(
        NOW,
        (
            used("executions.create", calls=11, failures_by_error=failed, request_units=88.0, sent_bytes=11_000),
            used("executions.get", calls=30, request_units=60.0, requests_by_service={"cosmos": 60, "cosmos_metadata": 2}),
            used("executions.get", "cosmos+table", calls=10, request_units=20.0),
            used("executions.get", "table", calls=500),
            used("executions.get", "", calls=500),
        ),
    )
    projection = project_usage(report, 1000, retention_days=30)
    by_name = {line.operation: line for line in projection.lines}

    assert by_name["executions.create"].request_units == pytest.approx(8800)
    assert (by_name["executions.get"].calls, by_name["executions.get"].request_units) == (4000, pytest.approx(8000))
    assert by_name["executions.get"].requests_each == pytest.approx(61 / 40)
    assert projection.request_dollars == pytest.approx(16_800 * 0.25 / 1e6)
    assert projection.document_gigabytes == pytest.approx(1000 * 1000 / 1e9)


def test_usage_without_executions_tells_nothing() -> None:
    """There is nothing that a month could be in proportion to."""
    with pytest.raises(InvalidRequestError, match="no execution was created on Cosmos DB"):
        project_usage(UsageReport(NOW, (used("executions.create", "table"),)), 1000)


def test_metadata_stands_apart() -> None:
    """Charges of calls about containers are counted beside those of documents, and cost nothing in dollars."""
    with metering() as meter:
        count("cosmos_metadata")
        count_answer(100, request_units=2.0, is_metadata=True)
        count("cosmos")
        count_answer(50, request_units=8.0)
    ledger = Ledger(NOW)
    ledger.add("executions.create", "cosmos", meter, 0.1, None)
    ledger.add("executions.create", "cosmos", Meter(request_units=12.0), 0.1, None)
    report = ledger.report()

    assert (meter.request_units, meter.metadata_request_units, meter.received_bytes) == (8.0, 2.0, 150)
    assert (report.operations[0].request_units, report.operations[0].metadata_request_units) == (20.0, 2.0)
    assert report.operations[0].dollars() == report.dollars() == pytest.approx(20 * 0.25 / 1e6)
    assert report.dollars(per_million=1.0) == pytest.approx(20e-6)


def test_every_operation_has_its_share() -> None:
    """What the repositories and the mix call is told apart by its name: whatever is not known to read is named here."""
    words = "get list read load find items last variables stuck count statistics validate visible can of users forms due any"
    later = "memberships members dashboard rollup rebuild compare status resolve tokens client iterate"
    reading = {*words.split(), *later.split()}
    kinds = [kind for name in protocols.__all__ if isinstance(kind := getattr(protocols, name), type)]
    called = [(kind.__name__, method) for kind in kinds for method in vars(kind)]
    for name, method in called:
        is_call = not method.startswith("_") and iscoroutinefunction(getattr(getattr(protocols, name), method))
        if is_call and name != "Recording":
            assert (method.partition("_")[0] in reading) == (share_of(f"x.{method}") == "reads"), method
    assert ("Executions", "complete") in called

    charged = {"feed.poll": 1, "backend.feed_items": 1, "execution_data, each expired": 1, "leases.renew": 2, "executions.list": 1}
    charged |= {"api_keys.validate, use noted": 4, "execution_data.append, a line": 6, "executions.purge_expired, each": 8}
    charged |= {"api_keys.validate": 1, "backend.aggregate": 1, "metrics.dashboard": 1}
    assert {"feed": 2.0, "writes": 21.0, "reads": 4.0} == shares_of(charged.items())
