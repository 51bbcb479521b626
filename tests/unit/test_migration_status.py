"""What an operator is told while something is under way, half done, hung or gone, and what to do next."""

from __future__ import annotations

import asyncio
import shlex
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from bifrost_store.backends.protocol import Backend
from bifrost_store.cli.interrupts import Interrupted
from bifrost_store.cli.migrate_output import failed
from bifrost_store.core.commands import spelled, words_of
from bifrost_store.core.version import new_writer
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, MigrationRefusedError, NextStep
from bifrost_store.migration.phases import Migration
from bifrost_store.migration.runners import interrupted_since, is_gone
from bifrost_store.migration.state import Asked, MigrationState, Phase, Running, Step, forced
from bifrost_store.migration.state_store import StateStore
from bifrost_store.migration.status import lines_of
from bifrost_store.routing.membership.lease_rows import LeaseRows, LeaseState
from bifrost_store.testing.examples import organization
from tests.unit.member_world import Process, Reach, World, in_world
from tests.unit.test_dead_ends import Platform, on_a_platform

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def gone() -> str:
    """A process of this machine that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return f"{socket.gethostname()} {done.pid}"


@pytest.mark.parametrize("hanging", ["table", "cosmos"])
def test_a_store_that_hangs_keeps_nobody_waiting(tmp_path: Path, hanging: str) -> None:
    """Both are asked at once, each for so long; the other's side is shown."""

    async def work(world: World) -> None:
        platform = Platform(world, tmp_path)
        await platform.begin()
        await platform.give("run")
        reach = {name: Reach(store, name) for name, store in world.stores.items()}
        reach[hanging].hangs = True
        stores = {name: cast(Backend, one) for name, one in reach.items()}
        operator = Migration(stores, source="table", target="cosmos", specs=SPECS, folder=tmp_path)
        began = world.now
        status = await operator.status(patience=5.0)

        assert world.now - began <= 5.1
        other = "cosmos" if hanging == "table" else "table"
        assert not status.ok
        assert "5 seconds" in str(status.stores[hanging].problem)
        assert (None, 0) == (status.stores[other].problem, status.stores[other].journal)
        assert status.control is not None
        assert [f"{hanging}: does not answer"] == [line[: len(hanging) + 17] for line in lines_of(status) if "does not" in line]

    in_world(work)


@pytest.mark.parametrize(
    ("changes", "seconds", "is_interrupted"),
    [({}, 10, False), ({}, 31, True), ({"is_over": True}, 1, True), ({"runner": "gone"}, 1, True)],
)
def test_whoever_shows_no_life_does_not_run(changes: dict[str, Any], seconds: int, is_interrupted: bool, gone: str) -> None:
    """Killed, given up, or on another machine and silent: interrupted since it was seen last."""
    changes = {**changes, "runner": gone} if "runner" in changes else changes
    running = Running(step=Step.BACKFILL, runner="elsewhere 7", began_at=NOW, seen_at=NOW).model_copy(update=changes)

    assert (NOW if is_interrupted else None) == interrupted_since(running, NOW + timedelta(seconds=seconds))


def test_of_other_machines_nothing_is_guessed(gone: str) -> None:
    """A process id says something on its own machine only."""
    assert is_gone(f"{gone} 12345678")
    assert not is_gone(f"elsewhere {gone.split()[1]}")
    assert not is_gone(f"{socket.gethostname()} rubbish")


