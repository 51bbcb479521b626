"""Processes that serve from two stores, in virtual time: what they read and write are the real documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from typing import Any, TypeVar, cast

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.routing.control import EVERY_SCOPE, Control, Move, Route, Target
from bifrost_store.routing.copies import ControlCopies, Copy
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.routing.membership.lease_rows import LeaseRow, LeaseRows, LeaseState
from bifrost_store.routing.membership.member import Member
from bifrost_store.routing.timing import Timing
from bifrost_store.testing.model import ModelBackend
from tests.unit.virtual_time import VirtualLoop

T = TypeVar("T")
TIMING = Timing()
ACME = Scope.organization("acme")
DUAL = Route(primary="table", secondary="cosmos", epoch=1)
CUT_OVER = Target(primary="cosmos", secondary="table")


class Reach:
    """A store as a process reaches it, until it is cut off: then each call waits, or fails at once."""

    layout = None

    def __init__(self, store: ModelBackend, name: str) -> None:
        self._store = store
        self.name = name
        self.is_away = False
        self.hangs = False
        self.takes = 0.001

    def __getattr__(self, method: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            await self._pass()
            return await getattr(self._store, method)(*arguments, **options)

        return call

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[Any]:
        await self._pass()
        async for page in self._store.scan(resume_token):
            yield page

    async def _pass(self) -> None:
        await asyncio.sleep(self.takes)
        if self.hangs:
            await asyncio.sleep(10_000)
        if self.is_away:
            raise BackendUnavailableError(f"{self.name} is away", backend=self.name)


class Process:
    """One process, with its own way to both stores."""

    def __init__(self, world: World, flag: str, knows: Collection[str] = ("table", "cosmos")) -> None:
        self.reach = {name: Reach(store, name) for name, store in world.stores.items()}
        self.member = Member(
            BackendFlag(flag),
            lambda name: cast(Backend, self.reach[name]),
            SPECS,
            can_open=lambda name: name in knows,
            monotonic=world.loop.time,
            sleep=asyncio.sleep,
            timing=TIMING,
        )

    async def answers(self, scope: Scope = ACME) -> str:
        """Return which store answers, once it may."""
        return (await self.member.route_of(scope)).primary


class World:
    """Two stores and the loop that all processes share."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.stores = {name: ModelBackend(clock=utc_now) for name in ("table", "cosmos")}
        self.copies = ControlCopies(self.stores)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.loop.time()

    async def process(self, flag: str = "table") -> Process:
        """Return a process that has begun to serve."""
        process = Process(self, flag)
        await process.answers()
        return process

    async def begin(self, route: Route = DUAL) -> None:
        """Put both control documents there."""
        for name in self.stores:
            assert await self.copies.create(Control(migration_id="m", store=name, routes={EVERY_SCOPE: route}))

    async def copy(self, store: str = "table") -> Copy:
        """Return a control document as it is."""
        found = await self.copies.read(store)
        assert found is not None
        return found

    async def change(self, store: str, change: Callable[[Control], Control]) -> None:
        """Write a control document, as a coordinator does."""
        copy = await self.copy(store)
        assert await self.copies.change(copy, change(copy.control))

    async def announce(self, stage: str = "announced", *, keys: tuple[str, ...] = (EVERY_SCOPE,)) -> str:
        """Put a move to Cosmos DB into the document of Table Storage, and return its attempt."""
        attempt = f"attempt {self.now}"
        values = {"attempt": attempt, "kind": "cutover", "keys": keys, "target": CUT_OVER, "stage": stage}
        await self.change("table", lambda control: control.model_copy(update={"move": Move.model_validate(values)}))
        return attempt

    async def commit(self) -> None:
        """Let the move in the document of Table Storage come true, in that document alone."""
        await self.change("table", lambda control: control.committed(control.highest_epoch + 1))

    async def rows(self, store: str = "table") -> list[LeaseRow]:
        """Return the leases of a store."""
        return [row async for row in LeaseRows(self.stores[store]).all()]

    async def until(self, is_so: Callable[[LeaseState], bool]) -> None:
        """Wait until the only process's row in Table Storage says something."""
        async with asyncio.timeout(100):
            while not is_so((await self.row()).state):  # noqa: ASYNC110 - a row tells nobody
                await asyncio.sleep(0.01)

    async def row(self, store: str = "table") -> LeaseRow:
        """Return the only lease of a store."""
        (row,) = await self.rows(store)
        return row


def in_world(work: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    """Run *work* in a world of its own."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work(World(loop)))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
