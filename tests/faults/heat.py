"""64 writers of two records while scopes are handed over there and back: none is starved, and no healthy store is blamed."""

from __future__ import annotations

import re
from pathlib import Path
from time import monotonic
from typing import Final

from bifrost_store.demo.azurite import Azurite
from tests.faults.operator import Operator
from tests.faults.running import FAULT_LEASE_SECONDS, WORKERS, Result, conclude
from tests.faults.world import open_world

WRITERS: Final = 64
LONGEST_PAUSE_SECONDS: Final = 2.0
MOST_ATTEMPTS: Final = 5
"""Of one hand-over: a call-off is no fault on a busy machine, but it does not go on like that."""
_AT_FAULT: Final = re.compile(r"(table|cosmos) does not answer")


async def under_heat(
    folder: Path, *, times: int, lease_seconds: float = FAULT_LEASE_SECONDS, seed: int = 0, azurite: Azurite | None = None
) -> Result:
    """Hand over there and back *times* times; each is committed, or says which store is at fault."""
    began = monotonic()
    async with open_world(folder, seed, lease_seconds=lease_seconds, azurite=azurite) as world:
        operator = Operator(world, await world.line(through_proxies=False))
        await world.hire(WORKERS, through_proxies=False, pause=0.1, adders=WRITERS // WORKERS)
        await world.all_write()
        await operator.start()
        for _ in range(times):
            await operator.there()
            await operator.back()
        result = await conclude(world, operator)
    refused = [said for said in operator.refused if "cannot be done in phase" not in said and not _AT_FAULT.search(said)]
    result.wrong += [f"refused, and no store is named: {said}" for said in refused]
    result.wrong += [f"{ended}: {count} times" for ended, count in operator.ends.items() if ended in ("run 1", "verify 1")]
    result.wrong += [f"a hand-over took {count} announcements" for count in operator.attempts if count > MOST_ATTEMPTS]
    result.figures |= {
        "pauses": operator.pauses,
        "announcements": operator.attempts,
        "refused": len(operator.refused),
        "seconds": round(monotonic() - began, 1),
    }
    return result


def paused_long(result: Result) -> list[str]:
    """Return what to say of a run in which a hand-over kept everybody waiting for longer than it may."""
    longest = result.figures.get("longest pause")
    if not isinstance(longest, float) or longest <= LONGEST_PAUSE_SECONDS:
        return []
    return [f"a hand-over kept everybody waiting for {longest:.2f} seconds"]