def test_a_killed_run_and_a_killed_process_are_told_as_such(tmp_path: Path, gone: str) -> None:
    """Its backfill is interrupted since when, its lease is no sign of life, and next is the whole command."""

    async def work(platform: Platform) -> None:
        await platform.give("start")
        table = platform.world.stores["table"]
        store = StateStore(table)
        state = await store.read()
        assert state is not None
        running = Running(step=Step.BACKFILL, runner=gone, began_at=NOW, seen_at=NOW)
        progress = {"backfill": {"done": 7, "total": 100}}
        await store.write(state.at(Phase.BACKFILLING, NOW).model_copy(update={"running": running, "progress": progress}))
        await LeaseRows(table).create(new_writer(), LeaseState(process=f"{gone} 1234"))
        status = await platform.operator().status()
        told = "\n".join(lines_of(status))

        assert f"backfill: interrupted since 2026-05-01 12:00:00 UTC, was run by {gone}" in told
        assert "s left" not in told
        assert f"{gone} 1234: gone" in told
        assert "gone" == status.values()["stores"]["table"]["processes"][0]["state"]
        assert "2026-05-01T12:00:00" in status.values()["running"]["interrupted_since"]

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize(
    ("process", "seconds", "state", "told"),
    [
        ("elsewhere 1 2", 4, "live", "live, 4 s ago by its own clock"),
        ("elsewhere 1 2", -90, "live", "live, 0 s ago by its own clock"),
        ("elsewhere 1 2", 31, "silent", "silent since 2026-05-01 11:59:29 UTC by its own clock"),
        ("here", 31, "gone", "gone since 2026-05-01 11:59:29 UTC by its own clock"),
        ("elsewhere 1 2", None, "live", "live, flag"),
    ],
)
def test_a_process_that_is_silent_is_not_told_as_live(
    tmp_path: Path, gone: str, process: str, seconds: int | None, state: str, told: str
) -> None:
    """Killed on another machine: nobody has watched its row, but the row says when it was written."""

    async def work(platform: Platform) -> None:
        await platform.give("start")
        seen_at = None if seconds is None else NOW - timedelta(seconds=seconds)
        row = LeaseState(process=gone if process == "here" else process, seen_at=seen_at)
        await LeaseRows(cast(Backend, platform.world.stores["table"])).create(new_writer(), row)
        status = replace(await platform.operator().status(), now=NOW)

        assert told in "\n".join(lines_of(status))
        (listed,) = status.values()["stores"]["table"]["processes"]
        assert (state, None if seen_at is None else seen_at) == (
            listed["state"],
            listed["seen_at"] and datetime.fromisoformat(listed["seen_at"]),
        )

    on_a_platform(tmp_path, work)


def test_a_process_writes_when_it_was_there(tmp_path: Path) -> None:
    """At joining, at each renewal, and whenever it takes part in a hand-over."""

    async def work(platform: Platform) -> None:
        process = Process(platform.world, "table")
        await process.answers()
        first = (await platform.world.row()).state
        await asyncio.sleep(15)
        second = (await platform.world.row()).state
        assert first.seen_at is not None
        assert second.seen_at is not None
        assert first.seen_at < second.seen_at
        assert first.beat < second.beat

    on_a_platform(tmp_path, work)


def test_a_step_shows_life_while_it_runs_and_none_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after its last batch too; an error is told as an interruption, success as nothing."""

    async def work(platform: Platform) -> None:
        await platform.give("start")
        seen: list[Any] = []
        scan = platform.world.stores["table"].scan

        async def slow(token: str | None = None) -> Any:
            async for page in scan(token):
                await asyncio.sleep(100)
                seen.append(await StateStore(cast(Backend, platform.world.stores["table"])).read())
                yield page

        with monkeypatch.context() as patch:
            patch.setattr(platform.world.stores["table"], "scan", slow)
            await platform.give("backfill")
        assert seen[-1].running.step is Step.BACKFILL
        assert seen[-1].running.began_at < seen[-1].running.seen_at

        def failing(token: str | None = None) -> Any:
            raise BackendUnavailableError("away")

        with monkeypatch.context() as patch:
            patch.setattr(platform.world.stores["cosmos"], "scan", failing)
            with pytest.raises(BackendUnavailableError):
                await platform.operator().verify()
        status = await platform.operator().status()
        assert "verify: interrupted since" in "\n".join(lines_of(status))
        assert "starts over" in "\n".join(lines_of(status))
        await platform.give("verify")
        assert (await platform.operator().status()).values()["running"] is None

    on_a_platform(tmp_path, work)


def test_a_scope_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    """By id or by name; one that was cut over may come back even if its organization is gone by now."""

    async def work(platform: Platform) -> None:
        await platform.world.stores["table"].create(organization("contoso", name="Contoso"))
        await platform.give("run")
        for command in ("cutover --scope contosso", "rollback --scope acme2"):
            if command.startswith("rollback"):
                await platform.give("cutover --scope acme")
            with pytest.raises(MigrationRefusedError, match="there is no organization") as refused:
                await platform.give(command)
            assert ("contoso (Contoso)" if "contosso" in command else "acme (") in str(refused.value)
        await platform.world.stores["table"].delete(organization("acme").key)
        await platform.give("rollback --scope acme")
        assert "table" == await platform.serve()

    on_a_platform(tmp_path, work)


def test_a_half_done_hand_over_is_named_whole_and_no_other_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store failed at its commit: next repeats the scope; another one is refused until all is verified anew."""

    async def work(platform: Platform) -> None:
        await platform.give("run")

        async def fail(*arguments: Any, **options: Any) -> Any:
            raise BackendUnavailableError("away")

        with monkeypatch.context() as patch:
            patch.setattr("bifrost_store.migration.handover.Coordinator.hand_over", fail)
            with pytest.raises(BackendUnavailableError):
                await platform.give("cutover --scope acme")
        status = await platform.operator().status()
        again = spelled(status.next_steps)
        assert "bifrost-store migrate cutover --scope acme" == again
        for other in ("cutover", "cutover --scope GLOBAL"):
            with pytest.raises(MigrationRefusedError, match="cutover of acme was begun") as refused:
                await platform.give(other)
            assert status.next_steps == refused.value.next_steps
        await platform.give(again)
        await platform.give("verify")
        await platform.give("cutover")
        assert "cosmos" == await platform.serve()

    on_a_platform(tmp_path, work)


