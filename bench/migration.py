"""How fast a migration copies and compares: ``python -m bench.migration [executions]``, from Azurite to the project's emulator."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from azure.cosmos.aio import CosmosClient
from azure.data.tables.aio import TableServiceClient

from bench.emulator import Server, run_emulator
from bench.timing import Ratio, seconds_of
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.backends.table.rows import TableRows
from bifrost_store.core.clock import utc_now
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.documents import SPECS
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.migration.backfill import Backfill, BackfillReport
from bifrost_store.migration.verify import Verification, VerificationReport
from bifrost_store.wrappers.checked import CheckedBackend

EXECUTIONS: Final = 20_000
_SCOPES: Final = 10
_DATABASE: Final = "bifrost"
_COPIED: Final = 1_000
_PAIRS: Final = 6


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured.

    Attributes:
        records: In the source.
        backfill, backfill_again, verification: Records a second.
        peak_mebibytes: Of this process, once for all of it.
        backfilled, verified: The reports.
    """

    records: int
    backfill: float
    backfill_again: float
    verification: float
    peak_mebibytes: float
    backfilled: BackfillReport
    verified: VerificationReport


class _Kept:
    """A `Progress` in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] | None = None

    async def load(self) -> dict[str, Any] | None:
        return self.values

    async def save(self, values: dict[str, Any]) -> None:
        self.values = values


async def fill(backend: TableBackend, executions: int) -> None:
    """Store *executions* of ten organizations, one every second up to now, as rows of the old application."""
    now = utc_now()

    def row(number: int) -> dict[str, Any]:
        started_at = now - timedelta(seconds=executions - number)
        return {
            "PartitionKey": f"customer-{number * _SCOPES // executions}",
            "RowKey": "execution:" + execution_sort_key(started_at, f"e-{number}"),
            "ExecutionId": f"e-{number}",
            "WorkflowName": "nightly sync",
            "ExecutedBy": "kim@x.example",
            "ExecutedByName": "Kim",
            "Status": "Success",
            "InputData": json.dumps({"ticket": number, "text": "x" * 400}),
            "StartedAt": started_at.replace(tzinfo=None).isoformat(),
            "CompletedAt": started_at.replace(tzinfo=None).isoformat(),
            "Result": f"moved {number} " + "y" * 400,
            "ResultType": "text",
            "ResultInBlob": False,
            "ResultInBlob@odata.type": "Edm.Boolean",
        }

    async for _ in TableRows(backend.account).write("Entities", map(row, range(executions))):
        pass


@dataclass(frozen=True, slots=True)
class _Stores:
    """Azurite, raw and as a source, and an emulator; each in a process of its own."""

    tables: TableBackend
    source: Backend
    target: Backend
    tables_text: str
    server: Server

    async def backfill(self) -> BackfillReport:
        report = await Backfill(self.source, self.target, specs=SPECS, progress=_Kept(), is_current=_yes).run()
        if not report.ok:
            raise RuntimeError(f"the backfill failed: {report.counts}")
        return report

    async def bare(self) -> None:
        """Copy the rows as they are, by the SDKs alone: as many to a batch, under other ids."""
        async with (
            TableServiceClient.from_connection_string(self.tables_text) as service,
            CosmosClient(self.server.endpoint, self.server.key) as client,
        ):
            container = client.get_database_client(_DATABASE).get_container_client("executions")
            documents: dict[str, list[dict[str, Any]]] = {}
            async for row in service.get_table_client("Entities").list_entities():
                scope = f"org-{row['PartitionKey']}"
                waiting = documents.setdefault(scope, [])
                waiting.append({**row, "id": f"bare-{row['ExecutionId']}", "scope": scope})
                if len(waiting) == MAX_BATCH_OPERATIONS:
                    await container.execute_item_batch([("create", (one,)) for one in documents.pop(scope)], scope)
            for scope, waiting in documents.items():
                await container.execute_item_batch([("create", (one,)) for one in waiting], scope)


async def _yes() -> bool:
    return True


@asynccontextmanager
async def stores() -> AsyncIterator[_Stores]:
    """Open empty ones."""
    async with run_azurite() as azurite:
        with run_emulator() as server:
            tables = TableBackend.from_connection_string(azurite.connection_string, SPECS)
            source = CheckedBackend(tables, SPECS)
            inner = CosmosBackend.from_connection_string(server.connection_string, SPECS, database=_DATABASE)
            target = CheckedBackend(inner, SPECS)
            try:
                await source.provision()
                await target.provision()
                yield _Stores(tables, source, target, azurite.connection_string, server)
            finally:
                await source.aclose()
                await target.aclose()


async def beside_bare(clock: Callable[[], float]) -> Ratio:
    """Return how much longer a backfill takes by *clock* than the bare copy of the same rows; which goes first alternates.

    What is imported and made once is so by a first pair that does not count.
    """
    pairs = []
    for number in range(_PAIRS + 1):
        async with stores() as opened:
            await fill(opened.tables, _COPIED)
            ours, theirs = opened.backfill, opened.bare
            first = await seconds_of(theirs if number % 2 else ours, clock)
            second = await seconds_of(ours if number % 2 else theirs, clock)
            pairs.append((second, first) if number % 2 else (first, second))
    return Ratio(pairs[1:])


async def measure(executions: int = EXECUTIONS) -> Rates:
    """Fill the source, copy it twice, compare, and return the rates."""
    async with stores() as opened:
        await fill(opened.tables, executions)
        seconds: list[float] = []
        reports: list[BackfillReport] = []
        for _ in range(2):
            began = time.perf_counter()
            reports.append(await opened.backfill())
            seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            verified = await Verification(opened.source, opened.target, specs=SPECS, is_current=_yes, folder=Path(folder)).run()
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rates = [executions / one for one in seconds]
    return Rates(executions, rates[0], rates[1], rates[2], peak, reports[0], verified)


def main() -> None:
    """Print the rates."""
    rates = asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else EXECUTIONS))
    lines = (
        f"executions            {rates.records}",
        f"backfill              {rates.backfill:.0f} records/s, {rates.backfilled.counts}, {rates.backfilled.request_units:.0f} RU",
        f"backfill, repeated    {rates.backfill_again:.0f} records/s",
        f"verification          {rates.verification:.0f} records/s, {rates.verified.counts}",
        f"peak memory           {rates.peak_mebibytes:.0f} MiB",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
