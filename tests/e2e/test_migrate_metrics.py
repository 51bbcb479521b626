"""The figures of dashboards while runs move from Table Storage to Cosmos DB and back, and over rows of the old application."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from bifrost_store import ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.changefeed import ChangeFeedProcessor
from bifrost_store.core.clock import reverse_timestamp
from bifrost_store.core.record import Key
from bifrost_store.demo.azurite import Azurite
from bifrost_store.documents.metrics import daily_id, hourly_id
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.errors import ConfigurationError
from bifrost_store.opening.metrics import metrics_processor
from bifrost_store.opening.migration import open_migration
from bifrost_store.testing.clock import START, SettableClock
from tests.e2e.migrating import settings_of

pytestmark = pytest.mark.anyio

SCOPE = Scope.organization("acme")


async def complete(store: Store, number: int = 1) -> None:
    for _ in range(number):
        run = await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="u")
        await store.executions.complete(run, ExecutionStatus.SUCCESS, duration_ms=20)


async def test_every_hand_over_ends_with_a_rebuild(empty_azurite: Azurite, empty_cosmos: CosmosEmulator, tmp_path: Path) -> None:
    """What nobody has counted before a cut-over or a rollback is counted after it, and both stores have the same figures."""
    clock = SettableClock()
    changes = {"BIFROST_STORE_METRICS": "aggregated", "BIFROST_STORE_EXECUTION_RETENTION_DAYS": "3"}
    own = StoreSettings.from_environment(settings_of(empty_azurite, empty_cosmos, **changes))
    async with open_store(own, clock=clock) as store:
        await store.provision()
        await complete(store)
    async with open_migration(own, clock=clock, folder=tmp_path) as migration:
        assert (await migration.run()).ok
        assert not any("figures" in line for line in (await migration.cutover()).lines)
        async with open_store(own, clock=clock) as store:
            await store.metrics.rebuild(SCOPE)
            await store.metrics.rollup()
            for number, step in enumerate((migration.rollback, migration.cutover), start=2):
                assert (await migration.verify()).ok
                await complete(store)
                done = await step()
                assert any("counted again" in line for line in done.lines)
                assert number == (await store.metrics.dashboard(SCOPE, "24h")).total.count
                assert number == (await store.metrics.dashboard(None, "7d")).total.count
            assert () == (await store.metrics.compare(SCOPE)).differences
        assert (await migration.verify()).ok


async def test_old_rows_count_in_utc(empty_azurite: Azurite) -> None:
    """Rows of the old application count in the hour, in UTC, of the end that they tell, with an offset or without; a second that
    no clock of ours has makes a row unreadable, and those beside it are counted.
    """
    clock = SettableClock()
    own = StoreSettings(backend="table", table_connection_string=empty_azurite.connection_string, metrics="aggregated")
    day = START.replace(hour=0)
    ends = {
        "e-1": (day - timedelta(hours=5) + timedelta(minutes=30)).replace(tzinfo=None).isoformat() + "-05:00",  # half past midnight
        "e-2": (day + timedelta(hours=1)).replace(tzinfo=None).isoformat() + "+02:00",  # an hour before midnight
        "e-3": day.replace(tzinfo=None).isoformat(),
        "e-4": (day - timedelta(seconds=1)).replace(tzinfo=None).isoformat() + "Z",
        "e-5": f"{day - timedelta(days=1):%Y-%m-%d}T23:59:60",
    }
    async with open_store(own, clock=clock) as store:
        await store.provision()
        with TableServiceClient.from_connection_string(empty_azurite.connection_string) as tables:
            for execution_id, end in ends.items():
                tables.get_table_client("Entities").create_entity(_row(execution_id, end, day - timedelta(hours=2)))
        await store.metrics.rebuild(SCOPE)
        waist = store.backend
        hours = [day - timedelta(hours=1), day]
        found = [await waist.get(Key("metrics", SCOPE, hourly_id(hour))) for hour in hours]
        days = [await waist.get(Key("metrics", SCOPE, daily_id(hour))) for hour in hours]

    assert [2, 2] == [None if one is None else one.body["totalExecutions"] for one in found]
    assert [2, 2] == [None if one is None else one.body["totalExecutions"] for one in days]


def _row(execution_id: str, end: str, start: datetime) -> dict[str, object]:
    return {
        "PartitionKey": "acme",
        "RowKey": f"execution:{reverse_timestamp(start)}_{execution_id}",
        "ExecutionId": execution_id,
        "WorkflowName": "w",
        "ExecutedBy": "u",
        "Status": "Success",
        "StartedAt": start.replace(tzinfo=None).isoformat(),
        "CompletedAt": end,
        "DurationMs": 5,
    }


@pytest.mark.parametrize("backend", ["sqlite", "cosmos"])
async def test_the_processor_counts_what_ends(backend: str, empty_cosmos: CosmosEmulator, tmp_path: Path) -> None:
    """Where nobody counted before, everything is; from then on what ends is counted while `run` goes on, and when it ends the
    platform's figures too.
    """
    now = datetime.now(UTC)
    settings = {"cosmos": {"cosmos_connection_string": empty_cosmos.connection_string, "blob_folder": str(tmp_path / "blobs")}}
    own = StoreSettings(backend=backend, sqlite_path=str(tmp_path / "store.db"), metrics="aggregated", **settings.get(backend, {}))
    async with open_store(own) as store:
        await store.provision()
        acme = await store.organizations.create("Acme", created_by="ada@example.com")
        run = await store.executions.create(acme.scope, workflow_name="w", executed_by="u", executed_by_name="u")
        await store.executions.complete(run, ExecutionStatus.FAILED)
        processor = metrics_processor(store, backend, poll_seconds=0.01)
        task = asyncio.create_task(processor.run())
        await processor.started.wait()
        assert 1 == (await store.metrics.dashboard(None, "24h")).total.count
        second = await store.executions.create(acme.scope, workflow_name="w", executed_by="u", executed_by_name="u")
        await store.executions.complete(second, ExecutionStatus.SUCCESS, duration_ms=3)
        while (await store.metrics.dashboard(acme.scope, "24h")).total.count < 2:  # noqa: ASYNC110 - another task
            await asyncio.sleep(0.01)
        processor.stop()
        await task
        shown = await store.metrics.dashboard(None, "30d")

    assert (2, 1, 50.0, 3) == (shown.total.count, shown.failures, shown.success_rate, shown.p95_ms)
    assert shown.as_of is not None
    assert now <= shown.as_of


async def test_what_stops_the_processor_is_its_error(tmp_path: Path) -> None:
    """A feed that another processor follows under the name is refused by an error of the library, as from any processor."""
    async with open_store(StoreSettings(backend="sqlite", sqlite_path=str(tmp_path / "store.db"))) as store:
        await store.provision()
        other = ChangeFeedProcessor(store.backend.backend("sqlite"), name="metrics", feed="entities", handler=_nothing)
        task = asyncio.create_task(other.run())
        await other.started.wait()
        other.stop()
        await task
        with pytest.raises(ConfigurationError, match="another name"):
            await metrics_processor(store, "sqlite").run()


async def _nothing(items: object) -> None:
    pass
