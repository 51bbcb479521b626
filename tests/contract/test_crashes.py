"""A process is killed between any two requests of every operation on Table Storage that takes several."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.testing.crash import Kill, start
from bifrost_store.testing.fault_proxy import FaultProxy
from bifrost_store.testing.operations import NOW, OPERATIONS, view
from tests.contract.harness import empty_tables, rows_of, through

pytestmark = pytest.mark.anyio
_LONGEST_SECONDS = 60


def settings_for(connection_string: str) -> StoreSettings:
    return StoreSettings(backend="table", table_connection_string=connection_string)


@asynccontextmanager
async def fresh(azurite: Azurite, operation: str) -> AsyncIterator[Store]:
    """Yield a store that holds what *operation* starts from."""
    await empty_tables(azurite)
    async with open_store(settings_for(azurite.connection_string), clock=lambda: NOW) as store:
        await store.provision()
        await OPERATIONS[operation].before(store)
        yield store


async def crash(azurite: Azurite, operation: str, kill: Kill) -> None:
    """Carry out *operation* in another process and kill it as *kill* says, be it at a request for rows or for blobs."""
    tables, blobs = (FaultProxy(f"http://127.0.0.1:{port}") for port in (azurite.table_port, azurite.blob_port))
    async with tables, blobs:
        for proxy in (tables, blobs):
            proxy.react(kill, when=lambda _: True)
        kill.process = start(operation, settings_for(through(azurite, tables=tables, blobs=blobs)))
        with anyio.fail_after(_LONGEST_SECONDS):
            await anyio.to_thread.run_sync(kill.process.join, abandon_on_cancel=True)


@pytest.mark.usefixtures("table_only")
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_killed_process_leaves_nothing_half_done(azurite: Azurite, operation: str) -> None:
    """Readers see the old or the new record, and repair with the same call again leaves what an undisturbed run leaves."""
    async with fresh(azurite, operation) as store:
        before, rows_before = await view(store), await rows_of(azurite)
        await OPERATIONS[operation].step(store)
        after, rows_after = await view(store), await rows_of(azurite)
    number = 0
    while True:
        kill = Kill(number)
        async with fresh(azurite, operation) as store:
            await crash(azurite, operation, kill)
            seen = await view(store)
            if OPERATIONS[operation].is_single_record:
                assert seen in (before, after), number
                await store.repair()
                assert seen == await view(store)
                assert (rows_before if seen == before else rows_after) == await rows_of(azurite), number
            await OPERATIONS[operation].step(store)
            await store.repair()
            assert after == await view(store), number
            assert rows_after == await rows_of(azurite), number
        if not kill.has_killed:
            break
        number += 1

    assert number > 0, "the operation wrote nothing: nothing was tested"
