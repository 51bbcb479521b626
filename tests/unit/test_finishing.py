"""The end of a migration while the first store is gone for good, and what happens when it is back after all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, cast

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.commands import spelled
from bifrost_store.errors import BackendError, BackendUnavailableError, ConfigurationError, MigrationRefusedError
from bifrost_store.migration.handover import Coordinator
from bifrost_store.migration.purging import check_purge
from bifrost_store.migration.state import Phase, Step, forced
from bifrost_store.migration.status import lines_of
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend
from tests.unit.member_world import ACME, Process, World, in_world
from tests.unit.replaced import Fate, befall
from tests.unit.ruined import Fault, RuinedStore
from tests.unit.test_dead_ends import Platform

Work = Callable[[Platform], Coroutine[Any, Any, None]]
LOST: Final[tuple[Fault, ...]] = ("gone", "denied", "dropped")


@pytest.fixture
def on_a_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Platform], Coroutine[Any, Any, None]]], None]:
    """Run some work on a platform that is cut over, on the clock of its world."""

    def run(work: Work) -> None:
        async def go(world: World) -> None:
            monkeypatch.setitem(cast(Any, Coordinator.__init__).__kwdefaults__, "monotonic", world.loop.time)
            platform = Platform(world, tmp_path)
            await platform.begin()
            await platform.give("run")
            await platform.give("cutover")
            assert "cosmos" == await platform.serve("cosmos")
            await work(platform)

        in_world(go)

    return run


def lose(platform: Platform, fault: Fault = "gone") -> ModelBackend:
    """Let Table Storage be lost; return it as it was."""
    table = platform.world.stores["table"]
    platform.world.stores["table"] = RuinedStore(table, fault, "table")  # type: ignore[assignment]
    return table


@pytest.mark.parametrize("fault", LOST)
def test_a_platform_without_its_first_store_comes_to_its_end(on_a_platform: Any, fault: Fault) -> None:
    """Refused without `--force`, and named; what is lost is said before and after; then all is well, and stays so."""

    async def work(platform: Platform) -> None:
        lose(platform, fault)
        with pytest.raises((BackendError, MigrationRefusedError)):
            await platform.give("finish")
        plan = await platform.operator().plan(Step.FINISH, force=True)
        report = await platform.give("finish --force")
        for lines in (plan.lines, report.lines):
            text = "\n".join(lines)
            assert "nothing can be rolled back" in text
            assert "cannot be read or compared: the last verification of it began" in text
            assert "payload blobs" in text
        assert (True, Phase.FINISHED, "table") == (report.ok, report.phase, report.details["given_up"])

        status = await platform.operator().status()
        assert (True, Phase.FINISHED) == (status.ok, status.phase)
        assert "nothing needs it now" in "\n".join(lines_of(status)) or fault == "dropped"
        for command in ("finish", "finish --force"):
            assert (await platform.give(command)).ok
        assert "cosmos" == await platform.serve("cosmos")
        with pytest.raises(MigrationRefusedError, match="nothing is purged before"):
            await check_purge([cast(Backend, platform.world.stores["cosmos"])], utc_now())

    on_a_platform(work)


def test_the_error_names_the_way_out(on_a_platform: Any) -> None:
    """Whichever command meets the dead store: what goes on without it is told with the error."""

    async def work(platform: Platform) -> None:
        lose(platform)
        for command in (Step.FINISH, Step.ROLLBACK, Step.VERIFY):
            operator = platform.operator()
            with pytest.raises(BackendUnavailableError):
                await operator.plan(command)
            assert {"table": forced(Step.FINISH)} == operator.ways_without()
        status = await platform.operator().status()
        assert (False, Phase.CUT_OVER) == (status.ok, status.phase)
        assert "see that table answers; if it is gone for good: bifrost-store migrate finish --force" == spelled(status.next_steps)

    on_a_platform(work)


def test_a_dry_run_changes_nothing(on_a_platform: Any) -> None:
    """It says the same, and both stores hold what they held."""

    async def work(platform: Platform) -> None:
        lose(platform)
        held = dict(platform.world.stores["cosmos"]._records)
        plan = await platform.operator().plan(Step.FINISH, force=True)
        assert plan.ok
        assert held == platform.world.stores["cosmos"]._records

    on_a_platform(work)


def test_a_store_that_answers_is_not_given_up(on_a_platform: Any) -> None:
    """`--force` is then for the thirty days only, and both control documents say that it is over."""

    async def work(platform: Platform) -> None:
        report = await platform.give("finish --force")
        assert "given_up" not in report.details
        for name in ("table", "cosmos"):
            copy = await platform.world.copy(name)
            assert (True, "cosmos", None) == (copy.control.finished, *pair(copy.control.route("*")))

    on_a_platform(work)


def test_a_scope_that_the_lost_store_answers_for_goes_first(tmp_path: Path, on_a_platform: Any) -> None:
    """What is named takes it over; then the end can come."""

    async def work(platform: Platform) -> None:
        await platform.give("rollback")
        await platform.give("verify")
        await platform.give("cutover --scope acme")
        lose(platform)
        with pytest.raises(MigrationRefusedError, match="still what answers") as refused:
            await platform.give("finish --force")
        assert forced(Step.CUTOVER, "if it is gone for good") in refused.value.next_steps
        await platform.give("cutover --force")
        await platform.give("finish --force")
        assert "cosmos" == await platform.serve("cosmos")

    on_a_platform(work)


def test_a_live_process_with_another_flag_stands_in_the_way(on_a_platform: Any) -> None:
    """It could not be opened again; the refusal names it."""

    async def work(platform: Platform) -> None:
        process = Process(platform.world, "table")
        await process.answers()
        lose(platform)
        with pytest.raises(MigrationRefusedError, match="the flag of live processes does not say cosmos"):
            await platform.give("finish --force")
        await process.member.aclose()

    on_a_platform(work)


@pytest.mark.parametrize("flag", ["table", "cosmos"])
@pytest.mark.parametrize("fate", [None, "emptied", "foreign", "document lost", "document damaged"])
def test_nothing_is_served_from_a_store_that_is_back(on_a_platform: Any, fate: Fate | None, flag: str) -> None:
    """As it was, emptied, or another's: processes with the old settings go to the other store, or say why they do not begin."""

    async def work(platform: Platform) -> None:
        running = Process(platform.world, "cosmos")
        await running.answers()
        table = lose(platform)
        await asyncio.sleep(100)
        await platform.give("finish --force")
        if fate is not None:
            await befall(fate, table, "table")
        platform.world.stores["table"] = table
        held = {record.key for record in table._records.values() if record.key.scope == ACME}

        is_known = fate in (None, "document lost", "document damaged")
        if flag == "cosmos" or is_known:
            assert "cosmos" == await platform.serve(flag)
        else:
            with pytest.raises(BackendUnavailableError, match=r"given up .* BIFROST_STORE_BACKEND must be cosmos"):
                await platform.serve(flag)
        assert "cosmos" == await running.answers()
        async with running.member.operation(ACME) as [standing]:
            await standing.backend.create(config("by the one that ran", scope=ACME), epoch=standing.route.epoch)
        assert held == {record.key for record in table._records.values() if record.key.scope == ACME}
        if fate is None:
            assert (await platform.world.copy("table")).control.finished
        assert (await platform.operator().status()).ok

    on_a_platform(work)


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_process_that_knows_only_the_old_store_does_not_begin(on_a_platform: Any, is_taken_over: bool) -> None:
    """Its settings say nothing of the other one, which the document there names, however old it is."""

    async def work(platform: Platform) -> None:
        if is_taken_over:
            await platform.give("rollback")
        table = lose(platform)
        if is_taken_over:
            await platform.give("cutover --force")
        await platform.give("finish --force")
        platform.world.stores["table"] = table
        process = Process(platform.world, "table", knows=("table",))
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_COSMOS_"):
            await process.answers()

    on_a_platform(work)


def pair(route: Any) -> tuple[str, str | None]:
    return route.primary, route.secondary
