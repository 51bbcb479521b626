"""``--dry-run``: every check of the real command, and what it will meet, with nothing changed; one reader of what is unreadable."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.cosmos import CosmosClient
from azure.data.tables import TableClient, TableServiceClient, UpdateMode

from bifrost_store import GLOBAL, ConfigType, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.errors import MigrationRefusedError
from bifrost_store.migration import state
from bifrost_store.migration.phases import Migration
from bifrost_store.migration.state import Phase, Step
from bifrost_store.opening.migration import open_migration
from bifrost_store.testing.examples import ADDED_ONLY, EXAMPLES
from bifrost_store.transfer.records import dump_records
from bifrost_store.transfer.rows import load_rows
from tests.commands import Settings
from tests.e2e.migrating import migrate, settings_of
from tests.golden.own import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(empty_azurite: Azurite, empty_cosmos: CosmosEmulator) -> Settings:
    return settings_of(empty_azurite, empty_cosmos)


@pytest.fixture
async def own(settings: Settings, tmp_path: Path) -> StoreSettings:
    """Both accounts, the table's with the project's data set."""
    found = StoreSettings.from_environment(settings)
    made().write(tmp_path / "rows")
    await load_rows(found, tmp_path / "rows")
    return found


@asynccontextmanager
async def migrating(own: StoreSettings, folder: Path) -> AsyncIterator[Migration]:
    async with open_migration(own, folder=folder / "reports") as migration:
        yield migration


def everything(own: StoreSettings) -> list[Any]:
    """Return all that both services hold, with etags and times of writing."""
    assert own.table_connection_string is not None
    assert own.cosmos_connection_string is not None
    found: list[Any] = []
    with TableServiceClient.from_connection_string(own.table_connection_string.get_secret_value()) as tables:
        for table in tables.list_tables():
            found += [(table.name, dict(row), row.metadata) for row in tables.get_table_client(table.name).list_entities()]
    with CosmosClient.from_connection_string(own.cosmos_connection_string.get_secret_value()) as client:
        for database in client.list_databases():
            found.append(database)
            proxy = client.get_database_client(database["id"])
            for container in proxy.list_containers():
                found += [container, *proxy.get_container_client(container["id"]).read_all_items()]
    return found


async def test_it_changes_nothing_in_either_store(own: StoreSettings, tmp_path: Path) -> None:
    """Every step in every phase of a migration, also where one copy of the control document lags behind: byte for byte."""
    phases = set()
    async with migrating(own, tmp_path) as migration:

        async def rehearse() -> None:
            before = everything(own)
            for step in Step:
                for options in (None, state.Options(drop_expired=True)) if step in (Step.BACKFILL, Step.RUN) else (None,):
                    try:
                        await migration.plan(step, options=options)
                    except MigrationRefusedError as error:
                        assert error.next_steps
            assert before == everything(own)
            assert not (tmp_path / "reports").exists()
            phases.add(migration.phase)

        await rehearse()
        forwards: tuple[Any, ...] = (migration.start, migration.backfill, migration.verify, migration.cutover)
        for step in forwards:
            assert (await step()).ok
            await rehearse()
        _lag(own)
        await rehearse()
        for back in (migration.rollback, migration.abandon):
            assert (await back()).ok
            await rehearse()
    assert {
        Phase.NONE,
        Phase.STARTED,
        Phase.BACKFILLED,
        Phase.VERIFIED,
        Phase.CUT_OVER,
        Phase.ROLLED_BACK,
        Phase.ABANDONED,
    } == phases


def _lag(own: StoreSettings) -> None:
    """Let the table's copy of the control document know less than the other, as if its process had died in between."""
    with _table(own, "Config") as config:
        row = config.get_entity("SYSTEM", "bifrost-store:control")
        content = json.loads(str(row["BsBody0"]))
        content["body"]["routes"]["*"] = {"primary": "table", "secondary": "cosmos", "epoch": 1}
        config.update_entity({**row, "BsBody0": json.dumps(content)}, mode=UpdateMode.REPLACE)


@contextmanager
def _table(own: StoreSettings, name: str) -> Iterator[TableClient]:
    assert own.table_connection_string is not None
    with TableServiceClient.from_connection_string(own.table_connection_string.get_secret_value()) as tables:
        yield tables.get_table_client(name)


async def test_it_says_what_it_will_meet_and_what_that_takes(settings: Settings, own: StoreSettings, tmp_path: Path) -> None:
    """The counts are those of the real run, and what Cosmos DB charges for it is not far off."""
    (tmp_path / "cwd").mkdir()
    planned = migrate("run", "--dry-run", settings=settings)
    dropping = migrate("run", "--dry-run", "--drop-expired", settings=settings)
    slowly = migrate("backfill", "--dry-run", "--request-units", "1", settings=settings, check=1)
    async with migrating(own, tmp_path) as migration:
        await migration.start()
        done = await migration.backfill()

    assert planned["counts"] == {kind: counts["copied"] for kind, counts in done.details["kinds"].items()}
    assert planned["records"] == done.details["counts"]["copied"] == 110
    assert (64, 46) == (dropping["no_longer_seen"], dropping["records"])
    assert any("64 executions that readers see today" in line for line in dropping["plan"])
    assert done.details["request_units"] == pytest.approx(planned["request_units"], rel=0.5)
    assert 0 < planned["seconds"] < 100
    assert planned["plan"][-1].startswith("estimate: about "), planned["plan"]
    assert "bifrost-store migrate start" in slowly["next"]


