"""How much of the processor the library takes beside the bare SDK: ``python -m bench.work [backend ...]``.

In this process alone, by `time.process_time`: what servers and other processes do meanwhile does not count.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from time import process_time
from typing import Any, Final

import anyio

from bench import promises
from bench.migration import beside_bare
from bench.places import ORGANIZATION, PAGE_SIZE, PAGED, PLACES
from bench.timing import Ratio, in_turns
from bench.world import World
from bifrost_store.backends.cosmos.documents import document_from_record, record_from_document
from bifrost_store.backends.sqlite.rows import COLUMNS, record_from_row, row_from_record
from bifrost_store.backends.table.account import StoredRow
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.core.clock import utc_now
from bifrost_store.core.record import Record
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS, Execution
from bifrost_store.testing.examples import execution

_READS: Final = 500
_PAGES: Final = 60
_RUNS: Final = 150
_CALLS: Final = 60
_INPUT: Final[dict[str, Any]] = {
    "customer": "Contoso Ltd",
    "ticket": 4711,
    "mailbox": "support@contoso.example",
    "since": "2025-11-01",
    "dryRun": False,
    "limit": 250,
    "labels": ["billing", "urgent", "eu"],
    "options": {"retries": 3, "notify": True, "channel": "#support-eu", "threshold": 0.75},
    "steps": [{"name": f"step {number}", "after": number - 1, "enabled": True} for number in range(4)],
}


def main(backends: list[str]) -> None:
    """Print the ratios."""
    for name, ratio in _row_to_model():
        sys.stdout.write(f"{name}: row to model takes {ratio:.1f} times json.loads of the same body\n")
    if not backends:
        _say("a backfill from Table Storage to Cosmos DB", anyio.run(beside_bare, process_time))
    for name in backends or list(PLACES):
        for what, one in anyio.run(_beside_sdk, name).items():
            _say(f"{name}: {what}", one)


def _say(what: str, one: Ratio) -> None:
    low, high = one.interval
    sys.stdout.write(
        f"{what} takes {one.median:.2f} times ({low:.2f} to {high:.2f}) the bare call, "
        f"{one.ours.median * 1e6:,.0f} to {one.theirs.median * 1e6:,.0f} microseconds\n"
    )


def a_run() -> Record:
    """Return a run that goes on, as it is stored."""
    made = execution(inputData=_INPUT, blobs=dict.fromkeys(("result", "logs", "variables", "snapshot")))
    return replace(made, version=Version(1, "0" * 32), expires_at=utc_now())


def readers(record: Record) -> dict[str, Callable[[], Record]]:
    """Return what makes the record of *record*'s row, or document, on each backend."""
    columns = row_from_record(record, SPECS)
    row = tuple(columns[name] for name in COLUMNS.split(", "))
    document = json.loads(json.dumps(document_from_record(record, utc_now(), has_ttl=True)))
    document["_etag"] = '"0"'
    mapping = Mappings(SPECS).by_kind[record.key.kind]
    anchor = StoredRow(mapping.encode(record)[0], "W/\"datetime'2026'\"")
    return {
        "sqlite": partial(record_from_row, row, SPECS),
        "table": partial(mapping.decode, record.key, anchor),
        "cosmos": partial(record_from_document, document, SPECS),
    }


def _row_to_model() -> Iterator[tuple[str, float]]:
    record = a_run()
    calls: dict[str, Callable[[], object]] = {name: partial(_model, read) for name, read in readers(record).items()}
    least = _least({"": partial(json.loads, json.dumps(record.body)), **calls})
    return ((name, least[name] / least[""]) for name in calls)


def _model(read: Callable[[], Record]) -> Execution:
    return Execution.from_record(read())


def _least(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the seconds of one call of each, of the run that was disturbed least; they take turns."""
    least = dict.fromkeys(calls, math.inf)
    for _ in range(_RUNS):
        for name, call in calls.items():
            began = process_time()
            for _ in range(_CALLS):
                call()
            least[name] = min(least[name], (process_time() - began) / _CALLS)
    return least


async def _beside_sdk(name: str) -> dict[str, Ratio]:
    async with PLACES[name]() as place:
        await World(place.store).fill(1)
        await promises.load(place, 2 * PAGE_SIZE, PAGED)
        organizations, executions = place.store.organizations, place.store.executions
        async with place.open_sdk() as sdk:
            ratios = {"a point read": await in_turns(lambda: organizations.get(ORGANIZATION), sdk.read, _READS, process_time)}
            for what, list_page in sdk.pages.items():
                page = partial(executions.list, PAGED, limit=PAGE_SIZE)
                ratios[f"a {what}"] = await in_turns(page, list_page, _PAGES, process_time)
    return ratios


if __name__ == "__main__":
    main(sys.argv[1:])
