"""What the API answers about a migration: each phase with its commands, to administrators alone, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bifrost_store.console.migration import shown_status
from bifrost_store.core.record import Key
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.migration.status import MigrationStatus
from bifrost_store.mirroring.journal import Journal
from tests.console.conftest import open_console, user
from tests.unit.member_world import ACME, World, in_world
from tests.unit.test_dead_ends import Platform

ADA = user("ada@msp.example", **{"x-platform-admin": "true"})


def states(shown: dict[str, Any]) -> str:
    """Return what is said of the five steps: d, c or a."""
    assert ["start", "backfill", "verify", "cutover", "finish"] == [one["step"] for one in shown["steps"]]
    return "".join(one["state"][0] for one in shown["steps"])


def commands(shown: dict[str, Any]) -> list[str | None]:
    return [one["command"] for one in shown["next"]]


def test_each_phase_is_shown_with_what_comes_next(tmp_path: Path) -> None:
    """From nothing to finished, and the way back between: steps, routes, counts, days left, commands."""

    async def work(world: World) -> None:
        platform = Platform(world, tmp_path)
        await platform.begin()

        async def shown() -> dict[str, Any]:
            return shown_status(await platform.operator().status())

        found = await shown()
        assert ("none", "aaaaa", ["bifrost-store migrate start"]) == (found["phase"], states(found), commands(found))
        assert ([], None, None) == (found["routes"], found["backfill"], found["verification"])
        await platform.give("start")
        found = await shown()
        assert ("dcaaa", ["bifrost-store migrate backfill"]) == (states(found), commands(found))
        assert [{"scope": None, "primary": "table", "secondary": "cosmos"}] == found["routes"]
        await platform.give("backfill")
        found = await shown()
        assert ("ddcaa", ["bifrost-store migrate verify"]) == (states(found), commands(found))
        assert 4 == sum(found["backfill"]["counts"].values())
        await platform.give("verify")
        found = await shown()
        assert ("dddca", 0, []) == (states(found), found["verification"]["open"], found["verification"]["kinds"])
        assert "bifrost-store migrate cutover" == found["commands"]["routes"]
        await platform.give("cutover --scope acme")
        found = await shown()
        assert ("cut-over", "dddca", 30) == (found["phase"], states(found), found["daysLeft"])
        assert {"scope": "org-acme", "primary": "cosmos", "secondary": "table"} in found["routes"]
        await platform.give("verify")
        await platform.give("cutover")
        found = await shown()
        assert "ddddc" == states(found)
        assert ["bifrost-store migrate finish", "bifrost-store migrate rollback"] == commands(found)
        assert ("bifrost-store migrate rollback", "bifrost-store migrate status") == (
            found["commands"]["routes"],
            found["commands"]["journal"],
        )
        await platform.give("rollback")
        assert "ddcaa" == states(await shown())
        await platform.give("verify")
        await platform.give("cutover")
        await platform.give("finish --force")
        found = await shown()
        assert ("finished", "ddddd", [None]) == (found["phase"], states(found), commands(found))

    in_world(work)


def test_what_a_store_lacks_and_keeps_is_shown(tmp_path: Path) -> None:
    """The journal's depth and its oldest entry, processes, and a store that does not answer beside the one that does."""

    async def work(world: World) -> None:
        platform = Platform(world, tmp_path)
        await platform.begin()
        await platform.give("start")
        await Journal(world.stores["table"]).note([Key("config", ACME, "old-0")], "never mind")
        found = shown_status(await platform.operator().status())
        stores = {one["name"]: one for one in found["stores"]}
        assert (1, True) == (stores["table"]["journal"], stores["table"]["oldestEntry"] is not None)
        assert (0, None) == (stores["cosmos"]["journal"], stores["cosmos"]["oldestEntry"])

    in_world(work)


@pytest.mark.anyio
async def test_where_there_is_one_store_nothing_is_migrated(tmp_path: Path) -> None:
    """It is said so, with the command that begins."""
    async with open_console(tmp_path) as console:
        shown = (await console.get("migration", ADA)).json()
        assert (False, "none", ["bifrost-store migrate start"]) == (shown["isPossible"], shown["phase"], commands(shown))


@pytest.mark.anyio
async def test_a_migration_is_for_administrators_and_may_fail(tmp_path: Path) -> None:
    """Others cannot tell that there is such a page; a store that does not answer is an error that may be tried again."""

    async def ask() -> MigrationStatus:
        raise BackendUnavailableError("gone")

    async with open_console(tmp_path, ask_migration=ask) as console:
        answer = await console.get("migration", user(organization="juniper"))
        assert (404, "there is nothing here, or you may not see it") == (answer.status_code, answer.json()["error"]["message"])
        failed = await console.get("migration", ADA)
        assert (503, True) == (failed.status_code, failed.json()["error"]["isRetryable"])
        assert (await console.post("migration", ADA)).status_code in (404, 405)
