"""How fast a migration copies and compares: ``python -m bench.migration [executions]``, from Azurite to the project's emulator."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.emulator import run_emulator
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.backends.table.rows import TableRows
from bifrost_store.core.clock import utc_now
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.documents import SPECS
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.migration.backfill import Backfill, BackfillReport
from bifrost_store.migration.verify import Verification, VerificationReport
from bifrost_store.wrappers.checked import CheckedBackend

EXECUTIONS: Final = 20_000
_SCOPES: Final = 10


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


@asynccontextmanager
async def stores() -> AsyncIterator[tuple[TableBackend, Backend, Backend]]:
    """Open an empty Azurite, raw and as a source, and an empty emulator; each in a process of its own."""
    async with run_azurite() as azurite:
        with run_emulator() as server:
            tables = TableBackend.from_connection_string(azurite.connection_string, SPECS)
            source = CheckedBackend(tables, SPECS)
            target = CheckedBackend(CosmosBackend.from_connection_string(server.connection_string, SPECS), SPECS)
            try:
                await source.provision()
                await target.provision()
                yield tables, source, target
            finally:
                await source.aclose()
                await target.aclose()


async def measure(executions: int = EXECUTIONS) -> Rates:
    """Fill the source, copy it twice, compare, and return the rates."""

    async def yes() -> bool:
        return True

    async with stores() as (tables, source, target):
        await fill(tables, executions)
        seconds: list[float] = []
        reports: list[BackfillReport] = []
        for _ in range(2):
            began = time.perf_counter()
            reports.append(await Backfill(source, target, specs=SPECS, progress=_Kept(), is_current=yes).run())
            seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            verified = await Verification(source, target, specs=SPECS, is_current=yes, folder=Path(folder)).run()
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
