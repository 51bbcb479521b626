"""Dual writes over Table Storage and Cosmos DB, either way round: a sample of the contract, and what they cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import Create, Delete, Operation, Replace
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.mirroring.dual_write import DualWriteBackend
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.mirror import Mirror
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.contract.apply import *  # noqa: F403
from bifrost_store.testing.contract.batches import *  # noqa: F403
from bifrost_store.testing.contract.versions import *  # noqa: F403
from bifrost_store.testing.examples import config, touched
from bifrost_store.testing.fixtures import open_reference
from bifrost_store.wrappers.checked import CheckedBackend
from tests.contract.cosmos_harness import CosmosHarness
from tests.contract.dual import check_equal
from tests.contract.harness import TableHarness

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only", "cosmos_only")]  # type: ignore[assignment]


@pytest.fixture(params=["table+cosmos", "cosmos+table"])
async def backend(
    request: pytest.FixtureRequest, table_harness: TableHarness, cosmos_harness: CosmosHarness, clock: SettableClock
) -> AsyncIterator[Backend]:
    """Both stores, empty at first and equal at the end."""
    async with table_harness.open_empty(clock) as table, cosmos_harness.open_empty(clock) as cosmos:
        primary, secondary = table.backend, cosmos.backend
        if request.param == "cosmos+table":
            primary, secondary = secondary, primary
        mirror = Mirror(secondary, Journal(primary, clock=clock), patience_seconds=30)
        yield CheckedBackend(DualWriteBackend(primary, mirror, SPECS), SPECS)
        assert await mirror.drain()
        await check_equal(primary, secondary, clock)


@pytest.fixture
async def other(clock: SettableClock) -> AsyncIterator[Backend]:
    """Another backend over another store: SQLite in memory."""
    async with open_reference(clock) as reference:
        yield reference


async def test_the_secondary_costs_its_write_and_one_read(backend: Backend) -> None:
    """Each single write is told in the secondary's own write and at most one read more."""
    name = "cosmos" if backend.name == "table" else "table"
    with count_requests() as counted:
        created = await backend.create(config())
    assert counted[name] <= 2
    with count_requests() as counted:
        replaced = await backend.replace(touched(created), created.etag)
    assert counted[name] <= 2
    with count_requests() as counted:
        await backend.delete(replaced.key)
    assert counted[name] <= 2


async def test_a_batch_costs_the_secondary_one_batch_after_reading_its_keys(backend: Backend) -> None:
    """Cosmos DB reads all keys at once; Table Storage, whose filters take 15 comparisons, those that were there, side by side."""
    name = "cosmos" if backend.name == "table" else "table"
    old = await create_all(backend, [config(str(number)) for number in range(8)])
    operations: Sequence[Operation] = [
        *(Create(config(f"new {number}")) for number in range(8)),
        *(Replace(touched(record), record.etag) for record in old[:4]),
        *(Delete(record.key) for record in old[4:]),
    ]
    with count_requests() as counted:
        results = await backend.batch(operations)

    assert all(isinstance(result, Record) for result in results)
    assert counted[name] == {"cosmos": 2, "table": 1 + len(old)}[name]
