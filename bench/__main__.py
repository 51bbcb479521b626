"""`python -m bench`: measures every backend, prints the tables, and ends with 1 if a budget or promise is not kept."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from bench import operations, promises
from bench.operations import Cost
from bench.places import ORGANIZATION, PAGE_SIZE, PAGED, PLACES, Place
from bench.report import POINT_READ, Measured, report, write
from bench.requests_page import SERVICES, requests_page
from bench.timing import Ratio, in_turns
from bench.world import World

_REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"
PERFORMANCE: Final = _REFERENCE / "performance.md"
REQUESTS: Final = _REFERENCE / "requests.md"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        stored: Of each kind, in the store that operations are measured on.
        pairs: Of a call through the library and one through the SDK.
        page_pairs: Of pages.
        rounds: Calls of each operation.
        executions: In the scope that promises are held to.
        promise_rounds: Calls of each promise.
    """

    stored: int = 20
    pairs: int = 1000
    page_pairs: int = 200
    rounds: int = 60
    executions: int = promises.EXECUTIONS
    promise_rounds: int = 60


_QUICK: Final = Size(stored=2, pairs=5, page_pairs=2, rounds=1, executions=100, promise_rounds=1)
_ROUNDS_OF_REQUESTS: Final = 3
"""Requests and request units hardly differ from call to call."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--backend", action="append", choices=PLACES, help="measure this backend only (repeatable)")
    parser.add_argument("--quick", action="store_true", help="try everything once, judge and keep nothing")
    parser.add_argument("--requests", action="store_true", help="write the page of requests and request units, and no other")
    options = parser.parse_args(arguments)
    size = _QUICK if options.quick else Size()
    if options.requests:
        return _requests_only(size, is_kept=not options.quick)
    load_average = os.getloadavg()[0]
    measured = [anyio.run(_measure, name, size) for name in options.backend or PLACES]
    text = report(measured, load_average)
    print(text)
    if options.quick:
        return 0
    if not options.backend:
        write(text, PERFORMANCE)
        write(requests_page({one.backend: one.costs for one in measured}, size.stored), REQUESTS)
    failures = [line for one in measured for line in one.failures()]
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


def _requests_only(size: Size, *, is_kept: bool) -> int:
    costs = {name: anyio.run(_count, name, size) for name in SERVICES}
    text = requests_page(costs, size.stored)
    print(text)
    if is_kept:
        write(text, REQUESTS)
    return 0


async def _count(name: str, size: Size) -> Mapping[str, Cost]:
    async with PLACES[name]() as place:
        world = World(place.store)
        _say(f"{name}: filling a store, then operations")
        await world.fill(size.stored)
        return await operations.measure(world, min(size.rounds, _ROUNDS_OF_REQUESTS))


async def _measure(name: str, size: Size) -> Measured:
    async with PLACES[name]() as place:
        world = World(place.store)
        _say(f"{name}: filling a store")
        await world.fill(size.stored)
        _say(f"{name}: operations")
        costs = await operations.measure(world, size.rounds)
        _say(f"{name}: library and SDK in turns")
        ratios = await _ratios(place, world, size)
        _say(f"{name}: loading {size.executions:,} executions")
        load_seconds = await promises.load(place, size.executions)
        _say(f"{name}: promises, after {load_seconds:.0f} s of loading")
        held = await promises.hold(place, size.executions, size.promise_rounds)
    return Measured(name, place.description, ratios, costs, held, size.executions, load_seconds)


async def _ratios(place: Place, world: World, size: Size) -> dict[str, Ratio]:
    organizations, executions = place.store.organizations, place.store.executions
    await promises.load(place, 2 * PAGE_SIZE, PAGED)
    async with place.open_sdk() as sdk:
        ratios = {POINT_READ: await in_turns(lambda: organizations.get(ORGANIZATION), sdk.read, size.pairs)}
        for name, write_row in sdk.writes.items():
            ratios[name] = await in_turns(world.new_organization, write_row, size.pairs)
        for name, list_page in sdk.pages.items():
            ratios[name] = await in_turns(lambda: executions.list(PAGED, limit=PAGE_SIZE), list_page, size.page_pairs)
    return ratios


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
