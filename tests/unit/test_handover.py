"""Hand-overs against the documents: processes that answer, freeze and die, coordinators that die and meet each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import utc_now
from bifrost_store.core.operations import Create
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import new_writer
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, MigrationRefusedError
from bifrost_store.migration.handover import Coordinator
from bifrost_store.migration.starting import start
from bifrost_store.migration.takeover import take_over
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.control import EVERY_SCOPE, Control, Move, Route, Target
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.membership.lease_rows import LeaseRow, LeaseRows, LeaseState
from bifrost_store.routing.timing import Timing
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend

pytestmark = pytest.mark.anyio
DUAL, TURNED, ALONE = Target(primary="a", secondary="b"), Target(primary="b", secondary="a"), Target(primary="a")
TIMING = Timing()


@dataclass
class Process:
    """Keeps its lease in one store, and does what the documents ask for, until it freezes.

    Attributes:
        is_frozen: Does nothing any more.
        drains: Acknowledges what is prepared.
    """

    rows: LeaseRows
    copies: ControlCopies
    store: str
    row: LeaseRow
    is_frozen: bool = False
    drains: bool = True
    renewed_at: float = 0.0
    attempts: list[str] = field(default_factory=list)

    async def turn(self, now: float) -> None:
        """Renew where it is time, and react to the control document."""
        if self.is_frozen:
            return
        copy = await self.copies.read(self.store)
        move = None if copy is None else copy.control.move
        state = self.row.state
        if move is not None and state.heard != move.attempt and now - self.renewed_at >= TIMING.renew:
            state = state.model_copy(update={"heard": move.attempt})
        is_asked = move is not None and move.stage == "prepared" and state.heard == move.attempt != state.acknowledged
        if move is not None and is_asked and self.drains:
            state = state.model_copy(update={"acknowledged": move.attempt})
            self.attempts.append(move.attempt)
        if state != self.row.state or now - self.renewed_at >= TIMING.renew:
            self.renewed_at = now
            written = await self.rows.change(self.row, state.model_copy(update={"beat": state.beat + 1}))
            if written is None:
                self.is_frozen = True
            else:
                self.row = written


class World:
    """Two stores, a clock that only sleeping moves, and processes that take their turn then."""

    def __init__(self) -> None:
        self.stores = {name: ModelBackend(clock=utc_now) for name in ("a", "b")}
        self.copies = ControlCopies(self.stores)
        self.now = 0.0
        self.processes: list[Process] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.on_sleep: Callable[[], Any] | None = None

    def coordinator(self) -> Coordinator:
        return Coordinator(
            self.copies,
            self.stores,
            SPECS,
            monotonic=lambda: self.now,
            sleep=self.sleep,
            report=lambda event, fields: self.events.append((event, dict(fields))),
        )

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.on_sleep is not None:
            await self.on_sleep()
        for process in self.processes:
            await process.turn(self.now)
        await anyio.lowlevel.checkpoint()

    async def join(self, store: str = "a", **state: Any) -> Process:
        rows = LeaseRows(self.stores[store])
        row = await rows.create(new_writer(), LeaseState(process=f"process {len(self.processes)}", **state))
        process = Process(rows, self.copies, store, row, renewed_at=self.now)
        self.processes.append(process)
        return process

    async def control(self, store: str = "a") -> Control:
        copy = await self.copies.read(store)
        assert copy is not None
        return copy.control

    async def begin(self, route: Target = DUAL, epoch: int = 1) -> None:
        """Put both documents there as they are after a hand-over."""
        for name in self.stores:
            made = Route(primary=route.primary, secondary=route.secondary, epoch=epoch)
            assert await self.copies.create(Control(migration_id="m", store=name, routes={EVERY_SCOPE: made}))


@pytest.fixture
def world() -> World:
    return World()


async def routes(world: World) -> list[tuple[str, str | None, int]]:
    found = [(await world.control(name)).route(EVERY_SCOPE) for name in world.stores]
    return [(route.primary, route.secondary, route.epoch) for route in found]


async def test_starting_makes_both_documents_and_turns_dual_writes_on(world: World) -> None:
    """Without anybody there it takes no time; given again it changes nothing."""
    first = await start(world.coordinator(), source="a", target="b", migration_id="m")
    again = await start(world.coordinator(), source="a", target="b", migration_id="m")

    assert [("a", "b", 1)] * 2 == await routes(world)
    assert (1, 1, 0) == (first.epoch, first.attempts, again.attempts)


async def test_every_process_is_heard_and_drained_before_the_commit(world: World) -> None:
    """Each acknowledges the very attempt that is committed."""
    await world.begin()
    processes = [await world.join() for _ in range(3)]
    report = await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)

    assert [("b", "a", 2)] * 2 == await routes(world)
    assert [1, 1, 1] == [len(process.attempts) for process in processes]
    assert 1 == len({process.attempts[0] for process in processes})
    assert report.paused_seconds < TIMING.wait
    assert world.now <= TIMING.renew + 1


async def test_a_silent_process_is_revoked_and_its_last_writes_are_compared(world: World) -> None:
    """It wrote the primary and died: the other store has the record before it becomes primary."""
    await world.begin()
    process = await world.join()
    (written,) = await world.stores["a"].write([Create(config("orphan"))], attempt=Attempt(1, process.row.id))
    assert isinstance(written, Record)
    process.is_frozen = True
    report = await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)

    carried = await world.stores["b"].stored(written.key)
    assert carried is not None
    assert written.version == carried.version
    assert ["process 0"] == report.revoked
    assert 0 == await Journal(world.stores["a"]).count()
    assert world.now >= TIMING.watch


async def test_a_process_that_does_not_drain_costs_one_wait(world: World) -> None:
    """Prepared is called off in time; then it freezes, is revoked, and the hand-over goes on under another attempt."""
    await world.begin()
    process = await world.join()
    process.drains = False
    others = await world.join()

    async def freeze_after_the_first_try() -> None:
        if any(event == "handover.called_off" for event, _ in world.events):
            process.is_frozen = True

    world.on_sleep = freeze_after_the_first_try
    report = await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)

    assert 2 <= report.attempts <= 4
    assert ["process 0"] == report.revoked
    assert len(others.attempts) == len(set(others.attempts)) >= 2
    assert [("b", "a", 2)] * 2 == await routes(world)


async def test_processes_that_never_come_to_rest_refuse_it(world: World) -> None:
    """In the end it says so, and nothing has moved."""
    await world.begin()
    (await world.join()).drains = False

    with pytest.raises(MigrationRefusedError, match="called off"):
        await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)
    assert [("a", "b", 1)] * 2 == await routes(world)
    assert (await world.control()).move is None


async def test_the_journal_is_repaired_first(world: World) -> None:
    """What a dual write could not apply is there before the other store answers."""
    await world.begin()
    written = await world.stores["a"].create(config("owed"), epoch=1)
    await Journal(world.stores["a"]).note([written.key], "test")
    report = await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)

    assert 1 == report.repaired
    assert await world.stores["b"].stored(written.key) is not None


async def test_an_entry_that_cannot_be_repaired_refuses_and_withdraws(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other store takes no writes: no hand-over, no announcement left behind, the debt still there."""
    await world.begin()
    written = await world.stores["a"].create(config("owed"), epoch=1)
    await Journal(world.stores["a"]).note([written.key], "test")

    async def refuse(*arguments: object, **options: object) -> bool:
        raise BackendUnavailableError("away")

    monkeypatch.setattr(world.stores["b"], "apply", refuse)
    with pytest.raises(MigrationRefusedError, match="journal of a still names 1") as refused:
        await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)
    assert refused.value.next_steps
    assert (await world.control()).move is None
    assert 1 == await Journal(world.stores["a"]).count()


