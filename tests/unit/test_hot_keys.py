"""Many writers on few records while scopes are handed over there and back: real processes and coordinators, in virtual time."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import cycle

import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Replace
from bifrost_store.core.scope import SYSTEM
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendError, OutcomeUnknownError, PreconditionFailedError, StaleRouteError
from bifrost_store.migration.handover import Coordinator
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.control import EVERY_SCOPE, Target
from bifrost_store.routing.timing import Timing
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.examples import config, touched
from tests.unit import member_world
from tests.unit.member_world import ACME, CUT_OVER, Process, World, in_world

TIMING = Timing().scaled(0.1)
CALL_SECONDS = 0.03
BACK = Target(primary="table", secondary="cosmos")
KEYS = [config(name, scope=ACME) for name in ("hot", "hotter")]


async def write_for_ever(world: World, process: Process, number: int, written: list[int]) -> None:
    """Keep replacing one of the two records, as a repository does: read, change, and repeat where others were faster."""
    key = KEYS[number % 2].key
    while True:
        try:
            async with process.member.operation(ACME) as [standing]:
                assert standing.lease_id is not None
                stored = await standing.backend.get(key)
                assert stored is not None
                attempt = Attempt(standing.route.epoch, standing.lease_id, partial(process.member.may_send, standing))
                await standing.backend.write([Replace(touched(stored, number), stored.etag)], attempt=attempt)
                written[0] += 1
        except (PreconditionFailedError, StaleRouteError, OutcomeUnknownError, BackendError):
            await asyncio.sleep(0.01 * (number % 7))


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.1, 0.4], ids=["overtaking", "too slow"])
def test_hand_overs_are_not_starved(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """64 writers on 2 records: each hand-over commits, nobody waits for 2 seconds, and both stores hold the same at the end."""
    monkeypatch.setattr(member_world, "TIMING", TIMING)
    monkeypatch.setattr(member_world.Reach, "_pass", lambda reach: asyncio.sleep(CALL_SECONDS))

    async def work(world: World) -> None:
        await world.begin()
        for record in KEYS:
            stored = await world.stores["table"].create(record, epoch=1)
            await world.stores["cosmos"].apply(stored)
        processes = [await world.process() for _ in range(2)]
        for process in processes:
            await slow_down(process, seconds)
        written = [0]
        writers = [asyncio.create_task(write_for_ever(world, processes[number % 2], number, written)) for number in range(64)]
        for target in (CUT_OVER, BACK, CUT_OVER, BACK):
            await asyncio.sleep(1)
            before = written[0]
            kind = "cutover" if target is CUT_OVER else "rollback"
            coordinator = Coordinator(
                world.copies, world.stores, SPECS, monotonic=world.loop.time, sleep=asyncio.sleep, timing=TIMING
            )
            report = await coordinator.hand_over(kind, (EVERY_SCOPE,), target)  # type: ignore[arg-type]
            assert report.paused_seconds < 2, report
            assert report.attempts <= 3, report
            assert written[0] > before
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        for process in processes:
            await process.member.aclose()
        names = {entry.key async for entry in Journal(world.stores["table"]).entries()}
        here, there = [await everything(world.stores[name]) for name in ("table", "cosmos")]
        assert {key for key in here if key.scope != SYSTEM and here[key] != there.get(key)} <= names
        assert written[0] > 100

    in_world(work)


async def slow_down(process: Process, seconds: float) -> None:
    """Let what a process applies to Cosmos DB take up to three times so long: it overtakes, or comes too late for its caller."""
    reach = process.reach["cosmos"]
    apply = reach.apply
    turns = cycle([3, 0, 2, 1])

    async def slow(*arguments: object, **options: object) -> object:
        await asyncio.sleep(seconds * next(turns))
        return await apply(*arguments, **options)

    reach.apply = slow  # type: ignore[attr-defined]
