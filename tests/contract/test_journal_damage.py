"""Entries of the journal that are damaged in the store: they are pending on every backend, and named by where they lie."""

from __future__ import annotations

import pytest

from bifrost_store.backends.table.account import Put
from bifrost_store.core.scope import SYSTEM
from bifrost_store.mirroring.journal import Journal, UnreadableEntry
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import config
from tests.contract.cosmos_harness import CosmosHarness
from tests.contract.harness import TableHarness
from tests.innermost import innermost

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("table_only")
@pytest.mark.parametrize("damage", ['{"body": {"recordKind": "con', "[" * 5_000, "[]", "5", "", '{"body": 5, "extra": {}}'])
async def test_a_damaged_row(table_harness: TableHarness, clock: SettableClock, damage: str) -> None:
    """Whatever its column holds instead, the entry is not passed over; noting its key again goes beside it."""
    async with table_harness.open_empty(clock) as store:
        journal = Journal(store.backend)
        (entry,) = await journal.note([config().key], "timeout")
        account = innermost(store.backend).account
        row = await account.read("Config", "SYSTEM", f"bifrost-store:journal:{entry.record.key.id}")
        await account.write("Config", [Put({**row.properties, "BsBody0": damage})])
        (found,) = [one async for one in journal.entries()]
        assert isinstance(found, UnreadableEntry)
        assert entry.record.key.id in found.name
        assert await journal.count() == 1
        (beside,) = await journal.note([config().key], "timeout")

        assert beside.key == config().key
        assert await journal.count() == 2


@pytest.mark.usefixtures("cosmos_only")
@pytest.mark.parametrize(
    "damage", [{"meta": 5}, {"meta": None}, {"recordKind": {"a": 1}}, {"recordScope": "nowhere"}, {"recordId": 7}], ids=str
)
async def test_a_damaged_document(cosmos_harness: CosmosHarness, clock: SettableClock, damage: dict[str, object]) -> None:
    """The same of a document, whichever part of it."""
    async with cosmos_harness.open_empty(clock) as store:
        journal = Journal(store.backend)
        (entry,) = await journal.note([config().key], "timeout")
        async with store.client() as client:
            container = client.get_database_client(store.database).get_container_client("entities")
            query = "SELECT * FROM c WHERE c.type = 'journal'"
            (document,) = [one async for one in container.query_items(query, partition_key=SYSTEM.value)]
            await container.upsert_item({**document, **damage})
        (found,) = [one async for one in journal.entries()]
        assert isinstance(found, UnreadableEntry)
        assert entry.record.key.id in found.name
        assert await journal.count() == 1
