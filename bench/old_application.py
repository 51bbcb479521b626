"""`python -m bench.old_application`: each call on Table Storage beside what the old application sends for it, over a network.

The old application is a plain script of its requests, one after the other (in the order that the layout's description gives):
five for a create, nine for a completion, a scan of the partition for a get, two scans of everything for statistics. Both
use the same SDK, the same tables, and a network that is 5 ms away. Ratios are of wall time, taken in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient
from pydantic import SecretStr

from bench.latency import delayed
from bench.report import table
from bench.timing import Call, Ratio, in_turns
from bifrost_store import ExecutionFilter, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.backends.table.account import MAX_TRANSACTION
from bifrost_store.core.clock import reverse_timestamp, utc_now
from bifrost_store.core.meter import count_requests
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.examples import execution

MOST: Final = 1.0
"""A call may take so much of what the old application's requests take."""
WANTED: Final = 0.6
"""Most calls should take no more."""
SCOPE: Final = Scope.organization("old")
_PARTITION: Final = SCOPE.partition_key
_USER, _WORKFLOW, _FORM = "user-7@x.example", "workflow 7", "form-7"
_PAGE: Final = 50
_WHY: Final = {"list of a user": "whole runs become checked models, where the old application's index rows are narrower"}


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the old application's callers know it."""

    id: str
    status: str = "Running"


class OldApplication:
    """The requests of the old application, without anything around them."""

    def __init__(self, service: TableServiceClient) -> None:
        self._entities: Any = service.get_table_client("Entities")
        self._relationships: Any = service.get_table_client("Relationships")

    async def fill(self, runs: int) -> None:
        """Store runs of the last week but the last two days, which have ended, and their index rows."""
        rows, index = [], []
        for number in range(runs):
            started_at = datetime.now(UTC) - timedelta(days=2, minutes=7 * number)
            row = self._row(str(uuid4()), started_at, number)
            ended = {"Status": "Success", "CompletedAt": started_at.replace(tzinfo=None).isoformat(), "DurationMs": 1500}
            rows.append({**row, **ended})
            index += [{**rows[-1], "PartitionKey": "GLOBAL", "RowKey": key} for key in _index_keys(row)]
        for client, filled in ((self._entities, rows), (self._relationships, index)):
            for start in range(0, len(filled), MAX_TRANSACTION):
                await client.submit_transaction([("create", row) for row in filled[start : start + MAX_TRANSACTION]])

    def _row(self, id_: str, started_at: datetime, number: int = 7) -> dict[str, Any]:
        return {
            "PartitionKey": _PARTITION,
            "RowKey": f"execution:{reverse_timestamp(started_at)}_{id_}",
            "ExecutionId": id_,
            "WorkflowName": f"workflow {number % 10}",
            "ExecutedBy": f"user-{number % 20}@x.example",
            "ExecutedByName": "Kim",
            "FormId": _FORM,
            "InputData": "{}",
            "Status": "Running",
            "StartedAt": started_at.replace(tzinfo=None).isoformat(),
        }

    async def create(self) -> Run:
        run = Run(str(uuid4()))
        row = self._row(run.id, datetime.now(UTC))
        await self._entities.create_entity(row)
        for key in (*_index_keys(row), f"status:{run.status}:{run.id}"):
            await self._relationships.create_entity({**row, "PartitionKey": "GLOBAL", "RowKey": key})
        return run

    async def complete(self, run: Run) -> None:
        (primary,) = await self._scan(self._entities, f"PartitionKey eq '{_PARTITION}' and ExecutionId eq '{run.id}'")
        ended = {"Status": "Success", "CompletedAt": datetime.now(UTC).isoformat(), "DurationMs": 1500}
        await self._merge(self._entities, primary, {**ended, "Result": '{"moved": 1}'})
        for key in _index_keys(primary):
            await self._merge(self._relationships, await self._relationships.get_entity("GLOBAL", key), ended)
        await self._relationships.delete_entity("GLOBAL", f"status:{run.status}:{run.id}")

    async def get(self, id_: str) -> object:
        return await self._scan(self._entities, f"PartitionKey eq '{_PARTITION}' and ExecutionId eq '{id_}'")

    async def page(self) -> object:
        conditions = f"PartitionKey eq '{_PARTITION}' and RowKey ge 'execution:' and RowKey lt 'execution;'"
        return await self._first_page(self._entities, conditions)

    async def of_user(self) -> object:
        return await self._first_page(self._relationships, _range(f"userexec:{_USER}:"))

    async def of_workflow(self) -> object:
        # All of them are read, then cut.
        return (await self._scan(self._relationships, _range(f"workflowexec:{_WORKFLOW}:{_PARTITION}:")))[:_PAGE]

    async def stuck(self) -> object:
        return [
            await self._scan(self._relationships, _range(f"status:{status}:")) for status in ("Pending", "Running", "Cancelling")
        ]

    async def statistics(self) -> object:
        everything = "RowKey ge 'execution:' and RowKey lt 'execution;'"
        return [await self._scan(self._entities, conditions) for conditions in (everything, f"{everything} and Status eq 'Failed'")]

    async def _scan(self, client: Any, conditions: str) -> list[Any]:
        return [row async for row in client.query_entities(conditions)]

    async def _first_page(self, client: Any, conditions: str) -> list[Any]:
        pages = client.query_entities(conditions, results_per_page=_PAGE).by_page()
        return [row async for row in await anext(pages)]

    async def _merge(self, client: Any, stored: Any, columns: dict[str, Any]) -> None:
        keys = {name: stored[name] for name in ("PartitionKey", "RowKey")}
        await client.update_entity({**keys, **columns}, mode=UpdateMode.MERGE)


