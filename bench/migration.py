"""How fast a migration copies and compares: ``python -m bench.migration [executions]``, from Azurite to the project's emulator."""

from __future__ import annotations

import asyncio
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
from bifrost_store import Scope
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.protocol import MAX_BATCH_OPERATIONS, Apply, Backend
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.record import Record
from bifrost_store.core.tasks import for_each
from bifrost_store.core.version import Version, new_write_id
from bifrost_store.demo.azurite import run_azurite
from bifrost_store.documents import SPECS
from bifrost_store.migration.backfill import Backfill, BackfillReport
from bifrost_store.migration.verify import Verification, VerificationReport
from bifrost_store.testing.examples import execution
from bifrost_store.wrappers.checked import CheckedBackend

EXECUTIONS: Final = 20_000
_SCOPES: Final = tuple(Scope.organization(f"customer-{number}") for number in range(10))


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


async def fill(backend: Backend, executions: int) -> None:
    """Store *executions* of ten organizations, one every second up to now."""
    now = utc_now()

    def record(number: int) -> Record:
        one = execution(
            number,
            scope=_SCOPES[number % len(_SCOPES)],
            started_at=now - timedelta(seconds=executions - number),
            status="Success",
            inputData={"ticket": number, "text": "x" * 400},
            result=f"moved {number} " + "y" * 400,
            resultType="text",
        )
        return Record(one.key, one.body, one.sort_key, Version(2, new_write_id()), one.expires_at)

    async def write(batch: list[Record]) -> None:
        await backend.batch([Apply(one) for one in batch])

    scoped = [[record(n) for n in range(first, executions, len(_SCOPES))] for first in range(len(_SCOPES))]
    size = MAX_BATCH_OPERATIONS
    await for_each(write, [rows[first : first + size] for rows in scoped for first in range(0, len(rows), size)])


@asynccontextmanager
async def stores() -> AsyncIterator[tuple[Backend, Backend]]:
    """Open an empty Azurite and an empty emulator, each in a process of its own."""
    async with run_azurite() as azurite:
        with run_emulator() as server:
            source = CheckedBackend(TableBackend.from_connection_string(azurite.connection_string, SPECS), SPECS)
            target = CheckedBackend(CosmosBackend.from_connection_string(server.connection_string, SPECS), SPECS)
            try:
                await source.provision()
                await target.provision()
                yield source, target
            finally:
                await source.aclose()
                await target.aclose()


async def measure(executions: int = EXECUTIONS) -> Rates:
    """Fill the source, copy it twice, compare, and return the rates."""

    async def yes() -> bool:
        return True

    async with stores() as (source, target):
        await fill(source, executions)
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
