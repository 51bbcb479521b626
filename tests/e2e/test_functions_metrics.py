"""The figures of dashboards in the example application: its endpoint, its timer, and its trigger given raw documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.cosmos import CosmosClient
from azure.functions import meta
from azure.functions.cosmosdb import CosmosDBConverter

from bifrost_store import ExecutionStatus, Store, StoreSettings, open_store
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.metrics.following import Pace
from tests.e2e.functions_app.replay import registered

pytestmark = pytest.mark.anyio


async def complete(store: Store, status: ExecutionStatus = ExecutionStatus.SUCCESS) -> None:
    acme = await store.organizations.get("acme")
    assert acme is not None
    run = await store.executions.create(acme.scope, workflow_name="w", executed_by="u", executed_by_name="u")
    await store.executions.complete(run, status, duration_ms=7)


def waiting_in(waits: list[float]) -> Pace:
    """Return a pace whose clock stands still, and whose waits are noted instead."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return Pace(monotonic=lambda: 0.0, sleep=sleep)


async def statistics(**params: str) -> tuple[int, Any]:
    functions = {one.get_function_name(): one.get_user_function() for one in registered()}
    headers = {"X-Organization-Id": "acme", "X-User-Id": "ada@msp.example", "X-Platform-Admin": "true"}
    request = func.HttpRequest(
        method="GET",
        url="http://localhost/api/statistics",
        headers=headers,
        params={"startDate": "2025-01-01T00:00:00Z", **params},
        route_params={},
        body=b"",
    )
    response = await functions["get_statistics"](request)
    return response.status_code, json.loads(response.get_body())


async def test_timer_trigger_and_endpoint(empty_cosmos: CosmosEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer counts; the trigger counts what its documents tell of, also when they come again, and not at once; the endpoint
    shows it beside the figures that it has always had, where a window is asked for.
    """
    registered()
    from bifrost_functions.metrics import metrics_functions
    from bifrost_functions.registered import blueprints

    own = StoreSettings(
        backend="cosmos",
        cosmos_connection_string=empty_cosmos.connection_string,
        blob_folder=str(tmp_path),
        metrics="aggregated",
    )
    application = func.FunctionApp()
    application.register_functions(metrics_functions(own))
    functions = {one.get_function_name(): one.get_user_function() for one in application.get_functions()}
    waits: list[float] = []
    monkeypatch.setattr("bifrost_functions.metrics.PACE", waiting_in(waits))
    async with open_store(own) as store:
        monkeypatch.setattr("bifrost_functions.opened._store", store)
        await store.provision()
        await store.organizations.create("Acme", id="acme", created_by="ada@msp.example")
        await complete(store)
        await functions["roll_up_metrics"](None)
        assert 1 == (await statistics(window="24h"))[1]["metrics"]["total"]["count"]
        await complete(store, ExecutionStatus.FAILED)
        with CosmosClient.from_connection_string(empty_cosmos.connection_string) as client:
            container = client.get_database_client("bifrost").get_container_client("executions")
            documents = list(container.read_all_items())
        for _ in range(2):
            handed = CosmosDBConverter.decode(meta.Datum(json.dumps(documents), "json"), trigger_metadata={})
            await functions["count_dirty_hours"](handed)
        status, found = await statistics(window="24h")
        assert "metrics" not in (await statistics())[1]
        assert 400 == (await statistics(window="1y"))[0]

    assert 1 == len(waits)
    assert 5 <= waits[0] <= 60
    assert (200, 2, 50.0) == (status, found["total"], found["successRate"])
    shown = found["metrics"]
    assert (2, 1, 50.0, 7, "aggregated") == (
        shown["total"]["count"], shown["failures"], shown["successRate"], shown["p95Ms"], shown["source"],
    )  # fmt: skip
    assert 24 == len(shown["series"])
    assert [{"name": "w", "count": 2}] == [{"name": one["name"], "count": one["count"]} for one in shown["workflows"]]
    assert len(blueprints(own)) == len(blueprints(own.model_copy(update={"metrics": "live"}))) + 1