def _index_keys(row: Mapping[str, Any]) -> tuple[str, str, str]:
    id_ = row["ExecutionId"]
    workflow = f"workflowexec:{row['WorkflowName']}:{_PARTITION}:{id_}"
    return f"userexec:{row['ExecutedBy']}:{id_}", workflow, f"formexec:{row['FormId']}:{id_}"


def _range(prefix: str) -> str:
    return f"PartitionKey eq 'GLOBAL' and RowKey ge '{prefix}' and RowKey lt '{prefix}~'"


class Library:
    """The same through the library: `here` has made the runs, `elsewhere` has seen none of them."""

    def __init__(self, here: Store, elsewhere: Store) -> None:
        self._here = here.executions
        self._elsewhere = elsewhere.executions

    async def create(self) -> Any:
        return await self._here.create(SCOPE, workflow_name=_WORKFLOW, executed_by=_USER, executed_by_name="Kim", form_id=_FORM)

    async def complete(self, run: Any) -> object:
        return await self._here.complete(run, ExecutionStatus.SUCCESS, duration_ms=1500, result={"moved": 1})

    async def get(self, id_: str) -> object:
        return await self._here.get(SCOPE, id_)

    async def get_unseen(self, id_: str) -> object:
        return await self._elsewhere.get(SCOPE, id_)

    async def page(self, **where: Any) -> object:
        return await self._here.list(SCOPE, ExecutionFilter(**where), limit=_PAGE)

    async def stuck(self) -> object:
        return await self._here.stuck(now=utc_now() + timedelta(hours=1))

    async def statistics(self) -> object:
        return await self._here.statistics(SCOPE, since=utc_now() - timedelta(days=30))


@dataclass(frozen=True, slots=True)
class Line:
    """What one call was measured to be.

    Attributes:
        requests: Of the old application, as it is known, and of the library, as counted.
    """

    name: str
    requests: tuple[int, int]
    ratio: Ratio

    @property
    def cells(self) -> list[str]:
        low, high = self.ratio.interval
        times = [f"{1000 * times.median:.0f} ms" for times in (self.ratio.theirs, self.ratio.ours)]
        return [self.name, *map(str, self.requests), *times, f"**{self.ratio.median:.2f}** ({low:.2f} to {high:.2f})"]


