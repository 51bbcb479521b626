"""The project's own data set: the same golden answers on every backend, and before, during and after a migration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import CosmosClient

from bifrost_store import GLOBAL, Store, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.migration.state import Step
from bifrost_store.opening.migration import open_migration
from bifrost_store.testing.clock import SettableClock
from bifrost_store.transfer.records import dump_records, load_records
from bifrost_store.transfer.rows import load_rows
from tests.golden import own_access
from tests.golden.own import answers, differing, expected, made

pytestmark = pytest.mark.anyio
DATA = own_access.with_access(made())
GOLDEN = {**expected(DATA), **own_access.expected(DATA)}
RUNS = len([name for name in GOLDEN if name.startswith("run ")])
_PERIOD = timedelta(days=14)
_MARGIN = timedelta(hours=1)
"""How much longer than readers see a document the service keeps it."""


@pytest.fixture
async def settings(empty_azurite: Azurite, empty_cosmos: CosmosEmulator, tmp_path: Path) -> StoreSettings:
    """Both accounts with every other setting as it is by default, but for leases; the tables hold the data set."""
    made = StoreSettings(
        backend="table",
        table_connection_string=empty_azurite.connection_string,
        cosmos_connection_string=empty_cosmos.connection_string,
        lease_seconds=10,
    )
    DATA.write(tmp_path / "rows")
    await load_rows(made, tmp_path / "rows")
    return made


async def wrong(store: Store) -> dict[str, tuple[Any, Any]]:
    return differing(GOLDEN, {**await answers(store, DATA), **await own_access.answers(store, DATA)})


async def test_every_backend_gives_the_golden_answers(settings: StoreSettings, tmp_path: Path) -> None:
    """From its rows, and dumped and loaded into each other backend."""
    assert RUNS == 64
    async with open_store(settings) as tables:
        assert {} == await wrong(tables)
        await dump_records(tables, tmp_path / "dump")
    others: dict[str, dict[str, Any]] = {
        "sqlite": {"sqlite_path": str(tmp_path / "store.db")},
        "cosmos": {"cosmos_connection_string": settings.cosmos_connection_string, "blob_folder": str(tmp_path / "blobs")},
    }
    for backend, options in others.items():
        async with open_store(StoreSettings(backend=backend, **options)) as store:
            await store.provision()
            await load_records(store, tmp_path / "dump", restart=True)
            assert {} == await wrong(store), backend


async def test_a_migration_changes_no_answer(settings: StoreSettings, tmp_path: Path) -> None:
    """With default options: before, after the cut-over, after the way back, and until the retention that it recorded is over.

    Then the old executions end in both stores at one moment. The service keeps a document for longer than readers see it.
    """
    clock = SettableClock(datetime.now(UTC).replace(microsecond=0))
    async with open_store(settings, clock=clock) as store, open_migration(settings, clock=clock, folder=tmp_path) as migration:
        began, before = clock(), await seen(store)
        verified = await migration.run()
        assert (verified.ok, verified.details["expired"], verified.details["no_longer_seen"]) == (True, 0, 0)
        assert (await migration.cutover()).ok
        assert {} == await wrong(store)
        assert [_PERIOD + _MARGIN] * RUNS == lives(settings)
        clock.now = began + _PERIOD - timedelta(microseconds=1)
        assert before == await seen(store)
        clock.now = began + _PERIOD
        on_cosmos = await seen(store)
        assert (await migration.rollback()).ok
        assert ({}, {}) == (on_cosmos, await seen(store))
        clock.now = began + _PERIOD - timedelta(microseconds=1)
        assert {} == await wrong(store)


async def test_dropping_the_expired_is_asked_for_and_said(settings: StoreSettings, tmp_path: Path) -> None:
    """With the number in every word before the cut-over; a rollback shows them again."""
    async with open_store(settings) as store, open_migration(settings, folder=tmp_path) as migration:
        before = await seen(store)
        verified = await migration.run(drop_expired=True)
        said = f"{RUNS} executions that readers see today"
        assert (verified.ok, verified.details["no_longer_seen"]) == (True, RUNS)
        assert any(said in line for line in verified.lines)
        assert any(said in line for line in (await migration.plan(Step.CUTOVER)).lines)
        assert (await migration.cutover()).ok
        assert {} == await seen(store)
        verified = await migration.verify(repair=True)
        assert (verified.ok, verified.details["no_longer_seen"], verified.details["repaired"]) == (True, RUNS, 0)
        assert (await migration.rollback()).ok
        assert before == await seen(store)


async def seen(store: Store) -> dict[str, list[str]]:
    """Return the ids of the executions that readers see, by scope."""
    scopes = [GLOBAL, *(one.scope for one in await store.organizations.list(active_only=False))]
    found: dict[str, list[str]] = {}
    for scope in scopes:
        if ids := [one.execution_id for one in await store.executions.list(scope, limit=500)]:
            found[str(scope)] = ids
    return found


def lives(settings: StoreSettings) -> list[timedelta]:
    """Return how long the service keeps each document of an execution, by its own word."""
    assert settings.cosmos_connection_string is not None
    with CosmosClient.from_connection_string(settings.cosmos_connection_string.get_secret_value()) as client:
        container = client.get_database_client(settings.cosmos_database).get_container_client("executions")
        return [timedelta(seconds=document["ttl"]) for document in container.read_all_items()]


def test_the_answers_are_of_every_scope() -> None:
    """The data set has runs, people and configuration in GLOBAL and in each organization."""
    scopes = ["GLOBAL", *(one["id"] for one in GOLDEN["organizations"])]

    assert all(GOLDEN[f"pages {scope}"] and GOLDEN[f"config {scope}"] for scope in scopes)
