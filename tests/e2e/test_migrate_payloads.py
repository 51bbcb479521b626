"""Where large payloads lie while runs move from Table Storage to Cosmos DB: in blobs until Table Storage is left for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from bifrost_store import ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.demo.azurite import Azurite
from bifrost_store.documents import Execution
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.opening.migration import open_migration
from bifrost_store.protocols import ExecutionRef
from bifrost_store.repositories.executions.payloads import is_document
from bifrost_store.testing.clock import SettableClock
from tests.e2e.migrating import settings_of

pytestmark = pytest.mark.anyio

SCOPE = Scope.organization("acme")
RESULT = {"rows": ["x" * 100] * 30}


async def complete(store: Store) -> Execution:
    run = await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="u")
    return await store.executions.complete(run, ExecutionStatus.SUCCESS, result=RESULT)


async def check(store: Store, *runs: Execution) -> None:
    """Demand that every run has its result."""
    for run in runs:
        result = await store.executions.load_result(ExecutionRef(SCOPE, run.execution_id))
        assert result is not None
        assert result.value == RESULT


async def test_payloads_through_a_migration(empty_azurite: Azurite, empty_cosmos: CosmosEmulator, tmp_path: Path) -> None:
    """Until `finish` a result is a blob with its copy for old code, whichever store answers; from then on it is a document."""
    clock = SettableClock()
    own = StoreSettings.from_environment(settings_of(empty_azurite, empty_cosmos))
    later = StoreSettings.from_environment(settings_of(empty_azurite, empty_cosmos, BIFROST_STORE_BACKEND="cosmos"))
    async with open_store(own, clock=clock) as store:
        await store.provision()
        runs = [await complete(store)]
    async with open_migration(own, clock=clock, folder=tmp_path) as migration:
        assert (await migration.run()).ok
        async with open_store(later, clock=clock) as store:
            for step in (migration.cutover, migration.rollback, migration.verify, migration.cutover):
                assert (await step()).ok
                runs.append(await complete(store))
                await check(store, *runs)
            blobs = {blob.name async for blob in store.backend.blobs("table").list(EXECUTION_DATA)}
            assert {name for run in runs for name in run.blobs.values()} <= blobs
            assert {f"{run.execution_id}/result.json" for run in runs} <= blobs
            assert not any(is_document(name) for run in runs for name in run.blobs.values())
            assert (await migration.verify()).ok
            clock.advance(days=31)
            fresh = await complete(store)
            assert not is_document(fresh.blobs["result"])
            assert (await migration.finish()).ok
        async with open_store(later, clock=clock) as store:
            after = await complete(store)
            await check(store, fresh, after)
            replaced = await store.executions.save_result(ExecutionRef(SCOPE, fresh.execution_id), {**RESULT, "n": 1})

    assert is_document(after.blobs["result"])
    assert is_document(replaced.blobs["result"])
