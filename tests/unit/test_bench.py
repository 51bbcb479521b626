"""What the benchmark makes of times, given times."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.operations import READS, WRITES, Cost
from bench.promises import Promise
from bench.report import BEGIN, END, POINT_READ, Measured, report, write
from bench.timing import Ratio, Times, in_turns
from bifrost_store import StoreSettings, open_store

pytestmark = pytest.mark.anyio


def measured(*, own_time: float = 0.1, promised: float = 0.5, backend: str = "table") -> Measured:
    cost = Cost(seconds=[0.002, 0.004])
    cost.requests[("blob", 1), ("table", 2)] += 2
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


async def test_every_repository_is_measured() -> None:
    """A repository that joins the store has lines in the table of operations; legacy rows are on no hot path."""
    async with open_store(StoreSettings(backend="sqlite", sqlite_path=":memory:")) as store:
        repositories = {name for name, one in vars(store).items() if type(one).__name__.endswith("Repository")}

    assert {name.partition(".")[0] for name in (*READS, *WRITES)} == repositories - {"legacy_rows"}
