"""`python -m bench.growth`: what calls take with a thousand runs and with many more, in this process's time.

On SQLite, or with ``--backend cosmos`` on the emulator, which then is part of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

from pydantic import SecretStr

from bench.report import table
from bench.runs import ended_runs, fill_emulator, fill_sqlite
from bench.timing import Call, Ratio
from bifrost_store import ExecutionFilter, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.core.clock import utc_now
from bifrost_store.core.query import Eq, Query
from bifrost_store.core.record import Record
from bifrost_store.emulator import CosmosEmulator, Options

MOST: Final = 1.5
"""With a thousand times as many runs a call may take so much longer."""
SCOPE: Final = Scope.organization("grows")
_LARGE: Final = {"sqlite": 1_000_000, "cosmos": 20_000}
_ROUNDS: Final = 25
_SCHEDULER: Final = "system:scheduler"
_PAGE: Final = 5
"""As many as every filter finds among a thousand."""


def _calls(store: Store, seen: str, now: datetime) -> dict[str, Call]:
    executions = store.executions

    def page(**where: Any) -> Call:
        return lambda: executions.list(SCOPE, ExecutionFilter(**where), limit=_PAGE)

    user, workflow, form = {"user": "user-7@x.example"}, {"workflow": "workflow 7"}, {"form": "form-7"}
    scheduler, succeeded = {"user": _SCHEDULER}, {"statuses": [ExecutionStatus.SUCCESS]}
    rare, none = {"statuses": [ExecutionStatus.TIMEOUT]}, {"statuses": [ExecutionStatus.CANCELLED, ExecutionStatus.PENDING]}
    window = {"since": now - timedelta(days=4), "until": now - timedelta(days=2)}
    return {
        "create": lambda: executions.create(SCOPE, workflow_name="w", executed_by="kim", executed_by_name="Kim"),
        "get": lambda: executions.get(SCOPE, seen),
        "page": page(),
        "page of all scopes": lambda: store.backend.query(Query("execution", None, limit=_PAGE)),
        "page of a window": page(**window),
        "page of a user": page(**user),
        "page of a workflow": page(**workflow),
        "page of a form": page(**form),
        "page of a form, none": page(form="form-99"),
        "page of a rare status": page(**rare),
        "page of two statuses, none": page(**none),
        "count of a rare status": lambda: store.backend.aggregate(Query("execution", SCOPE, (Eq("status", "Cancelled"),))),
        "count of a rare status in all scopes": lambda: store.backend.aggregate(
            Query("execution", None, (Eq("status", "Cancelled"),))
        ),
        "statistics of an empty hour": lambda: executions.statistics(SCOPE, since=now + timedelta(hours=1)),
        "page of a user and a status, none": page(**user, **none),
        "page of a workflow and a status, none": page(**workflow, **none),
        "page of a form and a status, none": page(**form, **none),
        "page of a form and a user, none": page(**form, user="user-8@x.example"),
        "page of a user and a workflow": page(**user, **workflow),
        "page of a user and a workflow, none": page(**user, workflow="workflow 8"),
        "page of a form and a workflow, none": page(**form, workflow="workflow 8"),
        "page of a form, a user and a status, none": page(form="form-5", **scheduler, **none),
        "page of a form, a workflow and a status, none": page(**form, **workflow, **none),
        "page of a form, a user and a workflow, none": page(form="form-5", **scheduler, workflow="workflow 8"),
        "page of a form, a user, a workflow and a status, none": page(form="form-17", **scheduler, **workflow, **succeeded),
        "page of a user, a workflow and a status, none": page(**scheduler, **workflow, **succeeded),
        "stuck, none": lambda: executions.stuck(now=now),
        "purge, none": executions.purge_expired,
    }


async def measure(backend: str, small: int, large: int, folder: Path) -> dict[str, Ratio]:
    """Return for each call the seconds with *large* and with *small* counts of runs, in turns."""
    filled = {"sqlite": _sqlite, "cosmos": _cosmos}[backend]
    async with filled(folder, small) as few, filled(folder, large) as many:
        now = utc_now()
        calls = [_calls(store, (await store.executions.list(SCOPE, limit=1)).items[0].execution_id, now) for store in (few, many)]
        return {name: Ratio([await _pair(calls[1][name], few_call) for _ in range(_ROUNDS)]) for name, few_call in calls[0].items()}


async def _pair(ours: Call, theirs: Call) -> tuple[float, float]:
    return await _seconds(ours), await _seconds(theirs)


async def _seconds(call: Call) -> float:
    began = process_time()
    await call()
    return process_time() - began


def _runs(count: int) -> Iterator[Record]:
    print(f"filling a store with {count:,} runs", file=sys.stderr, flush=True)
    return map(_with_forms, itertools.count(), ended_runs(count, SCOPE, newest=utc_now(), span=timedelta(days=10)))


def _with_forms(number: int, run: Record) -> Record:
    """Return the run as one of 40 forms, every fourth of them the scheduler's, for whom one workflow always fails."""
    body = {**run.body, "formId": f"form-{number % 40}"}
    if number % 4 == 1:
        fails = body["workflowName"] == "workflow 7"
        body |= {"executedBy": _SCHEDULER, "status": "Failed" if fails else body["status"]}
    return run.with_body(body)


@asynccontextmanager
async def _sqlite(folder: Path, count: int) -> AsyncIterator[Store]:
    path = folder / f"{count}.db"
    await fill_sqlite(path, _runs(count))
    async with open_store(StoreSettings(sqlite_path=str(path))) as store:
        yield store


@asynccontextmanager
async def _cosmos(folder: Path, count: int) -> AsyncIterator[Store]:
    path, options = folder / f"{count}.db", Options(consistency="Strong", is_serverless=True)
    with CosmosEmulator(options=options, data=path) as emulator:
        settings = _settings(emulator, folder)
        async with open_store(settings) as store:
            await store.provision()
    fill_emulator(path, settings.cosmos_database, _runs(count))
    with CosmosEmulator(options=options, data=path) as emulator:
        async with open_store(_settings(emulator, folder)) as store:
            yield store


def _settings(emulator: CosmosEmulator, folder: Path) -> StoreSettings:
    text = SecretStr(emulator.connection_string)
    return StoreSettings(backend="cosmos", cosmos_connection_string=text, blob_folder=str(folder / "blobs"))


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and return 1 if a call grows with the number of runs."""
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--small", type=int, default=1_000, help="runs of the smaller store")
    parser.add_argument("--large", type=int, help="runs of the larger one; by default a million, of the emulator 20,000")
    parser.add_argument("--backend", choices=list(_LARGE), default="sqlite", help="where they are")
    options = parser.parse_args(arguments)
    large = options.large or _LARGE[options.backend]
    with TemporaryDirectory(prefix="bifrost-store-growth-") as folder:
        ratios = asyncio.run(measure(options.backend, options.small, large, Path(folder)))
    rows = [
        [name, *(f"{1000 * times.median:.2f} ms" for times in (one.theirs, one.ours)), f"**{one.median:.2f}**"]
        for name, one in ratios.items()
    ]
    print(table(["call", f"{options.small:,} runs", f"{large:,} runs", "ratio"], rows))
    grown = [name for name, one in ratios.items() if one.median > MOST]
    for name in grown:
        print(f"{name}: takes more than {MOST} times as long", file=sys.stderr)
    return int(bool(grown))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
