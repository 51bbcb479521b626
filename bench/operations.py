"""What every operation costs: requests, request units, time."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from bench.reads import READS
from bench.timing import Call, Times, seconds_of
from bench.world import World
from bench.writes import WRITES
from bifrost_store.core.meter import Meter, metering


@dataclass(slots=True)
class Cost:
    """What an operation was seen to cost.

    Attributes:
        requests: How often each answer of the meter came.
        request_units: Of each call; 0.0 but on Cosmos DB.
        seconds: Of each call.
    """

    requests: Counter[tuple[tuple[str, int], ...]] = field(default_factory=Counter)
    request_units: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def times(self) -> Times:
        return Times(self.seconds)

    @property
    def usual_requests(self) -> dict[str, int]:
        """What the meter counted most often, by what was asked."""
        return dict(self.requests.most_common(1)[0][0])

    @property
    def usual_request_units(self) -> float:
        """The median of what a call was charged."""
        return statistics.median(self.request_units)


async def measure(world: World, rounds: int) -> Mapping[str, Cost]:
    """Make every call *rounds* times, one of each a round, so that a slow minute of the machine falls on all alike.

    The first round opens connections and fills caches, and is not kept.
    """
    costs: dict[str, Cost] = {}
    for number in range(rounds + 1):
        for name, read in READS.items():
            await _make(world, costs, name, partial(read, world), is_kept=number > 0)
    for number in range(rounds + 1):
        for name, write in WRITES.items():
            given = await write.before(world)
            await _make(world, costs, name, partial(write.call, world, given), is_kept=number > 0)
    return dict(sorted(costs.items()))


async def _make(world: World, costs: dict[str, Cost], name: str, call: Call, *, is_kept: bool) -> None:
    before = _recorded(world)
    with metering() as meter:
        seconds = await seconds_of(call)
    after = _recorded(world)
    meter.requests += after.requests - before.requests
    meter.request_units += after.request_units - before.request_units
    if is_kept:
        cost = costs.setdefault(name, Cost())
        cost.requests[tuple(sorted(meter.requests.items()))] += 1
        cost.request_units.append(meter.request_units)
        cost.seconds.append(seconds)


def _recorded(world: World) -> Meter:
    """Return what recordings have asked of stores so far: on a thread of their own, where no meter of a call sees it."""
    meter = Meter()
    for row in world.store.usage().operations:
        if row.operation == "backend.append_data":
            meter.requests.update(row.requests_by_service)
            meter.request_units += row.request_units
    return meter