@pytest.mark.parametrize("stage", ["announced", "prepared"])
async def test_whoever_comes_carries_on(world: World, stage: Any) -> None:
    """A coordinator was killed at either stage: the next one, asked for the same, ends it under the same attempt."""
    await world.begin()
    process = await world.join(heard="x" if stage == "prepared" else None)
    copy = await world.copies.read("a")
    assert copy is not None
    move = Move(attempt="x", kind="cutover", keys=(EVERY_SCOPE,), target=TURNED, stage=stage)
    assert await world.copies.change(copy, copy.control.model_copy(update={"move": move}))
    report = await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)

    assert ["x"] == process.attempts
    assert 1 == report.attempts
    assert [("b", "a", 2)] * 2 == await routes(world)


async def test_another_announcement_is_withdrawn_when_nobody_carries_it_on(world: World) -> None:
    """The operator of the other phase is gone: nobody is trapped."""
    await world.begin()
    copy = await world.copies.read("a")
    assert copy is not None
    move = Move(attempt="x", kind="cutover", keys=(EVERY_SCOPE,), target=TURNED)
    assert await world.copies.change(copy, copy.control.model_copy(update={"move": move}))
    await world.coordinator().hand_over("abandon", (EVERY_SCOPE,), ALONE)

    assert [("a", None, 2)] * 2 == await routes(world)
    assert world.now >= TIMING.withdraw


