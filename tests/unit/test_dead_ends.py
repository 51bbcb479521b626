"""A migration always has a way out: whatever befalls a store between two steps, it is named, and what is named leads on."""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, cast

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.commands import spelled
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.errors import MigrationRefusedError, StoreError
from bifrost_store.migration.outcome import PhaseReport
from bifrost_store.migration.phases import Migration
from bifrost_store.migration.state import Phase, Step, forced, repairing
from bifrost_store.routing.copies import STATE_KEY
from bifrost_store.testing.examples import config, organization
from bifrost_store.testing.model import ModelBackend
from tests.unit.member_world import ACME, Process, World, in_world
from tests.unit.replaced import FATES, FOREIGN_RECORD, Fate, befall

PATHS: Final[dict[str, tuple[str, ...]]] = {
    "none": (),
    "started": ("start",),
    "backfilled": ("start", "backfill"),
    "verified": ("run",),
    "cut over": ("run", "cutover"),
    "rolled back": ("run", "cutover", "rollback"),
    "abandoned": ("run", "abandon"),
    "cut over, one scope": ("run", "cutover --scope acme"),
}
COMMANDS: Final = ("start", "backfill", "verify", "verify --repair", "run", "cutover", "rollback", "abandon", "finish --force")
LONGEST_WAY: Final = 8


