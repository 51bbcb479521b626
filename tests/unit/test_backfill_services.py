"""The backfill from Table Storage to Cosmos DB: real cursors, rows that nobody knows, refusals for load, lost answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bifrost_store.backends.protocol import RawRows
from bifrost_store.core.clock import format_time
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.migration.backfill import WORKERS
from bifrost_store.testing.clock import START, SettableClock
from tests.contract.cosmos_harness import CosmosHarness, CosmosServer, CosmosStore, hurried
from tests.contract.harness import TableHarness, TableStore
from tests.services import SharedAzurite
from tests.unit.migration_support import KeptProgress, StoppedError, Watched, backfill, verification

pytestmark = pytest.mark.anyio
_ROWS = 1100
"""More than the service gives in one page."""
_STRANGE: dict[str, Any] = {
    "PartitionKey": "p",
    "RowKey": "r",
    "When": "2025-11-14T11:11:51.8722121Z",
    "When@odata.type": "Edm.DateTime",
    "Big": "9007199254740993",
    "Big@odata.type": "Edm.Int64",
    "Blob": "AAEC",
    "Blob@odata.type": "Edm.Binary",
}


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
async def tables(shared_azurite: SharedAzurite, clock: SettableClock) -> AsyncIterator[TableStore]:
    """What a backfill reads and never changes: one for all tests."""
    async with TableHarness(await shared_azurite.running()).open_empty(clock) as opened:
        await _write(opened, "Entities", [_execution(number) for number in range(_ROWS)])
        await _write(opened, "Strange", [_STRANGE])
        yield opened


@pytest.fixture
async def cosmos(cosmos_server: CosmosServer, clock: SettableClock) -> AsyncIterator[CosmosStore]:
    async with CosmosHarness(cosmos_server).open_empty(clock) as opened:
        yield opened
        if cosmos_server.emulator is not None:
            cosmos_server.emulator.faults.clear()


def _raw(store: TableStore) -> RawRows:
    rows = store.backend.raw_rows
    assert rows is not None
    return rows


async def _write(store: TableStore, table: str, rows: list[dict[str, Any]]) -> None:
    async for _ in _raw(store).write(table, rows):
        pass


async def _rows(store: TableStore) -> list[dict[str, Any]]:
    raw = _raw(store)
    return [{"table": table, **row} for table in await raw.table_names() async for row in raw.read(table)]


def _execution(number: int) -> dict[str, Any]:
    started_at = START - timedelta(seconds=number)
    return {
        "PartitionKey": f"o-{number % 2}",
        "RowKey": "execution:" + execution_sort_key(started_at, f"e-{number}"),
        "ExecutionId": f"e-{number}",
        "WorkflowName": "nightly sync",
        "ExecutedBy": "kim@contoso.com",
        "ExecutedByName": "Kim",
        "Status": "Success",
        "InputData": "{}",
        "StartedAt": format_time(started_at),
    }


async def test_every_row_of_every_table_is_carried_and_none_is_changed(
    tables: TableStore, cosmos: CosmosStore, clock: SettableClock
) -> None:
    before = await _rows(tables)
    report = await backfill(tables.backend, cosmos.backend, clock).run()
    assert report.kinds == {"execution": {"copied": _ROWS}, "legacy_row": {"copied": 1}}
    assert await _rows(tables) == before
    found = await verification(tables.backend, cosmos.backend, clock).run()
    assert (found.ok, found.counts["same"]) == (True, _ROWS + 1)


@pytest.mark.parametrize("stop_at", [1, 5])
async def test_a_stopped_run_goes_on_from_the_services_own_place(
    stop_at: int, tables: TableStore, cosmos: CosmosStore, clock: SettableClock
) -> None:
    progress, target = KeptProgress(stop_at), Watched(cosmos.backend)
    with pytest.raises(StoppedError):
        await backfill(tables.backend, target, clock, progress=progress).run()
    progress.stop_at = None
    report = await backfill(tables.backend, target, clock, progress=progress).run()
    assert sum(report.counts.values()) == _ROWS + 1
    assert len(target.applied) - len(set(target.applied)) <= WORKERS * 32
    assert (await verification(tables.backend, cosmos.backend, clock).run()).counts["same"] == _ROWS + 1


async def test_refusals_for_load_and_lost_answers_lose_nothing(
    tables: TableStore, cosmos: CosmosStore, clock: SettableClock
) -> None:
    faults = cosmos.server.faulty().faults
    storm = faults.add(kind="docs", every=3, times=30, status=429, sub_status=3200, retry_after_ms=1)
    lost = faults.add(kind="docs", operation="Batch", every=4, times=5, drop="after")
    with hurried():
        report = await backfill(tables.backend, cosmos.backend, clock).run()
    assert (storm.struck >= 10, lost.struck > 0) == (True, True)
    assert report.ok
    assert report.throttled > 0
    assert (await verification(tables.backend, cosmos.backend, clock).run()).counts["same"] == _ROWS + 1
