"""Figures stay counts of what is there, whatever crashes, comes twice, is corrected, deleted, expires or moves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.clock import format_time
from bifrost_store.documents.metrics import daily_id, hourly_id
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays, day_of, hour_of
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, execution
from bifrost_store.testing.harness import Harness
from tests.contract.harness import SqliteHarness
from tests.metrics.world import RETENTION, STEPS, Mortal, World, play, start_clock
from tests.thorough import examples, is_thorough

pytestmark = pytest.mark.anyio

_STEPS = {"sqlite": 25, "cosmos": 12}
names = st.sampled_from(sorted(STEPS))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(200 if is_thorough() else 5))


@asynccontextmanager
async def world(harness: Harness, seed: int) -> AsyncIterator[World]:
    """Open two stores, of which the first one is followed."""
    clock = start_clock()
    async with AsyncExitStack() as stack:
        followed = await stack.enter_async_context(harness.open_empty(clock))
        other = await stack.enter_async_context(SqliteHarness().open_empty(clock))
        yield World(followed.backend, other.backend, clock, random.Random(seed))


@pytest.fixture(params=["sqlite", "cosmos"])
def followed(request: pytest.FixtureRequest) -> Harness:
    """Return what opens the store that is followed."""
    harness: Harness = request.getfixturevalue(f"{request.param}_harness")
    return harness


async def test_every_open_figure_is_a_count(followed: Harness, seed: int) -> None:
    """After steps that a seed draws, every open hour and day is what a plain model counts, and frozen days never changed."""
    async with world(followed, seed) as one:
        await play(
            one, one.choose.choices(list(STEPS), list(STEPS.values()), k=_STEPS[followed.name] * (3 if is_thorough() else 1))
        )


@examples(6)
@given(steps=st.lists(names, max_size=8), seed=st.integers(0, 2**32))
async def test_any_sequence_leaves_counts(steps: list[str], seed: int) -> None:
    """The same for any short sequence of steps, which hypothesis makes shorter where it fails."""
    async with world(SqliteHarness(), seed) as one:
        await play(one, steps)


@pytest.mark.parametrize("requests", range(7))
async def test_who_counted_earlier_cannot_write_later(clock: SettableClock, requests: int) -> None:
    """Whoever stands still between any two requests of a count, and goes on after another counted a new run, counts it too."""
    hour = hour_of(START)
    async with SqliteHarness().open_empty(clock) as store:
        keeper = Keeper(store.backend, OpenDays(RETENTION), clock)
        await keeper.count_day(ORGANIZATION, day_of(START), [hour])
        slow = Mortal(store.backend, random.Random(0), lives=None, freezes=requests)
        slowly = asyncio.create_task(Keeper(slow, OpenDays(RETENTION), clock).count_day(ORGANIZATION, day_of(START), [hour]))
        await slow.frozen.wait()
        await store.backend.create(execution(1, completedAt=format_time(START), status="Success"))
        await keeper.count_day(ORGANIZATION, day_of(START), [hour])
        slow.thaw.set()
        await slowly
        stored = [await keeper.read(ORGANIZATION, record_id) for record_id in (hourly_id(START), daily_id(START))]

    assert [1, 1] == [None if one is None else one.total.count for one in stored]
