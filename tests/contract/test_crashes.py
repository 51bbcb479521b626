"""A process is killed between any two requests of every operation that takes several, on backends that are asked over a wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.to_thread
import pytest

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.testing.crash import Kill, start
from bifrost_store.testing.fault_proxy import FaultProxy
from bifrost_store.testing.operations import NOW, OPERATIONS, view
from tests.contract.cosmos_harness import CosmosHarness, CosmosStore
from tests.contract.harness import rows_of, through
from tests.emptying import provision_anew

pytestmark = pytest.mark.anyio


class Site(Protocol):
    """Where records are, beside the blobs of an Azurite."""

    azurite: Azurite

    @property
    def endpoint(self) -> str:
        """Where records are reached."""
        ...

    def settings(self, records: FaultProxy | None = None, blobs: FaultProxy | None = None) -> StoreSettings:
        """Return settings that lead there, maybe through proxies."""
        ...

    async def empty(self) -> None:
        """Remove all records."""
        ...

    async def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Return all that is stored, but for what each write makes anew, and for leases, of which every process has its own."""
        ...


class TableSite:
    """The tables of the same Azurite."""

    def __init__(self, azurite: Azurite) -> None:
        self.azurite = azurite
        self.endpoint = f"http://127.0.0.1:{azurite.table_port}"

    def settings(self, records: FaultProxy | None = None, blobs: FaultProxy | None = None) -> StoreSettings:
        text = self.azurite.connection_string if records is None else through(self.azurite, tables=records, blobs=blobs)
        return StoreSettings(backend="table", table_connection_string=text)

    async def empty(self) -> None:
        provision_anew(self.azurite)

    async def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        rows = await rows_of(self.azurite)
        return {key: row for key, row in rows.items() if "bifrost-store:lease:" not in str(row["RowKey"])}


class CosmosSite:
    """One database of Cosmos DB."""

    def __init__(self, azurite: Azurite, store: CosmosStore) -> None:
        store.server.faulty()
        self.azurite = azurite
        self.endpoint = store.server.endpoint
        self._store = store

    def settings(self, records: FaultProxy | None = None, blobs: FaultProxy | None = None) -> StoreSettings:
        text = self.azurite.connection_string if records is None else through(self.azurite, tables=records, blobs=blobs)
        return self._store.settings(None if records is None else records.url, blobs=text)

    async def empty(self) -> None:
        await self._store.delete_containers()
        await self._store.backend.provision()

    async def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        # A step that is carried out again may be one more revision.
        content = await self._store.content()
        return {key: {**document, "meta": None} for key, document in content.items() if document["type"] != "lease"}


@asynccontextmanager
async def fresh(site: Site, operation: str) -> AsyncIterator[Store]:
    """Yield a store that holds what *operation* starts from."""
    await site.empty()
    async with open_store(site.settings(), clock=lambda: NOW) as store:
        await store.provision()
        await OPERATIONS[operation].before(store)
        yield store


async def crash(site: Site, operation: str, kill: Kill) -> None:
    """Carry out *operation* in another process and kill it as *kill* says, be it at a request for records or for blobs."""
    records, blobs = FaultProxy(site.endpoint), FaultProxy(f"http://127.0.0.1:{site.azurite.blob_port}")
    async with records, blobs:
        for proxy in (records, blobs):
            proxy.react(kill, when=lambda _: True)
        kill.process = start(operation, site.settings(records, blobs))
        await anyio.to_thread.run_sync(kill.process.join)


async def check(site: Site, operation: str) -> None:
    """Kill a process at each of its writes, and look at what it leaves."""
    async with fresh(site, operation) as store:
        before, rows_before = await view(store), await site.rows()
        await OPERATIONS[operation].step(store)
        after, rows_after = await view(store), await site.rows()
    number = 0
    while True:
        kill = Kill(number)
        async with fresh(site, operation) as store:
            await crash(site, operation, kill)
            seen = await view(store)
            if OPERATIONS[operation].is_single_record:
                assert seen in (before, after), number
                await store.repair()
                assert seen == await view(store)
                assert (rows_before if seen == before else rows_after) == await site.rows(), number
            await OPERATIONS[operation].step(store)
            await store.repair()
            assert after == await view(store), number
            assert rows_after == await site.rows(), number
        if not kill.has_killed:
            break
        number += 1

    assert number > 0, "the operation wrote nothing: nothing was tested"


@pytest.mark.usefixtures("table_only")
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_killed_process_leaves_nothing_half_done(azurite: Azurite, operation: str) -> None:
    """Readers see the old or the new record, and repair with the same call again leaves what an undisturbed run leaves."""
    await check(TableSite(azurite), operation)


@pytest.mark.usefixtures("cosmos_only")
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_killed_process_leaves_nothing_half_done_on_cosmos(
    cosmos_harness: CosmosHarness, azurite: Azurite, operation: str
) -> None:
    """The same on Cosmos DB, where one record is one document."""
    async with cosmos_harness.open_empty(lambda: NOW) as store:
        await check(CosmosSite(azurite, store), operation)