async def foreign_record(own: StoreSettings) -> None:
    async with open_store(own.model_copy(update={"backend": "cosmos"})) as store:
        await store.provision()
        await store.config.set(GLOBAL, "foreign", "1", config_type=ConfigType.STRING, updated_by="a@b.example")


async def unreadable_row(own: StoreSettings) -> None:
    with _table(own, "Config") as config:
        config.upsert_entity({"PartitionKey": "GLOBAL", "RowKey": "config:flag", "Value": "yes", "Type": "bool"})


async def another_migration(own: StoreSettings) -> None:
    async with migrating(own, Path()) as migration:
        await migration.start()
    with _table(own, "Config") as config:
        for row in list(config.query_entities("PartitionKey eq 'SYSTEM'")):
            config.delete_entity(row["PartitionKey"], row["RowKey"])


@pytest.mark.parametrize("damage", [foreign_record, unreadable_row, another_migration], ids=lambda damage: damage.__name__)
async def test_what_would_be_refused_is_refused_beforehand(
    settings: Settings, own: StoreSettings, damage: Callable[[StoreSettings], Awaitable[None]], tmp_path: Path
) -> None:
    """With exit code 1, the reason and what to do; the real command is refused too."""
    await damage(own)

    def both() -> list[dict[str, Any]]:
        dry = migrate("run", "--dry-run", settings=settings, check=1)
        return [dry, migrate("run", "--reports", tmp_path, settings=settings, check=1)]

    planned, _ = await anyio.to_thread.run_sync(both)
    assert planned["next"]
    assert planned["obstacles"] if "obstacles" in planned else planned["error"]["message"]


async def test_finishing_is_refused_beforehand_while_a_flag_differs(own: StoreSettings, tmp_path: Path) -> None:
    """By the processes that are there: they would not start again otherwise."""
    async with migrating(own, tmp_path) as migration:
        assert (await migration.run()).ok
        async with open_store(own) as store:
            await store.config.list(GLOBAL)
            assert (await migration.cutover()).ok
            planned = await migration.plan(Step.FINISH, force=True)
            assert "the flag of live processes does not say cosmos" in planned.obstacles[0]
            assert "set it to cosmos" in planned.next_steps[0].text
        assert (await migration.plan(Step.FINISH, force=True)).ok


@pytest.mark.parametrize("is_provisioned", [True, False])
async def test_a_weak_account_is_refused_beforehand(empty_azurite: Azurite, is_provisioned: bool) -> None:
    """Also before there is a database in it."""
    with CosmosEmulator(options=Options(consistency="Session")) as weak:
        own = StoreSettings.from_environment(settings_of(empty_azurite, weak))
        async with open_store(own) as store:
            await store.provision()
        if is_provisioned:
            async with open_store(own.model_copy(update={"backend": "cosmos"})) as store:
                await store.provision()
        async with open_migration(own) as migration:
            for step in (Step.START, Step.RUN):
                planned = await migration.plan(step)
                assert not planned.ok
                assert "default consistency is Session" in planned.obstacles[0]
                assert "az cosmosdb update" in planned.next_steps[0].text


async def test_one_reader_says_what_is_unreadable(settings: Settings, tmp_path: Path) -> None:
    """One damaged row of every kind: repair, dump, dry run and backfill name the same, and the rows are kept whole."""
    own = StoreSettings.from_environment(settings)
    async with open_store(own) as store:
        await store.provision()
        for record in (*EXAMPLES, *ADDED_ONLY):
            await store.backend.create(record)
        await _damage_everything(own)
        repaired = {str(error.key) for error in (await store.repair()).unreadable}
        dumped = (await dump_records(store, tmp_path / "dump")).unreadable
    async with migrating(own, tmp_path) as migration:
        planned = await migration.plan(Step.RUN)
        await migration.start()
        carried = await migration.backfill()
    lines = _lines(carried.details["rejected_rows"])
    rejected = {line["key"]: line["record"] for line in lines}

    assert len(EXAMPLES) + len(ADDED_ONLY) == len(repaired)
    assert repaired == rejected.keys()
    assert all("rubbish" == row["BsExpiresAt"] for row in rejected.values())
    assert set(dumped) == set(planned.details["unreadable"]) == {line["reason"] for line in lines}
    assert not planned.ok
    assert not carried.ok


def _lines(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


async def _damage_everything(own: StoreSettings) -> None:
    """Give each record's anchor row an expiry that is none."""
    for name in ("AuditLog", "Config", "Entities", "Relationships"):
        with _table(own, name) as table:
            for row in list(table.list_entities()):
                if "BsDigest" in row and not row["RowKey"].startswith("bifrost-store:"):
                    table.update_entity({**row, "BsExpiresAt": "rubbish"}, mode=UpdateMode.REPLACE)
