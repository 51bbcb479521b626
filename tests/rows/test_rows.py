"""Damaged rows answer alike from the tables, from SQLite after dump and load, and from Cosmos DB after a migration."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest

from bifrost_store import Scope
from bifrost_store.core.record import Key
from bifrost_store.core.version import Etag
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from tests.rows.comparing import differences
from tests.rows.damage import damaged, rows_in
from tests.rows.questions import named_by
from tests.rows.world import World

pytestmark = pytest.mark.anyio
DEMO = Path(str(resources.files("bifrost_store.demo"))) / "data"
LEGACY = Path(os.environ.get("BIFROST_LEGACY_DATA") or "nowhere")
IS_THOROUGH = os.environ.get("BIFROST_TEST_PROFILE") == "thorough"
SEEDS = range(1, 31) if IS_THOROUGH else (1, 2)
DELETED_SEEDS = range(51, 61) if IS_THOROUGH else (51,)
MOVED_SEEDS = range(101, 111) if IS_THOROUGH else (101,)
ROWS_OF_A_TABLE = None if IS_THOROUGH else 40
FOREVER = {"BIFROST_STORE_EXECUTION_RETENTION_DAYS": "none"}


def data_of(seed: int) -> Path:
    """Return the data set of a seed: the project's own, and the platform's in between where it is here."""
    return LEGACY if LEGACY.is_dir() and seed % 2 == 0 else DEMO


def world_of(seed: int, azurite: Azurite, folder: Path, **settings: str) -> World:
    # The platform's set is large: each seed takes a part of it.
    data = data_of(seed)
    most = 400 if data == LEGACY and IS_THOROUGH else ROWS_OF_A_TABLE
    own = {"BIFROST_STORE_BACKEND": "table", "BIFROST_STORE_TABLE_CONNECTION_STRING": azurite.connection_string}
    return World(damaged(rows_in(data), seed, most=most), own | FOREVER | settings, folder)


@pytest.mark.parametrize("seed", SEEDS)
async def test_sqlite_answers_like_the_tables(empty_azurite: Azurite, tmp_path: Path, seed: int) -> None:
    """What `dump` does not name answers alike from SQLite; `repair` changes no answer; nothing dumped is refused by `load`."""
    world = world_of(seed, empty_azurite, tmp_path)
    await world.fill()
    sqlite = {"BIFROST_STORE_BACKEND": "sqlite", "BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db")}
    expected = await world.ask("table")
    errors = await world.unreadable()
    dumped = await world.command("dump", tmp_path / "dump")
    loaded = await world.command("load", tmp_path / "dump", **sqlite)
    found = await world.ask("sqlite", **sqlite)

    assert sorted(dumped["unreadable"]) == sorted(set(map(str, errors)))
    assert loaded["ok"]
    assert differences(expected, found, named_by(errors)) == []


@pytest.mark.parametrize("seed", DELETED_SEEDS)
async def test_what_cannot_be_read_can_be_deleted(empty_azurite: Azurite, tmp_path: Path, seed: int) -> None:
    """Each by the key that names it and, every other one, by its etag; afterwards nothing is named but audit events."""
    world = world_of(seed, empty_azurite, tmp_path)
    await world.fill()
    errors = [error for error in await world.unreadable() if error.document is not None and error.document[0] != "audit_event"]
    # Without its role, an assignment of the old application is a legacy row: roles go last.
    errors.sort(key=lambda error: error.document is not None and error.document[0] == "role")
    async with world.opened() as store:
        for number, error in enumerate(errors):
            assert error.document is not None
            assert error.etag is not None
            kind, scope, id_ = error.document
            expected = Etag.parse(error.etag) if number % 2 else None
            assert await store.backend.delete(Key(kind, Scope(scope), id_), expected=expected)

    assert errors
    assert {error.document[0] for error in await world.unreadable() if error.document} <= {"audit_event"}


@pytest.mark.parametrize("seed", MOVED_SEEDS)
async def test_cosmos_answers_like_the_tables(empty_azurite: Azurite, tmp_path: Path, seed: int) -> None:
    """Once what cannot be read is out of the way, every answer is the same before, after the cut-over, and after the way back."""
    with CosmosEmulator(options=Options(consistency="Strong")) as cosmos:
        more = {"BIFROST_STORE_COSMOS_CONNECTION_STRING": cosmos.connection_string, "BIFROST_STORE_LEASE_SECONDS": "2"}
        world = world_of(seed, empty_azurite, tmp_path, **more)
        await world.fill()
        refused = await world.command("migrate", "run")
        removed = await world.remove_unreadable()
        repaired = await world.command("repair")
        expected = await world.ask("table")
        copied = await world.command("migrate", "run")
        moved = await world.command("migrate", "cutover", "--yes")
        there = await world.ask("cosmos")
        verified = await world.command("migrate", "verify", "--repair")
        back = await world.command("migrate", "rollback", "--yes")

        assert removed > 0
        assert not refused["ok"]
        assert [one["ok"] for one in (repaired, copied, moved, verified, back)] == [True] * 5
        assert differences(expected, there) == []
        assert differences(expected, await world.ask("table")) == []
