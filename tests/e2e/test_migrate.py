"""The move from Table Storage to Cosmos DB and the way back, as an operator makes them, under handlers and golden answers."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bifrost_store import GLOBAL, ConfigType, Store, StoreSettings, open_store
from bifrost_store.core.meter import metering
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.opening.migration import open_migration
from bifrost_store.testing.clock import SettableClock
from bifrost_store.transfer.rows import load_rows
from tests import commands
from tests.commands import Settings
from tests.e2e.functions_app.replay import CALLS, Replay
from tests.e2e.migrating import COUNTS, migrate, settings_of
from tests.e2e.test_functions_app import differing
from tests.golden.test_golden import DATA, RECORDS, wrong_answers

pytestmark = pytest.mark.anyio
_EVERY = 10


@pytest.fixture
def settings(empty_azurite: Azurite, empty_cosmos: CosmosEmulator) -> Settings:
    return settings_of(empty_azurite, empty_cosmos)


async def answering(store: Store) -> str:
    """Return the backend that answers a read of *store* now."""
    with metering() as meter:
        await store.config.get(GLOBAL, "nothing")
    return next(iter(meter.requests)).partition(" ")[0].partition(".")[0]


async def run_migrate(*arguments: str, settings: Settings, check: int = 0) -> dict[str, object]:
    """Give a command while this process goes on serving."""
    return await anyio.to_thread.run_sync(lambda: migrate(*arguments, settings=settings, check=check))


@pytest.mark.skipif(not DATA.is_dir(), reason="the legacy data set is not here; set BIFROST_LEGACY_DATA to its folder")
async def test_there_and_back_with_golden_answers(settings: Settings) -> None:
    """With default options every golden answer, old executions' too, as `tests/golden` has them before: there and back.

    After the way back some are asked: the tables are those of before, as a verification compares record by record.
    """
    own = StoreSettings.from_environment(settings)
    await load_rows(own, DATA)
    async with open_store(own) as store:
        verified = await run_migrate("run", settings=settings)
        assert ("verified", 0) == (verified["phase"], sum(int(str(verified[name])) for name in COUNTS if name != "same"))
        assert "table" == await answering(store)
        assert "cut-over" == (await run_migrate("cutover", "--yes", settings=settings))["phase"]
        assert "cosmos" == await answering(store)
        assert [] == await wrong_answers(store)
        written = await store.config.set(GLOBAL, "on_cosmos", "yes", config_type=ConfigType.STRING, updated_by="a@b.example")
        assert "rolled-back" == (await run_migrate("rollback", "--yes", settings=settings))["phase"]
        assert "table" == await answering(store)
        found = await store.config.get(GLOBAL, "on_cosmos")
        assert found is not None
        assert written.value == found.value
        await store.config.delete(GLOBAL, "on_cosmos", etag=written.etag)
        assert [] == await wrong_answers(store, list(RECORDS)[::_EVERY])
    assert "verified" == (await run_migrate("verify", settings=settings))["phase"]
    assert "abandoned" == (await run_migrate("abandon", "--yes", settings=settings))["phase"]


async def test_no_handler_notices(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example handlers give the recorded bytes before, between and after the flips, with etags and tokens from before."""
    clock = SettableClock()
    own = StoreSettings.from_environment(settings)
    first, second = len(CALLS) // 3, 2 * len(CALLS) // 3
    async with open_migration(own, clock=clock, folder=tmp_path) as migration, open_store(own, clock=clock) as store:
        await store.provision()
        replay = Replay(store, clock, monkeypatch)
        answers = await replay.answers(CALLS[:first])
        assert (await migration.run()).ok
        assert (await migration.cutover()).ok
        assert "cosmos" == await answering(store)
        answers += await replay.answers(CALLS[first:second])
        assert (await migration.rollback()).ok
        answers += await replay.answers(CALLS[second:])
        assert (await migration.verify()).ok

    assert [] == differing(answers)


async def test_one_organization_first(settings: Settings) -> None:
    """One scope is cut over alone and comes back alone; the others stay. The plan is told first, and once, then what happened."""
    own = StoreSettings.from_environment(settings)
    async with open_store(own) as store:
        await store.provision()
        acme = await store.organizations.create("Acme", created_by="a@b.example", domain="acme.example")
        await run_migrate("run", settings=settings)
        words = ("migrate", "cutover", "--scope", acme.id, "--yes")
        said = await anyio.to_thread.run_sync(lambda: commands.run(*words, settings=settings))
        assert (0, 1, 1) == (said.returncode, *(text.count("from table (every write") for text in (said.stderr, said.stdout)))
        assert "writers wait for less than 3 seconds" in said.stderr
        assert f"scope {acme.scope.value} went from" in said.stdout
        assert "writers waited for 0." in said.stdout
        status = await run_migrate("status", settings=settings)
        routes = status["routes"]
        assert isinstance(routes, dict)
        assert {"*": "table", acme.scope.value: "cosmos"} == {key: route["primary"] for key, route in routes.items()}
        assert "table" == await answering(store)
        assert 0 == (await run_migrate("verify", settings=settings))["differs"]
        await run_migrate("rollback", "--yes", settings=settings)
        assert "rolled-back" == (await run_migrate("status", settings=settings))["phase"]
