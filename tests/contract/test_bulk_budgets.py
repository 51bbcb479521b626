"""What work on whole stores costs in requests: none for each record."""

from __future__ import annotations

import pytest

from bifrost_store.backends.table.account import Remove
from bifrost_store.backends.table.mappings.execution import LOCATOR_PREFIX
from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS, Create
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.migration.verify import Verification
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import execution, membership
from bifrost_store.testing.harness import Harness, StoreUnderTest
from tests.contract.harness import TableHarness
from tests.innermost import innermost

pytestmark = pytest.mark.anyio
BATCHES = 10
RUNS = BATCHES * MAX_BATCH_OPERATIONS
REQUESTS = 30
"""A tenth of a request a record at most."""


async def fill(store: StoreUnderTest) -> list[list[Record]]:
    """Store runs in batches, and return them."""
    runs = [execution(number, scope=Scope.organization("bulk")) for number in range(RUNS)]
    batches = [runs[first : first + MAX_BATCH_OPERATIONS] for first in range(0, RUNS, MAX_BATCH_OPERATIONS)]
    for batch in batches:
        await store.backend.batch([Create(record) for record in batch])
    return batches


async def test_reading_all_takes_no_request_for_a_record(store: StoreUnderTest, harness: Harness, clock: Clock) -> None:
    """A scan, as a dump and a backfill make it, and a verification, which is two."""
    await fill(store)
    found = 0
    with count_requests() as scanned:
        async for page in store.backend.scan():
            found += len(page.records)
    assert found == RUNS
    assert scanned[harness.name] <= REQUESTS

    async def is_current() -> bool:
        return True

    with count_requests() as verified:
        report = await Verification(store.backend, store.backend, specs=SPECS, is_current=is_current, clock=clock).run()
    assert report.counts["same"] == RUNS
    assert verified[harness.name] <= 2 * REQUESTS


@pytest.mark.usefixtures("table_only")
async def test_repair_takes_no_request_for_a_record_that_is_whole(table_harness: TableHarness, clock: SettableClock) -> None:
    """Locators, index rows, status rows and twins of memberships are read in pages; what lacks is added by the hundred."""
    async with table_harness.open_empty(clock) as store:
        batches = await fill(store)
        for number in range(20):
            await store.backend.create(membership(f"user-{number}@x.example", scope=Scope.organization("bulk")))
        table = innermost(store.backend)
        with count_requests() as whole:
            report = await table.repair.run()
        assert (report.repaired, report.unreadable) == ({}, [])
        assert whole["table"] <= REQUESTS

        # The last chunk is of two partitions.
        await store.backend.create(execution(RUNS, scope=Scope.organization("later")))
        for batch in batches:
            await table.account.write("Entities", [Remove("bulk", LOCATOR_PREFIX + record.key.id) for record in batch])
        with count_requests() as mended:
            report = await table.repair.run()
        assert report.repaired == {"locators added": RUNS}
        assert mended["table"] <= whole["table"] + RUNS // 100 + 1 + 2  # two for another partition