def test_what_was_refused_is_not_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has moved, so anything may be asked for."""

    async def work(platform: Platform) -> None:
        await platform.give("run")

        async def refuse(*arguments: Any, **options: Any) -> Any:
            raise MigrationRefusedError("processes do not take part", next_steps=(NextStep("stop them"),))

        with monkeypatch.context() as patch:
            patch.setattr("bifrost_store.migration.handover.Coordinator.hand_over", refuse)
            with pytest.raises(MigrationRefusedError):
                await platform.give("cutover --scope acme")
        await platform.give("cutover")
        assert "cosmos" == await platform.serve()

    on_a_platform(tmp_path, work)


def test_a_dead_primary_names_the_way_back(tmp_path: Path) -> None:
    """A plain rollback cannot be: it says what can."""

    async def work(world: World) -> None:
        platform = Platform(world, tmp_path)
        await platform.begin()
        await platform.give("run")
        await platform.give("cutover")
        reach = {name: Reach(store, name) for name, store in world.stores.items()}
        reach["cosmos"].is_away = True
        stores = {name: cast(Backend, one) for name, one in reach.items()}
        operator = Migration(stores, source="table", target="cosmos", specs=SPECS, folder=tmp_path)
        plan = await operator.plan(Step.ROLLBACK)
        assert ((forced(Step.ROLLBACK),), False) == (plan.next_steps, plan.ok)
        with pytest.raises(MigrationRefusedError, match="cosmos does not answer"):
            await operator.rollback()
        assert Phase.ROLLED_BACK is (await operator.rollback(force=True)).phase

    in_world(work)


@pytest.mark.parametrize("state", [Asked(step=Step.ROLLBACK, scopes=("acme", "GLOBAL")), Asked(step=Step.CUTOVER)])
def test_what_was_asked_is_said_as_a_command(state: Asked) -> None:
    """Words that a shell takes as they are."""
    whole = MigrationState(migration_id="m", source="table", target="cosmos", phase=Phase.CUT_OVER, changed_at=NOW, asked=state)

    said = shlex.split(spelled(whole.next_steps))

    assert ["bifrost-store", "migrate", state.step.value] == said[:3]
    assert [word for scope in state.scopes for word in ("--scope", scope)] == said[3:]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"drop_expired": True, "request_units": 400.0, "reports": None}, "--drop-expired --request-units 400.0"),
        ({"scope": ["a", "b"], "force": False, "yes": True}, "--scope a --scope b --yes"),
        ({"repair": True, "reports": Path("a b")}, "--repair --reports 'a b'"),
    ],
)
def test_again_is_what_was_given(given: dict[str, Any], words: str) -> None:
    """Whatever ends a step, what is to be given again has its options, for a shell to take as they are."""
    with pytest.raises(typer.Exit), failed("backfill", words_of(**given)):
        raise BackendUnavailableError("away")
    assert shlex.split(words) == list(words_of(**given))


def test_an_interrupted_verification_says_that_it_begins_anew() -> None:
    """It must be of one piece."""
    with pytest.raises(Interrupted, match="a verification starts over") as ended, failed("verify"):
        raise KeyboardInterrupt

    assert "bifrost-store migrate verify" == ended.value.next
