"""Many runs of a processor, each drawn from a seed, in virtual time: whatever happens, each change is handled, in order per key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import settings

from bifrost_store.changefeed import DeadLetters
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.record import Record
from tests.unit.feed_world import TIMING, Process, World
from tests.unit.virtual_time import VirtualLoop

SEEDS = range(400 if settings.get_current_profile_name() == "thorough" else 12)
KEYS = [f"k{number}" for number in range(12)]
POISON = frozenset({"k3", "k7"})


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(work())
    finally:
        loop.close()


async def letters_of(world: World) -> set[str]:
    return {row.state.id async for row in DeadLetters(world.store, "p", clock=world.clock).all()}


async def live(world: World, random: Random, seconds: int, actions: list[str]) -> None:
    """Let a second pass at a time, and something happen in it."""
    for _ in range(seconds):
        await asyncio.sleep(1)
        for _ in range(random.choice([0, 0, 1, 3])):
            world.log.change(random.choice(KEYS), random)
        if random.random() < 0.15:
            await _act(world, random, random.choice(actions))


async def _act(world: World, random: Random, action: str) -> None:
    process = random.choice(world.alive()) if world.alive() else None
    match action:
        case "start" if len(world.alive()) < 4:
            await world.start_process()
        case "kill" if process is not None and len(world.alive()) > 1:
            process.kill()
        case "stop" if process is not None and len(world.alive()) > 1:
            process.processor.stop()
        case "freeze" if process is not None:
            process.freeze()
            asyncio.get_running_loop().call_later(random.choice([3, 20, 50, 90]), process.thaw)
        case "split":
            world.log.split(random)
        case "merge":
            world.log.merge(random)
        case "away":
            world.faults.is_target_away = not world.faults.is_target_away
        case "broken":
            world.faults.is_target_broken = not world.faults.is_target_broken
        case "throttle":
            world.faults.throttled = random.choice([0.0, 0.1, 0.5])
            world.faults.lost = random.choice([0.0, 0.1])


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens(seed: int) -> None:
    """One to four processes are killed, frozen, stopped and started; ranges split and merge; handler, target and store fail.

    Every change is handled at least once and in order per key, no position moves but by the owner of its range, and only poison
    becomes a dead letter.
    """
    random = Random(seed)
    world = World(seed)
    actions = ["start", "kill", "stop", "freeze", "split", "merge", "away", "broken", "throttle"]

    async def work() -> None:
        for key in KEYS:
            world.log.change(key, random)
        for _ in range(random.randint(1, 4)):
            await world.start_process()
        world.faults.poison = POISON if seed % 2 else frozenset()
        await live(world, random, 400, actions)
        # All is well again: what is left is done within the longest pause and the leases of the dead.
        world.faults.throttled = world.faults.lost = 0.0
        world.faults.is_target_away = world.faults.is_target_broken = False
        await world.start_process()
        for key in KEYS:
            world.log.change(key, random)
        await asyncio.sleep(400)
        for key in KEYS:
            if key not in POISON:
                world.log.change(key, random)
        await asyncio.sleep(100)
        letters = await letters_of(world)
        await world.close()
        world.check(world.faults.poison, letters)
        waiting: set[str] = set()
        for lease in await leases_of(world):
            page = await world.log.items("entities", lease.part, lease.position)
            waiting |= {item.key.id for item in page.items if isinstance(item, Record)}
        # Poison after which nothing else has changed in its range may yet be an outage.
        assert world.faults.poison == letters | waiting

    in_virtual_time(work)


def test_ranges_are_shared() -> None:
    """Eight ranges and one, two, then four processes: each soon has its share, and one that stops passes its own on."""

    async def work() -> None:
        world = World(1)
        bounds = ["", *(f"{number * 8:02X}" for number in range(1, 8)), "FF"]
        world.log.ranges_now = [FeedRange(low, high) for low, high in pairwise(bounds)]

        async def shares() -> list[int]:
            owners = list((await world.owners()).values())
            return sorted(owners.count(process.name) for process in world.alive())

        await world.start_process()
        await asyncio.sleep(5)
        assert [8] == await shares()
        await world.start_process()
        await asyncio.sleep(200)
        assert [4, 4] == await shares()
        await world.start_process()
        await world.start_process()
        await asyncio.sleep(200)
        assert [2, 2, 2, 2] == await shares()
        world.processes[0].processor.stop()
        await asyncio.sleep(1)
        assert world.processes[0].task.done()
        assert None in (await world.owners()).values()
        await asyncio.sleep(2 * TIMING.look)
        owners = list((await world.owners()).values())
        assert [2, 3, 3] == sorted(owners.count(f"p{number}") for number in (1, 2, 3))
        await world.close()

    in_virtual_time(work)


@pytest.mark.parametrize("how", [Process.kill, Process.freeze])
def test_a_silent_process_is_taken_over_from(how: Callable[[Process], None]) -> None:
    """Within the expiry of a lease and one look, after the last sign of life that others saw."""

    async def work() -> None:
        world = World(2)
        first = await world.start_process()
        await asyncio.sleep(5)
        await world.start_process()
        await asyncio.sleep(50)
        assert ["p0"] == list((await world.owners()).values())
        world.log.change("k", world.random)
        how(first)
        await asyncio.sleep(TIMING.expire + TIMING.look + 2)
        assert ["p1"] == list((await world.owners()).values())
        assert ("p1", "k", 1, False) in world.handled
        first.thaw()
        await asyncio.sleep(30)
        assert ["p1"] == list((await world.owners()).values())
        assert [] == world.violations
        await world.close()

    in_virtual_time(work)


@pytest.mark.parametrize("fault", ["is_target_away", "is_target_broken"])
def test_an_outage_of_the_target_holds_the_position(fault: str) -> None:
    """For however long nothing is taken: nothing is given up, the lease says so, and afterwards everything is handled."""

    async def work() -> None:
        world = World(3)
        await world.start_process()
        await asyncio.sleep(5)
        setattr(world.faults, fault, True)
        for key in KEYS:
            world.log.change(key, world.random)
        await asyncio.sleep(4 * 3600)
        assert [] == world.handled
        (lease,) = await leases_of(world)
        assert lease.problem in ("ConnectionError", "RuntimeError")
        assert lease.failures > 100
        assert lease.stuck_since is not None
        setattr(world.faults, fault, False)
        await asyncio.sleep(TIMING.longest_pause + 20)
        (lease,) = await leases_of(world)
        assert (None, 0, None) == (lease.problem, lease.failures, lease.stuck_since)
        assert set() == await letters_of(world)
        await world.close()
        world.check(frozenset(), set())

    in_virtual_time(work)


async def leases_of(world: World) -> list[Any]:
    from bifrost_store.changefeed import leases_by_processor

    return (await leases_by_processor(world.store))["p"]


@pytest.mark.parametrize("limit", [1, 4])
def test_poison_is_isolated(limit: int) -> None:
    """Each item that fails alone is a dead letter, those beside it are handled, and a lone one waits until something else comes."""

    async def work() -> None:
        world = World(4, limit=limit)
        world.faults.poison = POISON
        await world.start_process()
        await asyncio.sleep(5)
        world.log.change("k3", world.random)
        await asyncio.sleep(300)
        assert set() == await letters_of(world)
        for key in KEYS:
            world.log.change(key, world.random)
        await asyncio.sleep(200)
        letters = await letters_of(world)
        await world.close()
        world.check(POISON, letters)
        assert POISON == letters

    in_virtual_time(work)


def test_now_is_before_started() -> None:
    """What changes after a processor says that it has started is handled, though nothing had happened before it stopped."""

    async def work() -> None:
        world = World(5, start="now")
        world.log.change("old", world.random)
        first = await world.start_process()
        await first.processor.started.wait()
        first.kill()
        world.log.change("new", world.random)
        await world.start_process()
        await asyncio.sleep(TIMING.expire + 2 * TIMING.look + 2)
        assert {"new": 1} == world.last_handled()
        await world.close()

    in_virtual_time(work)


def test_a_process_that_cannot_reach_the_store_lets_go() -> None:
    """Cut off from it alone, it stops handling before another process takes over."""

    async def work() -> None:
        world = World(6)
        first = await world.start_process()
        await asyncio.sleep(5)
        await world.start_process()
        await asyncio.sleep(40)
        for key in KEYS:
            world.log.change(key, world.random)
        world.handler_seconds = 1000.0
        await asyncio.sleep(6)
        assert [True] == [process.is_handling for process in world.processes[:1]]
        first.is_cut_off = True
        world.handler_seconds = 0.0
        while "p0" in (await world.owners()).values():  # noqa: ASYNC110 - virtual time passes
            await asyncio.sleep(0.1)
        assert [False] == [process.is_handling for process in world.processes[:1]]
        await asyncio.sleep(20)
        assert dict.fromkeys(KEYS, 1) == world.last_handled()
        await world.close()

    in_virtual_time(work)


def test_a_range_that_was_split_is_followed_in_parts() -> None:
    """Each part goes on where the whole one was, in one process or another."""

    async def work() -> None:
        world = World(7)
        await world.start_process()
        await world.start_process()
        for key in KEYS:
            world.log.change(key, world.random)
        await asyncio.sleep(30)
        world.log.ranges_now = [FeedRange("", "20"), FeedRange("20", "FF")]
        await asyncio.sleep(TIMING.ranges + 4 * TIMING.look)
        assert {"p0", "p1"} == set((await world.owners()).values())
        assert world.log.ranges_now == sorted(await world.owners())
        assert dict.fromkeys(KEYS, 1) == world.last_handled()
        assert len(KEYS) == len(world.handled)
        for key in KEYS:
            world.log.change(key, world.random)
        await asyncio.sleep(30)
        await world.close()
        world.check(frozenset(), set())

    in_virtual_time(work)
