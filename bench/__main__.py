"""`python -m bench`: measures every backend, prints the tables, and ends with 1 if a budget or promise is not kept."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from bench import operations, promises
from bench.places import ORGANIZATION, PLACES, Place
from bench.report import POINT_READ, Measured, report, write
from bench.timing import Ratio, in_turns
from bench.world import World

_PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        stored: Of each kind, in the store that operations are measured on.
        pairs: Of a call through the library and one through the SDK.
        rounds: Calls of each operation.
        executions: In the scope that promises are held to.
        promise_rounds: Calls of each promise.
    """

    stored: int = 20
    pairs: int = 1000
    rounds: int = 60
    executions: int = promises.EXECUTIONS
    promise_rounds: int = 60


_QUICK: Final = Size(stored=2, pairs=5, rounds=1, executions=100, promise_rounds=1)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--backend", action="append", choices=PLACES, help="measure this backend only (repeatable)")
    parser.add_argument("--quick", action="store_true", help="try everything once, judge and keep nothing")
    options = parser.parse_args(arguments)
    load_average = os.getloadavg()[0]
    size = _QUICK if options.quick else Size()
    measured = [anyio.run(_measure, name, size) for name in options.backend or PLACES]
    text = report(measured, load_average)
    print(text)
    if options.quick:
        return 0
    if not options.backend:
        write(text, _PAGE)
    failures = [line for one in measured for line in one.failures()]
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


async def _measure(name: str, size: Size) -> Measured:
    async with PLACES[name]() as place:
        world = World(place.store)
        _say(f"{name}: filling a store")
        await world.fill(size.stored)
        _say(f"{name}: operations")
        costs = await operations.measure(world, size.rounds)
        _say(f"{name}: library and SDK in turns")
        ratios = await _ratios(place, world, size.pairs)
        _say(f"{name}: loading {size.executions:,} executions")
        load_seconds = await promises.load(place, size.executions)
        _say(f"{name}: promises, after {load_seconds:.0f} s of loading")
        held = await promises.hold(place, size.executions, size.promise_rounds)
    return Measured(name, place.description, ratios, costs, held, size.executions, load_seconds)


async def _ratios(place: Place, world: World, pairs: int) -> dict[str, Ratio]:
    organizations = place.store.organizations
    async with place.open_sdk() as sdk:
        ratios = {POINT_READ: await in_turns(lambda: organizations.get(ORGANIZATION), sdk.read, pairs)}
        for name, write_row in sdk.writes.items():
            ratios[name] = await in_turns(world.new_organization, write_row, pairs)
    return ratios


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
