"""What operations cost in requests on every route of a migration: the primary's own, one for the secondary, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bifrost_store import ConfigType, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.core.meter import count_requests
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.opening.migration import open_migration
from tests.e2e.migrating import settings_of

pytestmark = pytest.mark.anyio
ACME = Scope.organization("acme")
Costs = dict[str, int]


@pytest.fixture
async def settings(empty_azurite: Azurite) -> AsyncIterator[StoreSettings]:
    with CosmosEmulator(options=Options(consistency="Strong")) as cosmos:
        yield StoreSettings.from_environment(settings_of(empty_azurite, cosmos))


async def cost(call: Callable[[], Awaitable[object]]) -> Costs:
    with count_requests() as requests:
        await call()
    del requests["table_metadata"]  # asked once in half a minute: whether index rows are written
    return dict(requests)


async def costs(store: Store, name: str) -> dict[str, Costs]:
    """Return what each of a few calls costs once the process serves the scope."""
    run = await store.executions.create(ACME, workflow_name="w", executed_by="kim@x.example", executed_by_name="Kim", form_id="f")
    await store.execution_data.items(ACME, run.execution_id)  # so that the SDK knows the container
    found: dict[str, Costs] = {}
    found["create"] = await cost(
        lambda: store.executions.create(ACME, workflow_name=name, executed_by="kim@x.example", executed_by_name="Kim", form_id="f")
    )
    found["complete"] = await cost(lambda: store.executions.complete(run, ExecutionStatus.SUCCESS, duration_ms=1))
    found["get"] = await cost(lambda: store.executions.get(ACME, run.execution_id))
    found["list"] = await cost(lambda: store.executions.list(ACME, limit=5))
    found["set"] = await cost(lambda: store.config.set(ACME, name, 1, config_type=ConfigType.INT, updated_by="a"))
    return found


ALONE = {"create": {"table": 2}, "complete": {"table": 2}, "get": {"table": 1}, "list": {"table": 1}, "set": {"table": 2}}
TOLD_COSMOS = {"create": {"cosmos": 1}, "complete": {"cosmos": 3}, "get": {}, "list": {}, "set": {"cosmos": 1}}
CUT_OVER = {
    "create": {"cosmos": 1, "table": 2},
    "complete": {"cosmos": 2, "table": 3},
    "get": {"cosmos": 2},
    "list": {"cosmos": 1},
    "set": {"cosmos": 2, "table": 1},
}


async def test_a_secondary_costs_its_own_requests_and_nothing_else(settings: StoreSettings, tmp_path: Path) -> None:
    """A read costs what it costs without a secondary; a write one request there if it is the record's first, else one to look.

    What ends a run also asks Cosmos DB what the run has left, for the blobs that the other store's application reads.
    """
    async with open_migration(settings, folder=tmp_path) as migration, open_store(settings) as store:
        await store.provision()
        assert ALONE == await costs(store, "alone")
        assert (await migration.run()).ok
        assert {call: ALONE[call] | TOLD_COSMOS[call] for call in ALONE} == await costs(store, "before")
        assert (await migration.cutover()).ok
        assert CUT_OVER == await costs(store, "after")
