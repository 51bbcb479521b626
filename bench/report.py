"""The tables that a run leaves: printed, and kept in the documentation between two marks."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.operations import Cost
from bench.promises import PAGE, Promise
from bench.timing import Ratio

BEGIN: Final = "<!-- What follows is written by `nox -s bench`. -->"
END: Final = "<!-- Here it ends. -->"
OWN_TIME_BUDGET: Final = 0.15
"""Of a point read through the bare SDK, on the backends that are services."""
POINT_READ: Final = "point read"
_EMBEDDED: Final = frozenset({"sqlite"})
_GIBIBYTE: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run found on one backend.

    Attributes:
        backend: Its name.
        description: What answered.
        ratios: Library over bare SDK, by what both did.
        costs: By operation.
        promises: With *executions* in one scope, which took *load_seconds* to store.
    """

    backend: str
    description: str
    ratios: Mapping[str, Ratio]
    costs: Mapping[str, Cost]
    promises: Sequence[Promise]
    executions: int
    load_seconds: float

    def failures(self) -> Iterator[str]:
        """Yield a line for every budget or promise that was not kept."""
        own_time = self.ratios[POINT_READ].median - 1
        if self.backend not in _EMBEDDED and own_time > OWN_TIME_BUDGET:
            yield f"{self.backend}: the library adds {own_time:.1%} to a point read; the budget is {OWN_TIME_BUDGET:.0%}"
        for one in self.promises:
            if one.is_broken:
                yield f"{self.backend}: {one.name}: p95 is {_ms(one.times.p95)}; promised are less than {_ms(one.limit)}"


def report(measured: Sequence[Measured], load_average: float) -> str:
    """Return the report as Markdown. *load_average* is that of the minute before the run."""
    parts = [
        _conditions(load_average),
        "### Library over SDK\n",
        _ratios(measured),
        "### The plan's promises\n",
        *[_promises(one) for one in measured],
        "### Operations\n",
        *[_operations(one) for one in measured],
    ]
    return "\n".join(parts)


def write(report: str, path: Path) -> None:
    """Put *report* between the marks of the page at *path*."""
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{report}\n{END}{after}", "utf-8")


def _conditions(load_average: float) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIBIBYTE
    packages = ("bifrost-store", "aiosqlite", "azure-data-tables", "azure-cosmos", "azure-core", "aiohttp", "pydantic")
    versions = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    versions += [f"{name} {version(name)}" for name in packages]
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB of memory, ",
        f"with {', '.join(versions)}.\n",
        f"The machine's load in the minute before was {load_average:.1f}; anything near 0 is a quiet machine.\n",
    ]
    return "".join(lines)


def _ratios(measured: Sequence[Measured]) -> str:
    rows = [
        [
            one.backend,
            name,
            f"**{ratio.median:.2f}** ({ratio.interval[0]:.2f} to {ratio.interval[1]:.2f})",
            _ms(ratio.ours.median),
            _ms(ratio.theirs.median),
            str(len(ratio.pairs)),
        ]
        for one in measured
        for name, ratio in one.ratios.items()
    ]
    return table(["backend", "call", "ratio (95 %)", "library", "SDK", "pairs"], rows)


def _promises(one: Measured) -> str:
    title = f"{one.backend} ({one.description}), {one.executions:,} executions in one scope, loaded in {one.load_seconds:.0f} s:\n"
    heads = [f"call (pages of {PAGE})", "requests", "RU", "median", "p95", "promised"]
    rows = [
        [
            promise.name,
            str(promise.requests),
            units(promise.request_units),
            _ms(promise.times.median),
            _ms(promise.times.p95),
            f"< {_ms(promise.limit)}",
        ]
        for promise in one.promises
    ]
    return f"{title}\n" + table(*_without_empty(heads, rows))


def _operations(one: Measured) -> str:
    heads = ["operation", "requests", "RU", "median", "p95", "calls/s"]
    rows = [
        [
            operation(name),
            requests(cost.usual_requests, one.backend),
            units(cost.usual_request_units),
            _ms(cost.times.median),
            _ms(cost.times.p95),
            f"{cost.times.per_second:,.0f}",
        ]
        for name, cost in one.costs.items()
    ]
    return f"{one.backend} ({one.description}):\n\n" + table(*_without_empty(heads, rows))


def operation(name: str) -> str:
    """Return the name of an operation with its method as code: ``users.create, in an organization``."""
    method, comma, rest = name.partition(",")
    return f"`{method}`{comma}{rest}"


def requests(counted: Mapping[str, int], backend: str) -> str:
    """Return how many requests went to the database, and how many elsewhere."""
    others = [f"{count} {what.removeprefix(f'{backend}_').replace('_', ' ')}" for what, count in counted.items() if what != backend]
    return " + ".join([str(counted.get(backend, 0)), *others])


def units(request_units: float) -> str:
    """Return request units with one decimal; nothing where there are none."""
    return f"{request_units:,.1f}" if request_units else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _without_empty(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Leave columns out that are empty in each row."""
    kept = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    return [heads[number] for number in kept], [[row[number] for number in kept] for row in rows]


def _ms(seconds: float) -> str:
    """Return milliseconds with two digits that count; more would be noise."""
    milliseconds = seconds * 1000
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"
