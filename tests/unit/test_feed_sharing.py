"""Who claims which range, what no lease covers, and how items are told that a handler cannot take."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.changefeed.handling import HandlerError, Poison, hand_over
from bifrost_store.changefeed.leases import FeedLease, FeedLeaseRow
from bifrost_store.changefeed.sharing import gaps, pieces, to_claim
from bifrost_store.coordination.rows import Row
from bifrost_store.core.feed import FeedItem, FeedRange
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.errors import PreconditionFailedError, ThrottledError
from bifrost_store.testing.examples import config
from tests.thorough import examples

pytestmark = pytest.mark.anyio


def lease(number: int, owner: str | None, wanted_by: str | None = None) -> FeedLeaseRow:
    low, high = f"{number:02X}", f"{number + 1:02X}"
    state = FeedLease(processor="p", feed="entities", low=low, high=high, position=None, owner=owner, wanted_by=wanted_by)
    return Row(state, Record(Key("feed_lease", SYSTEM, f"{number:016x}"), {}))


@examples(50)
@given(st.lists(st.sampled_from([None, "a", "b", "c", "dead"]), min_size=1, max_size=12), st.integers(0, 1000))
def test_shares_become_even(owners: list[str | None], seed: int) -> None:
    """Whoever had what: in a few rounds nobody has more than one range more than another, and then nobody claims any more."""
    choose = random.Random(seed)
    rows = [lease(number, owner) for number, owner in enumerate(owners)]
    for _ in range(40):
        claimed: dict[str, str] = {}
        for me in "abc":
            claimed |= {row.id: me for row in to_claim(rows, me, lambda row: row.state.owner == "dead", choose)}
        rows = [row if row.id not in claimed else lease(int(row.id, 16), claimed[row.id]) for row in rows]
    shares = [sum(row.state.owner == me for row in rows) for me in "abc"]
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == len(rows)
    assert not any(to_claim(rows, me, lambda row: False, choose) for me in "abc")


def test_one_is_claimed_at_a_time_from_the_living() -> None:
    """And none that another process waits for."""
    rows = [lease(number, "a") for number in range(6)]
    (first,) = to_claim(rows, "b", lambda row: False, random.Random(1))
    rows = [lease(int(row.id, 16), "a", "b") if row.id == first.id else row for row in rows]
    (second,) = to_claim(rows, "b", lambda row: False, random.Random(1))
    assert first.id != second.id


@examples(100)
@given(st.sets(st.integers(1, 63), max_size=6), st.lists(st.tuples(st.integers(0, 63), st.integers(1, 64)), max_size=6))
def test_gaps_are_what_no_lease_covers(cuts: set[int], leased: list[tuple[int, int]]) -> None:
    """Every hash is in a lease or in exactly one gap, and gaps lie in ranges."""
    bounds = ["", *(f"{cut:02X}" for cut in sorted(cuts)), "FF"]
    ranges = [FeedRange(low, high) for low, high in pairwise(bounds)]
    leases = [FeedRange(f"{low:02X}", f"{high:02X}") for low, high in leased if low < high]
    found = gaps(ranges, leases)
    for place in (f"{number:02X}" for number in range(64)):
        is_leased = any(part.low <= place < part.high for part in leases)
        assert (not is_leased) == (sum(part.low <= place < part.high for part in found) == 1)
    assert all(any(part.covers(gap) for part in ranges) for gap in found)


def test_pieces() -> None:
    """A range is in pieces only once the feed has cut it; a merge leaves it whole."""
    ranges = [FeedRange("", "10"), FeedRange("10", "20"), FeedRange("20", "FF")]
    assert [] == pieces(FeedRange("10", "20"), ranges)
    assert [] == pieces(FeedRange("12", "18"), ranges)
    assert [FeedRange("08", "10"), FeedRange("10", "18")] == pieces(FeedRange("08", "18"), ranges)
    many = [FeedRange(f"{number:04X}", f"{number + 1:04X}") for number in range(100)]
    parts = pieces(FeedRange("0000", "0064"), many)
    assert 31 == len(parts)
    assert [] == gaps([FeedRange("0000", "0064")], parts)


ITEMS = [config(f"k{number}") for number in range(8)]


class Target:
    """A handler that cannot take some items, or some calls."""

    def __init__(self, bad: set[int], *, fails: range = range(0)) -> None:
        self.bad = {ITEMS[number].key.id for number in bad}
        self.fails = fails
        self.calls = 0
        self.taken: list[str] = []

    async def __call__(self, items: Sequence[FeedItem]) -> None:
        self.calls += 1
        names = [item.key.id for item in items if isinstance(item, Record)]
        if self.calls in self.fails or self.bad.intersection(names):
            raise ValueError("no")
        self.taken += names


@examples(60)
@given(st.integers(2, 8), st.sets(st.integers(0, 7), max_size=6))
def test_exactly_what_fails_alone_is_poison(count: int, bad: set[int]) -> None:
    """The others are taken, each in its place; where the last one fails the error is raised, and nothing is poison."""
    target, bad = Target(bad), {number for number in bad if number < count}

    async def work() -> list[Poison] | Exception:
        try:
            return await hand_over(target, ITEMS[:count])
        except ValueError as error:
            return error

    found = anyio.run(work)
    if count - 1 in bad:
        assert isinstance(found, ValueError)
        return
    assert isinstance(found, list)
    assert [ITEMS[number] for number in sorted(bad)] == [poison.item for poison in found]
    good = [item.key.id for number, item in enumerate(ITEMS[:count]) if number not in bad]
    assert good == target.taken[: len(good)]
    assert {*good[-1:]} >= {*target.taken[len(good) :]}
    assert all(poison.attempts >= 5 for poison in found)


@examples(200)
@given(st.integers(1, 40), st.integers(0, 40), st.sets(st.integers(0, 3), max_size=2))
def test_an_outage_makes_no_poison(start: int, calls: int, bad: set[int]) -> None:
    """Whenever it begins and ends: an item that can be taken is never poison."""
    target = Target(bad, fails=range(start, start + calls))

    async def work() -> list[Poison]:
        try:
            return await hand_over(target, ITEMS[:4])
        except ValueError:
            return []

    assert {poison.item.key.id for poison in anyio.run(work) if isinstance(poison.item, Record)} <= target.bad


@pytest.mark.parametrize("error", [ConnectionError(), TimeoutError(), ThrottledError("slow")])
async def test_passing_errors_are_raised_as_they_are(error: Exception) -> None:
    """They say nothing about an item, however many succeed beside it."""

    async def handler(items: Sequence[FeedItem]) -> None:
        if ITEMS[1] in items:
            raise error

    with pytest.raises(type(error)):
        await hand_over(handler, ITEMS[:4])


async def test_an_error_of_the_store_that_lasts_may_be_poison() -> None:
    """A refusal is one of the item."""

    async def handler(items: Sequence[FeedItem]) -> None:
        if ITEMS[1] in items:
            raise PreconditionFailedError("no")

    assert [ITEMS[1]] == [poison.item for poison in await hand_over(handler, ITEMS[:4])]


@pytest.mark.parametrize("returned", [0, True, [], "done"])
async def test_a_handler_must_return_none(returned: Any) -> None:
    """Anything else is refused with what is expected."""

    async def handler(items: Sequence[FeedItem]) -> Any:
        return returned

    with pytest.raises(HandlerError, match="must return None"):
        await hand_over(handler, ITEMS[:2])


async def test_a_handler_must_be_async() -> None:
    """One that is not is told so."""

    def handler(items: Sequence[FeedItem]) -> None: ...

    with pytest.raises(HandlerError, match="async"):
        await hand_over(handler, ITEMS[:2])  # type: ignore[arg-type]
