"""Routes and phases under chaos: whatever is killed, frozen or cut off when, no acknowledged write is lost and the stores agree."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import utc_now
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, MigrationRefusedError, StoreError
from bifrost_store.migration.handover import Coordinator
from bifrost_store.migration.starting import start
from bifrost_store.mirroring.reconcile import is_same, reconcile
from bifrost_store.routing.control import EVERY_SCOPE, MoveKind, Target
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.routing.membership.member import Member
from bifrost_store.routing.router import RoutedBackend
from bifrost_store.routing.timing import Timing
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend
from tests.thorough import examples
from tests.unit.virtual_time import VirtualLoop

STORES = ("table", "cosmos")
TIMING = Timing()
KEYS = 2
MOVES: dict[MoveKind, Target] = {
    "cutover": Target(primary="cosmos", secondary="table"),
    "rollback": Target(primary="table", secondary="cosmos"),
}


class Gate:
    """Stops whoever wants to pass while it is closed: a process that is frozen, or, for ever, one that was killed."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def passing(self) -> None:
        while not self._open.is_set():
            await self._open.wait()


class Reach:
    """A store as one process reaches it: each call takes a while on both ways, and stops where its process does."""

    layout = None

    def __init__(self, world: World, name: str, gate: Gate) -> None:
        self._world = world
        self._store = world.stores[name]
        self._gate = gate
        self.name = name

    def __getattr__(self, method: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            await self._travel()
            self._check()
            try:
                return await getattr(self._store, method)(*arguments, **options)
            finally:
                await self._travel()

        return call

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[Any]:
        async for page in self._store.scan(resume_token):
            await self._travel()
            self._check()
            yield page

    async def _travel(self) -> None:
        await self._gate.passing()
        await asyncio.sleep(self._world.random.uniform(0.001, 0.03))
        await self._gate.passing()

    def _check(self) -> None:
        if self.name in self._world.down:
            raise BackendUnavailableError(f"{self.name} is away")


@dataclass
class Known:
    """What may be at a key: what was acknowledged last, and what was tried since with an outcome nobody knows."""

    certain: str | None = None
    possible: set[str | None] = field(default_factory=set)

    def allows(self, value: str | None) -> bool:
        return value == self.certain or value in self.possible


class Process:
    """Serves, and writes keys of its own one after the other."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.gate = Gate()
        self.is_alive = True
        reach = {name: cast(Backend, Reach(world, name, self.gate)) for name in STORES}
        self.backend = RoutedBackend(
            BackendFlag("table"), ["table"], reach.__getitem__, lambda name: cast(BlobStore, None), SPECS, timing=TIMING
        )
        self.backend.member = Member(BackendFlag("table"), reach.__getitem__, SPECS, timing=TIMING, monotonic=world.loop.time)
        self.keys = [f"p{number}k{key}" for key in range(KEYS)]
        self.wrong: list[str] = []
        self.acknowledged = 0
        self._is_stopping = False
        self.task = world.loop.create_task(self._work())

    def stop(self) -> None:
        self._is_stopping = True

    async def _work(self) -> None:
        count = 0
        while not self._is_stopping:
            await asyncio.sleep(self.world.random.uniform(0.05, 0.6))
            await self.gate.passing()
            count += 1
            await self._write(self.world.random.choice(self.keys), f"{count}")

    async def _write(self, key: str, value: str) -> None:
        known = self.world.known.setdefault(key, Known())
        wanted: str | None = value
        try:
            found = await self.backend.get(config(key).key)
            if not known.allows(_value(found)):
                self.wrong.append(f"{key}: read {_value(found)!r}, known {known}")
            if found is None:
                known.possible.add(wanted)
                await self.backend.create(config(key).with_body({**config(key).body, "value": value}))
            elif self.world.random.random() < 0.3:
                wanted = None
                known.possible.add(wanted)
                await self.backend.delete(found.key, expected=found.etag)
            else:
                known.possible.add(wanted)
                await self.backend.replace(found.with_body({**found.body, "value": value}), found.etag)
        except StoreError:
            return
        known.certain, known.possible = wanted, set()
        self.acknowledged += 1


class World:
    """Two stores, processes, coordinators, and time that passes when it is told to."""

    def __init__(self, seed: int) -> None:
        self.loop = VirtualLoop()
        self.random = random.Random(seed)
        self.stores = {name: ModelBackend(clock=utc_now) for name in STORES}
        self.down: set[str] = set()
        self.known: dict[str, Known] = {}
        self.processes: list[Process] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.coordinator_gate = Gate()
        self.coordinating: asyncio.Task[Any] | None = None

    def run(self, work: Coroutine[Any, Any, Any], limit: float = 1000.0) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, limit))

    def coordinator(self, gate: Gate) -> Coordinator:
        stores = {name: cast(Backend, Reach(self, name, gate)) for name in STORES}
        return Coordinator(ControlCopies(stores), stores, SPECS, monotonic=self.loop.time, timing=TIMING)

    def coordinate(self, work: Awaitable[Any]) -> None:
        async def go() -> None:
            try:
                await work
            except (StoreError, MigrationRefusedError) as error:
                note(f"coordinator: {error}")

        self.coordinating = self.loop.create_task(go())
        self.tasks.append(self.coordinating)

    async def primary(self) -> str:
        controls = (await ControlCopies(cast(Any, self.stores)).look()).values()
        return max((copy.control for copy in controls), key=lambda one: one.highest_epoch).route(EVERY_SCOPE).primary


def _value(record: Record | None) -> str | None:
    return None if record is None else str(record.body["value"])


class HandOverMachine(RuleBasedStateMachine):
    """Drives the world; what must survive is checked at each read of a process, and everything at the end."""

    world: World

    @initialize(seed=st.integers(0, 2**32), count=st.integers(1, 3))
    def begin(self, seed: int, count: int) -> None:
        world = self.world = World(seed)
        asyncio.set_event_loop(world.loop)
        world.run(_provision(world))
        world.processes = [Process(world, number) for number in range(count)]
        world.run(asyncio.sleep(1))
        world.run(start(world.coordinator(Gate()), source="table", target="cosmos", migration_id="m"))
        world.run(_backfill(world))

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0, 11.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(asyncio.sleep(seconds))

    @precondition(lambda self: self.world.coordinating is None or self.world.coordinating.done())
    @rule(kind=st.sampled_from(["cutover", "rollback"]))
    def hand_over(self, kind: MoveKind) -> None:
        self.world.coordinator_gate = Gate()
        self.world.coordinate(self.world.coordinator(self.world.coordinator_gate).hand_over(kind, (EVERY_SCOPE,), MOVES[kind]))

    @precondition(lambda self: self.world.coordinating is not None and not self.world.coordinating.done())
    @rule()
    def the_coordinator_is_killed(self) -> None:
        self.world.coordinator_gate.close()
        self.world.coordinating = None

    @rule(choice=st.integers(0, 2), is_killed=st.booleans())
    def a_process_stops(self, choice: int, is_killed: bool) -> None:
        process = self.world.processes[choice % len(self.world.processes)]
        process.gate.close()
        process.is_alive = process.is_alive and not is_killed

    @rule()
    def everybody_goes_on(self) -> None:
        for process in self.world.processes:
            if process.is_alive:
                process.gate.open()

    @precondition(lambda self: len(self.world.processes) < 5)
    @rule()
    def a_process_is_opened(self) -> None:
        self.world.processes.append(Process(self.world, len(self.world.processes)))

    @rule(store=st.sampled_from(STORES), is_away=st.booleans())
    def a_store_goes_or_comes(self, store: str, is_away: bool) -> None:
        (self.world.down.add if is_away else self.world.down.discard)(store)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            world.down.clear()
            self.everybody_goes_on()
            world.coordinator_gate.close()
            for process in world.processes:
                process.stop()
            world.run(asyncio.sleep(30))
            assert [] == [line for process in world.processes for line in process.wrong]
            world.run(_settle(world))
            world.run(_check(world))
        finally:
            asyncio.set_event_loop(None)
            for task in asyncio.all_tasks(world.loop):
                task.cancel()
            world.loop.run_until_complete(asyncio.sleep(0.1))
            world.loop.close()


async def _provision(world: World) -> None:
    for store in world.stores.values():
        await store.provision()


async def _backfill(world: World) -> None:
    """Carry over what was written before dual writes began."""
    for key in world.known:
        await reconcile(world.stores["table"], world.stores["cosmos"], config(key).key, clock=utc_now)


async def _settle(world: World) -> None:
    """Hand over once more: whatever was left half done is completed, and the journal paid."""
    kind: MoveKind = "rollback" if await world.primary() == "cosmos" else "cutover"
    await world.coordinator(Gate()).hand_over(kind, (EVERY_SCOPE,), MOVES[kind])


async def _check(world: World) -> None:
    primary = await world.primary()
    secondary = "table" if primary == "cosmos" else "cosmos"
    for key, known in world.known.items():
        name = config(key).key
        first, second = await world.stores[primary].stored(name), await world.stores[secondary].stored(name)
        value = _value(await world.stores[primary].get(name))
        assert known.allows(value), f"{key}: {primary} holds {value!r}, but {known}"
        assert is_same(first, second, clock=utc_now), f"{key}: {primary} {first}, {secondary} {second}"


@pytest.mark.long
def test_nothing_acknowledged_is_lost() -> None:
    """Whatever happens, in whatever order."""
    run_state_machine_as_test(
        HandOverMachine,
        settings=settings(examples(25), stateful_step_count=20, print_blob=True),
    )