class Platform:
    """Both stores, an operator, and what callers were told is stored."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.names: list[str] = []

    async def begin(self) -> None:
        await self.world.stores["table"].create(organization("acme"))
        for number in range(3):
            await self.world.stores["table"].create(config(f"old-{number}", scope=ACME))
            self.names.append(f"old-{number}")

    def operator(self) -> Migration:
        stores = {name: cast(Backend, store) for name, store in self.world.stores.items()}
        return Migration(stores, source="table", target="cosmos", specs=SPECS, folder=self.folder)

    async def give(self, command: str) -> PhaseReport:
        """Give one command as the command line would: its plan first."""
        step, *words = shlex.split(command.removeprefix("bifrost-store migrate "))
        scopes = [Scope.from_partition_key(word) for before, word in itertools.pairwise(words) if before == "--scope"]
        force, repair = "--force" in words, "--repair" in words
        operator = self.operator()
        calls: dict[str, Callable[[], Coroutine[Any, Any, PhaseReport]]] = {
            "start": operator.start,
            "backfill": operator.backfill,
            "verify": lambda: operator.verify(repair=repair),
            "run": operator.run,
            "cutover": lambda: operator.cutover(scopes, force=force),
            "rollback": lambda: operator.rollback(scopes, force=force),
            "abandon": operator.abandon,
            "finish": lambda: operator.finish(force=force),
        }
        plan = await self.operator().plan(Step(step), scopes, force=force, repair=repair, may_write=True)
        if plan.obstacles and step not in ("start", "run"):
            raise MigrationRefusedError("the plan is refused", reasons=plan.obstacles, next_steps=plan.next_steps)
        return await calls[step]()

    async def serve(self, flag: str = "table") -> str:
        """Let a fresh process read everything that was acknowledged, and write one more; return who answers."""
        process = Process(self.world, flag)
        name = f"new-{len(self.names)}"
        async with process.member.operation(ACME) as [standing]:
            for known in self.names:
                assert await standing.backend.get(config(known, scope=ACME).key) is not None, f"{known} is lost"
            await standing.backend.create(config(name, scope=ACME), epoch=standing.route.epoch)
        self.names.append(name)
        await process.member.aclose()
        return standing.route.primary

    async def find_the_way(self) -> list[str]:
        """Do what is named as next until nothing is wrong any more; return what was done."""
        done: list[str] = []
        while not (status := await self.operator().status()).ok:
            assert len(done) < LONGEST_WAY, done
            told = spelled(status.next_steps)
            done.append(told)
            if told.startswith("bifrost-store migrate"):
                try:
                    await self.give(told)
                    continue
                except MigrationRefusedError as error:
                    done[-1] += f" -> {spelled(error.next_steps)}"
            if any(words in done[-1] for words in ("let the settings of", "database or account for cosmos")):
                self.world.stores["cosmos"] = ModelBackend(clock=utc_now)
        return done


def on_a_platform(folder: Path, work: Callable[[Platform], Coroutine[Any, Any, None]]) -> None:
    async def go(world: World) -> None:
        platform = Platform(world, folder)
        await platform.begin()
        await work(platform)

    in_world(go)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("store", "fate"), [*itertools.product(["cosmos"], FATES), ("table", "document lost"), ("table", "document damaged")]
)
def test_status_names_what_a_store_lacks_and_its_next_leads_on(tmp_path: Path, path: str, fate: Fate, store: str) -> None:
    """It exits with 1 and says which; at the end of the way processes serve all that was acknowledged."""

    async def work(platform: Platform) -> None:
        for command in PATHS[path]:
            await platform.give(command)
        await platform.serve()
        await befall(fate, platform.world.stores[store], store)
        status = await platform.operator().status()
        is_needed = path not in ("none", "abandoned") or (store == "table" and path == "abandoned") or fate == "foreign"
        assert status.ok is not is_needed, status.stores
        if is_needed:
            assert f"{store} has" in str(status.stores[store].problem)
        await platform.find_the_way()
        await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize("path", [path for path in PATHS if path not in ("none", "abandoned")])
@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_moved_to_a_store_that_lacks_its_copy(tmp_path: Path, path: str, fate: Fate, command: str) -> None:
    """Each command holds afterwards what it says, or is refused with a next step; a foreign store is left as it was."""

    async def work(platform: Platform) -> None:
        for earlier in PATHS[path]:
            await platform.give(earlier)
        before = await platform.serve()
        await befall(fate, platform.world.stores["cosmos"], "cosmos")
        held = dict(platform.world.stores["cosmos"]._records)
        try:
            report = await platform.give(command)
        except MigrationRefusedError as error:
            assert error.next_steps
            assert "cosmos" in str(error) or "cannot be done in phase" in str(error)
        else:
            assert report.ok
            assert command in ("start", "run", "abandon") or before == "cosmos"
        if fate == "foreign":
            assert held == platform.world.stores["cosmos"]._records
        status = await platform.operator().status()
        assert status.control is not None
        if before == "table":
            assert "table" == status.control.route("org-acme").primary
            await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize("path", ["cut over", "cut over, one scope"])
@pytest.mark.parametrize("fate", FATES)
def test_a_forced_rollback_works_whatever_the_other_store_lacks(tmp_path: Path, path: str, fate: Fate) -> None:
    """Every write is in the old primary; with an empty database in its place the migration begins anew, up to a cut-over."""

    async def work(platform: Platform) -> None:
        for command in PATHS[path]:
            await platform.give(command)
        assert "cosmos" == await platform.serve()
        await befall(fate, platform.world.stores["cosmos"], "cosmos")
        with pytest.raises(MigrationRefusedError, match="cosmos has") as refused:
            await platform.give("rollback")
        assert (forced(Step.ROLLBACK),) == refused.value.next_steps
        report = await platform.give("rollback --force")
        assert (True, Phase.ROLLED_BACK) == (report.ok, report.phase)
        assert "table" == await platform.serve()

        platform.world.stores["cosmos"] = ModelBackend(clock=utc_now)
        assert "table" == await platform.serve()
        assert Phase.VERIFIED is (await platform.give("run")).phase
        await platform.give("cutover")
        assert "cosmos" == await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize("fate", [None, *FATES])
def test_a_second_database_after_abandon_gets_its_own_copy(tmp_path: Path, fate: Fate | None) -> None:
    """Run into the first, abandon, run into another: it is no less a target than the first, which counts no more."""

    async def work(platform: Platform) -> None:
        await platform.give("run")
        await platform.give("abandon")
        first = platform.world.stores["cosmos"]
        if fate is None:
            platform.world.stores["cosmos"] = ModelBackend(clock=utc_now)
        else:
            await befall(fate, first, "cosmos")
        if fate == "foreign":
            with pytest.raises(MigrationRefusedError, match="another migration"):
                await platform.give("run")
            assert await first.get(FOREIGN_RECORD.key) is not None
            return
        await platform.give("run")
        await platform.give("cutover")
        assert "cosmos" == await platform.serve()
        if fate is None:
            platform.world.stores["cosmos"] = first
            status = await platform.operator().status()
            assert "another migration" in str(status.stores["cosmos"].problem)
            await platform.give("rollback --force")
            assert "table" == await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize(
    "path", [path for path in PATHS if "run" in PATHS[path] and "cut over" not in path and path != "abandoned"]
)
@pytest.mark.parametrize("fate", FATES)
def test_abandoning_needs_no_target(tmp_path: Path, path: str, fate: Fate) -> None:
    """Whatever it lacks; afterwards nothing is wrong any more but what lies there."""

    async def work(platform: Platform) -> None:
        for command in PATHS[path]:
            await platform.give(command)
        await befall(fate, platform.world.stores["cosmos"], "cosmos")
        assert Phase.ABANDONED is (await platform.give("abandon")).phase
        assert "table" == await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize("fate", ["document lost", "document damaged", "emptied"])
def test_a_source_that_lost_its_copy_after_the_cut_over_is_made_whole(tmp_path: Path, fate: Fate) -> None:
    """Nothing goes back to it before: then it holds everything, and rolling back loses nothing."""

    async def work(platform: Platform) -> None:
        await platform.give("run")
        await platform.give("cutover")
        await platform.serve()
        await befall(fate, platform.world.stores["table"], "table")
        await platform.serve("cosmos")
        for command in ("rollback", "finish"):
            with pytest.raises(MigrationRefusedError):
                await platform.give(command)
        status = await platform.operator().status()
        assert not status.ok
        assert repairing() in status.next_steps
        assert (await platform.give("verify --repair")).ok
        await platform.give("rollback")
        assert "table" == await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize("path", ["verified", "cut over", "rolled back"])
def test_both_documents_are_lost(tmp_path: Path, path: str) -> None:
    """The saved state remembers the epoch: what was written under the last one stays writable."""

    async def work(platform: Platform) -> None:
        for command in PATHS[path]:
            await platform.give(command)
        await platform.serve()
        for store in ("table", "cosmos"):
            await befall("document lost", platform.world.stores[store], store)
        done = await platform.find_the_way()
        assert done
        assert "table" == await platform.serve()

    on_a_platform(tmp_path, work)


@pytest.mark.parametrize("path", ["verified", "cut over", "rolled back"])
def test_a_damaged_state_stops_nothing(tmp_path: Path, path: str) -> None:
    """The documents count; the copy of the state in the target tells the rest."""

    async def work(platform: Platform) -> None:
        for command in PATHS[path]:
            await platform.give(command)
        table = platform.world.stores["table"]
        found = await table.get(STATE_KEY)
        assert found is not None
        await table.replace(found.with_body({"rubbish": 1}), found.etag)
        status = await platform.operator().status()
        assert status.phase.value == path.replace(" ", "-")
        await platform.give("rollback" if path == "cut over" else "abandon")
        assert "table" == await platform.serve()

    on_a_platform(tmp_path, work)


async def _tried(platform: Platform, command: str) -> None:
    try:
        report = await platform.give(command)
    except StoreError as error:
        assert isinstance(error, MigrationRefusedError), f"{command}: {error!r}"
        assert error.next_steps, f"{command}: {error}"
    else:
        note(f"{command}: {report.phase}")


@example(moves=["start", "another database", "abandon", ("document damaged", "table")])
@settings(max_examples=40, deadline=None)
@given(
    moves=st.lists(
        st.one_of(
            st.sampled_from([*COMMANDS[:-1], "rollback --force", "cutover --scope acme", "serve"]),
            st.tuples(st.sampled_from(FATES), st.just("cosmos")),
            st.tuples(st.sampled_from(FATES[2:]), st.just("table")),
            st.just("another database"),
        ),
        min_size=3,
        max_size=10,
    )
)
def test_there_is_a_way_out_of_anything(tmp_path_factory: pytest.TempPathFactory, moves: Sequence[str | tuple[Fate, str]]) -> None:
    """Commands and fates in any order: none but refusals, and what status names leads to a platform that serves everything."""

    async def work(platform: Platform) -> None:
        for move in moves:
            note(str(move))
            if move == "another database":
                platform.world.stores["cosmos"] = ModelBackend(clock=utc_now)
            elif isinstance(move, tuple):
                await befall(move[0], platform.world.stores[move[1]], move[1])
            elif move == "serve":
                with contextlib.suppress(StoreError):
                    await platform.serve()
            else:
                await _tried(platform, move)
        note(f"the way: {await platform.find_the_way()}")
        await platform.serve()

    on_a_platform(tmp_path_factory.mktemp("reports"), work)