async def measure(runs: int, pairs: int, milliseconds: float) -> list[Line]:
    """Fill tables with *runs* executions, and measure every call *pairs* times."""
    async with run_azurite() as azurite:
        with delayed(azurite.table_port, milliseconds) as port:
            near, far = azurite.connection_string, azurite.connection_string.replace(f":{azurite.table_port}/", f":{port}/")
            async with store_at(near) as store:
                await store.provision()
                await create_all(store.backend, [*_records(runs // 2)])
            async with TableServiceClient.from_connection_string(near) as service:
                await OldApplication(service).fill(runs - runs // 2)
            async with store_at(far) as here, store_at(far) as elsewhere, TableServiceClient.from_connection_string(far) as service:
                old, library = OldApplication(service), Library(here, elsewhere)
                lines = [line async for line in _lines(old, library, pairs)]
                await here.repair(old_application_stopped=True, index_rows="stop")
            async with store_at(far) as here, TableServiceClient.from_connection_string(far) as service:
                old, library = OldApplication(service), Library(here, here)
                lines += [replace(line, name=f"{line.name}, without index rows") async for line in _writes(old, library, pairs)]
    return lines


def _records(runs: int) -> Iterator[Any]:
    """Yield runs of the last day: of 20 users and 10 workflows, a few of them failed, and some still running."""
    now = utc_now()
    for number in range(runs):
        status = "Failed" if number % 16 == 3 else "Running" if number % 50 == 7 else "Success"
        yield execution(
            number,
            scope=SCOPE,
            started_at=now - timedelta(minutes=number + 60),
            workflowName=f"workflow {number % 10}",
            executedBy=f"user-{number % 20}@x.example",
            status=status,
            durationMs=None if status == "Running" else 1000 + number,
        )


@asynccontextmanager
async def store_at(connection_string: str) -> AsyncIterator[Store]:
    """Open a store on an account."""
    async with open_store(StoreSettings(backend="table", table_connection_string=SecretStr(connection_string))) as store:
        yield store


async def _lines(old: OldApplication, library: Library, pairs: int) -> AsyncIterator[Line]:
    seen = (await library.create()).execution_id
    unseen = iter([(await library.create()).execution_id for _ in range(pairs + 2)])
    last = seen

    async def get_unseen() -> object:
        nonlocal last
        last = next(unseen, last)
        return await library.get_unseen(last)

    for name, requests, ours, theirs in (
        ("get, seen before", 1, partial(library.get, seen), partial(old.get, seen)),
        ("get, not seen before", 1, get_unseen, partial(old.get, seen)),
        ("page of 50", 1, library.page, old.page),
        ("list of a user", 1, partial(library.page, user=_USER), old.of_user),
        ("list of a workflow", 1, partial(library.page, workflow=_WORKFLOW), old.of_workflow),
        ("stuck", 3, library.stuck, old.stuck),
        ("statistics", 2, library.statistics, old.statistics),
    ):
        if name != "get, not seen before":
            await ours()
        yield await line_of(name, requests, ours, theirs, pairs)
    async for line in _writes(old, library, pairs):
        yield line


async def _writes(old: OldApplication, library: Library, pairs: int) -> AsyncIterator[Line]:
    yield await line_of("create", 5, library.create, old.create, pairs)
    ours, theirs = [await library.create() for _ in range(pairs + 2)], [await old.create() for _ in range(pairs + 1)]
    yield await line_of("complete", 9, lambda: library.complete(ours.pop()), lambda: old.complete(theirs.pop()), pairs)


async def line_of(name: str, requests: int, ours: Call, theirs: Call, pairs: int) -> Line:
    """Measure a call, which the old application makes with so many *requests*, *pairs* times."""
    with count_requests() as counted:
        ratio = await in_turns(ours, theirs, pairs)
    return Line(name, (requests, round(counted["table"] / (pairs + 1))), ratio)


def main(arguments: Sequence[str]) -> int:
    """Measure, and report."""
    parser = argparse.ArgumentParser(prog="bench.old_application", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="executions that are there before")
    parser.add_argument("--pairs", type=int, default=40, help="how often each call is made")
    parser.add_argument("--milliseconds", type=float, default=5, help="how long a round trip takes")
    options = parser.parse_args(arguments)
    return report(asyncio.run(measure(options.runs, options.pairs, options.milliseconds)), _WHY)


def report(lines: Sequence[Line], why: Mapping[str, str]) -> int:
    """Print what was measured, and *why* a call takes longer, where that is known; return 1 if one takes longer than it may."""
    heads = ["call", "requests of the old application", "of the library", "old application", "library", "ratio (95 %)"]
    print(table(heads, [line.cells for line in lines]))
    slow = [line.name for line in lines if line.ratio.median > MOST]
    for name in slow:
        print(f"{name}: takes longer than the old application: {why.get(name, 'why is not known')}", file=sys.stderr)
    print(f"{sum(line.ratio.median <= WANTED for line in lines)} of {len(lines)} calls take at most {WANTED} of it")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
