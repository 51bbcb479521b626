"""What the benchmark makes of times, given times."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from bench.__main__ import REQUESTS
from bench.operations import Cost
from bench.promises import Promise
from bench.reads import READS
from bench.report import BEGIN, END, POINT_READ, Measured, report, write
from bench.requests_page import requests_page
from bench.timing import Ratio, Times, in_turns
from bench.writes import WRITES
from bifrost_store import Store
from bifrost_store.testing.repositories import protocols_of

pytestmark = pytest.mark.anyio


METHODS = sorted(
    f"{attribute}.{method}"
    for attribute, protocol in protocols_of(Store).items()
    for method, _ in inspect.getmembers(protocol, inspect.isfunction)
    if not method.startswith("_") and method not in ("iterate", "iterate_found", "get_value", "resolve", "client_secret", "tokens")
)
"""Every method of every repository of a store, and of its metrics: ``users.get``. Those that Protocols write over others cost what
these do."""


def a_cost(backend: str = "table", *, request_units: float = 0.0) -> Cost:
    cost = Cost(request_units=[request_units] * 2, seconds=[0.002, 0.004])
    cost.requests[("blob", 1), (backend, 2)] += 2
    return cost


def measured(*, own_time: float = 0.1, promised: float = 0.5, backend: str = "table") -> Measured:
    cost = a_cost(backend)
    ratio = Ratio([((1 + own_time) / 100, 0.01)] * 3)
    promise = Promise("create an execution", 0.5, 2, Times([promised * 0.9] * 20))
    return Measured(
        backend, "an emulator", {POINT_READ: ratio}, {"users.get": cost, "config.get, again": cost}, [promise], 25_000, 9.5
    )


def test_times_are_summed_up_by_median_p95_and_rate() -> None:
    """Half, and 95 of 100 calls, took at most so long; the rate is that of calls one after the other."""
    times = Times([number / 1000 for number in range(100, 0, -1)])

    assert 0.0505 == times.median
    assert 0.095 == times.p95
    assert 100 / 5.05 == pytest.approx(times.per_second)
    assert 2.0 == Times([2.0]).p95


def test_a_ratio_is_the_median_of_pairs() -> None:
    """A slow minute that falls on both of a pair changes nothing, and one wild pair next to nothing."""
    ratio = Ratio([(1.1, 1.0), (11.0, 10.0), (1.1, 1.0), (50.0, 1.0), (0.11, 0.1)])

    assert 1.1 == pytest.approx(ratio.median)
    assert 1.1 == pytest.approx(ratio.interval[0])


async def test_calls_are_made_in_turns() -> None:
    """After one of each that does not count, neither call always goes first."""
    made = []

    async def ours() -> None:
        made.append("ours")

    async def theirs() -> None:
        made.append("theirs")

    ratio = await in_turns(ours, theirs, 2)

    assert ["ours", "theirs", "ours", "theirs", "theirs", "ours"] == made
    assert 2 == len(ratio.pairs)


@pytest.mark.parametrize(
    ("found", "failures"),
    [
        (measured(), []),
        (measured(own_time=0.16), ["table: the library adds 16.0% to a point read; the budget is 15%"]),
        (measured(own_time=0.16, backend="cosmos"), ["cosmos: the library adds 16.0% to a point read; the budget is 15%"]),
        (measured(own_time=2.0, backend="sqlite"), []),
        (measured(promised=0.6), ["table: create an execution: p95 is 540 ms; promised are less than 500 ms"]),
    ],
)
def test_what_is_not_kept_is_named_with_its_figure(found: Measured, failures: list[str]) -> None:
    """Own time has a budget where a service answers; a promise is broken by the p95."""
    assert failures == list(found.failures())


def test_the_report_takes_the_place_of_the_last(tmp_path: Path) -> None:
    """Only what lies between the marks of the page is replaced."""
    page = tmp_path / "performance.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n", "utf-8")
    text = report([measured()], 0.5)
    write(text, page)
    write(text, page)

    assert f"# Title\n\n{BEGIN}\n\n{text}\n{END}\n\nThe end.\n" == page.read_text("utf-8")
    assert "| `config.get`, again | 2 + 1 blob | 3 ms | 4 ms | 333 |" in text


def test_every_method_of_every_repository_is_measured() -> None:
    """A method that joins a repository has a line among the operations, and in the page that they were written to."""
    lines = re.findall(r"^\| `(\w+\.\w+)`", REQUESTS.read_text("utf-8"), re.MULTILINE)

    assert 17 == len({method.partition(".")[0] for method in METHODS})
    assert METHODS == sorted({name.partition(",")[0] for name in (*READS, *WRITES)})
    assert METHODS == sorted(set(lines))


def test_requests_stand_side_by_side_and_an_execution_is_added_up() -> None:
    """A line shows what a call asks of each service; the sum is that of creating an execution and completing it."""
    names = ["executions.complete, given the model", "executions.create", "uploads.link"]
    costs = {
        "table": {name: a_cost("table") for name in names},
        "cosmos": {name: a_cost("cosmos", request_units=units) for name, units in zip(names, (11.06, 7.5, 0.0), strict=True)},
    }
    page = requests_page(costs, 20)

    assert "costs 7.5 RU and to complete it 11.1, together 18.6 where the platform's plan has 700" in page
    assert "50,000 executions a month that is 0.9 million RU, or 0.23 dollars" in page
    assert "| `executions.create` | 2 + 1 blob | 2 + 1 blob | 7.5 |" in page
    assert "| `uploads.link` | 2 + 1 blob | 2 + 1 blob |  |" in page
