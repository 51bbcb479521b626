"""The two runs: under load, there and back ten times; and under faults, by a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from bifrost_store.demo.azurite import Azurite
from tests.faults.checking import check
from tests.faults.history import Event, Expected, expected
from tests.faults.operator import Operator
from tests.faults.schedule import Schedule
from tests.faults.world import World, open_world

WORKERS: Final = 4
LONGEST_WAIT_SECONDS: Final = 3.0
FAULT_LEASE_SECONDS: Final = 2.0
_MOST_COMMANDS_TO_REST: Final = 60
_STARTED_SHARE: Final = 0.8
"""Of all seeds, those in which nothing happens before the migration is verified: the others stay in its beginning for long."""


@dataclass(slots=True)
class Result:
    """What came of a run.

    Attributes:
        figures: By name.
        lines: What happened when.
        wrong: A sentence for each thing that must not be; empty if all is well.
        slowest: The write that took longest.
    """

    figures: dict[str, object] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slowest: Event | None = None


async def under_load(
    folder: Path, *, times: int = 10, lease_seconds: float = 30.0, seed: int = 0, azurite: Azurite | None = None
) -> Result:
    """Start, carry over, verify; then cut over and roll back *times* times, while four workers go on."""
    began = monotonic()
    async with open_world(folder, seed, lease_seconds=lease_seconds, azurite=azurite) as world:
        operator = Operator(world, await world.line(through_proxies=False))
        await world.hire(WORKERS, through_proxies=False, pause=0.2)
        await world.all_write()
        await operator.start()
        for _ in range(times):
            await operator.there()
            await operator.back()
        result = await conclude(world, operator)
    result.figures |= {"seconds": round(monotonic() - began, 1)}
    return result


def waited_long(result: Result) -> list[str]:
    """Return what to say of a run under load in which a write waited longer than a hand-over may keep it."""
    slowest = result.slowest
    if slowest is None or slowest.seconds <= LONGEST_WAIT_SECONDS:
        return []
    return [f"a write took {slowest.seconds:.2f} seconds: {slowest.key} {slowest.note}"]


async def under_faults(
    folder: Path, seed: int, *, seconds: float = 30.0, pause: float = 0.3, azurite: Azurite | None = None
) -> Result:
    """Let whatever *seed* draws happen for so many seconds while the operator goes there and back; then look.

    Workers wait up to *pause* seconds between two calls.

    On a machine that is slower or busy, all durations are longer: what happens between them is the same.
    """
    began = monotonic()
    async with open_world(folder, seed, lease_seconds=FAULT_LEASE_SECONDS, azurite=azurite) as world:
        operator = Operator(world, await world.line(through_proxies=True))
        await world.hire(WORKERS, through_proxies=True, pause=pause)
        schedule = Schedule(world, operator, FAULT_LEASE_SECONDS)
        is_started = world.random.random() < _STARTED_SHARE
        if is_started:
            await operator.start()
        moving = asyncio.create_task(_to_and_fro(operator, is_started=is_started))
        await schedule.run(seconds * world.slowness)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        handed_over = len(operator.pauses)
        await operator.settle(_MOST_COMMANDS_TO_REST)
        result = await conclude(world, operator)
    result.figures |= {"hand-overs under faults": handed_over, **schedule.happened, "seconds": round(monotonic() - began, 1)}
    result.lines = schedule.lines
    return result


async def _to_and_fro(operator: Operator, *, is_started: bool) -> None:
    if not is_started:
        await operator.start()
    while True:
        await operator.there()
        await operator.back()


async def conclude(world: World, operator: Operator) -> Result:
    """Let everybody end, verify, and compare both stores with what everybody was told."""
    stayed = await world.dismiss()
    verified = await world.command("verify", settings=world.settings)
    wanted = expected(_logs(world))
    verdict = await check(world.settings, wanted)
    wrong = [*stayed, *operator.wrong, *verdict.wrong, *_idle(world)]
    if verified["exit"] != 0:
        wrong.append(f"the last verification: {verified}")
    return Result(_figures(wanted, operator, verdict.records), [], wrong, wanted.slowest)


def _idle(world: World) -> list[str]:
    """Return the workers that could not write any more."""
    last = [worker.logs[-1] for worker in world.workers]
    return [f"{log.name}: nothing was written" for log in last if not expected([log]).outcomes.get("done")]


def _logs(world: World) -> Sequence[Path]:
    return [log for worker in world.workers for log in worker.logs]


def _figures(wanted: Expected, operator: Operator, records: int) -> dict[str, object]:
    slowest = wanted.slowest
    return {
        **wanted.outcomes,
        "records": records,
        "slowest write": None if slowest is None else f"{slowest.seconds:.2f} s",
        "commands": dict(sorted(operator.ends.items())),
        "hand-overs": len(operator.pauses),
        "longest pause": max(operator.pauses, default=None),
    }