async def test_two_coordinators_at_once_make_one_hand_over(world: World) -> None:
    """Both report the one epoch."""
    await world.begin()
    await world.join()
    epochs: list[int] = []

    async def go() -> None:
        epochs.append((await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)).epoch)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        tasks.start_soon(go)

    assert [2, 2] == epochs
    assert [("b", "a", 2)] * 2 == await routes(world)


async def test_two_coordinators_that_want_different_things(world: World) -> None:
    """One of them wins, and the other is told that the scopes have moved."""
    await world.begin()
    await world.join()
    outcomes: list[str] = []

    async def go(kind: Any, target: Target) -> None:
        try:
            await world.coordinator().hand_over(kind, (EVERY_SCOPE,), target)
            outcomes.append("done")
        except MigrationRefusedError:
            outcomes.append("refused")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go, "cutover", TURNED)
        tasks.start_soon(go, "abandon", ALONE)

    assert ["done", "refused"] == sorted(outcomes)
    assert (await world.control()).move is None


async def test_one_scope_moves_and_is_folded_when_the_others_follow(world: World) -> None:
    """A key of its own exists as long as its route differs."""
    await world.begin()
    await world.coordinator().hand_over("cutover", ("org-acme",), TURNED)
    assert {EVERY_SCOPE, "org-acme"} == (await world.control()).routes.keys()
    await world.coordinator().hand_over("cutover", (EVERY_SCOPE,), TURNED)

    assert {EVERY_SCOPE} == (await world.control("b")).routes.keys()
    assert "b" == (await world.control()).route_of(GLOBAL).primary


async def test_finishing_wants_the_flags_to_agree(world: World) -> None:
    """A live process whose flag still names the old store would go there alone."""
    await world.begin(TURNED, epoch=2)
    await world.join("b", flag="a")

    with pytest.raises(MigrationRefusedError, match=r"flag .* process 0 \(a\)"):
        await world.coordinator().hand_over("finish", (EVERY_SCOPE,), Target(primary="b"))
    assert (await world.control("b")).move is None
    assert not (await world.control("b")).finished


async def test_giving_up_needs_no_second_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other copy is raised when its store is back."""
    await world.begin()

    async def away(*arguments: object, **options: object) -> None:
        raise BackendUnavailableError("away")

    with monkeypatch.context() as gone:
        gone.setattr(world.stores["b"], "get", away)
        await world.coordinator().hand_over("abandon", (EVERY_SCOPE,), ALONE)
    await world.copies.look()

    assert [("a", None, 2)] * 2 == await routes(world)


async def test_a_target_that_holds_something_is_not_started_into(world: World) -> None:
    """Nothing is written there, not even the control document."""
    await world.stores["b"].create(config("foreign"))

    with pytest.raises(MigrationRefusedError, match="holds records already"):
        await start(world.coordinator(), source="a", target="b", migration_id="m")
    assert [None, None] == [await world.copies.read(name) for name in world.stores]


async def test_a_process_whose_flag_names_the_target_is_waited_for(world: World) -> None:
    """It has read the target's copy, or is revoked, before the source's is made."""
    process = await world.join("b", flag="b")
    await start(world.coordinator(), source="a", target="b", migration_id="m")

    assert process.row.state.beat >= 3
    assert any(event == "start.processes_in_target" for event, _ in world.events)


async def test_the_successor_answers_when_the_primary_is_dead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full watch, two epochs later; when the dead store is back its copy is raised, and nothing is done twice."""
    await world.begin()

    async def away(*arguments: object, **options: object) -> None:
        raise BackendUnavailableError("away")

    with monkeypatch.context() as dead:
        dead.setattr(world.stores["a"], "get", away)
        report = await take_over(world.copies, dead="a", successor="b", sleep=world.sleep)
        again = await take_over(world.copies, dead="a", successor="b", sleep=world.sleep)
    await world.copies.look()

    assert ((EVERY_SCOPE,), 3, ()) == (report.keys, report.epoch, again.keys)
    assert [("b", "a", 3)] * 2 == await routes(world)
    assert TIMING.watch == world.now


async def test_a_store_that_answers_is_not_taken_over(world: World) -> None:
    """The operator was mistaken: nothing changes."""
    await world.begin()

    with pytest.raises(MigrationRefusedError, match="answers after all"):
        await take_over(world.copies, dead="a", successor="b", sleep=world.sleep)
    assert [("a", "b", 1)] * 2 == await routes(world)
