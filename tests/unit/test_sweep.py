"""Processes clear the leases of dead ones away, outside of hand-overs too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import utc_now
from bifrost_store.core.operations import Create
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import new_writer
from bifrost_store.documents import SPECS
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.flag import BackendFlag
from bifrost_store.routing.membership.lease_rows import LeaseRow, LeaseRows, LeaseState
from bifrost_store.routing.membership.member import Member
from bifrost_store.routing.timing import Timing
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend
from tests.unit.virtual_time import VirtualLoop

T = TypeVar("T")
TIMING = Timing()
STORES = ("table", "cosmos")


def in_virtual_time(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def serving(loop: VirtualLoop, stores: dict[str, ModelBackend]) -> Member:
    """Return a process that has begun to serve."""
    member = Member(BackendFlag("table"), stores.__getitem__, SPECS, monotonic=loop.time, sleep=asyncio.sleep)
    await member.route_of(GLOBAL)
    return member


async def rows_of(store: ModelBackend) -> list[str]:
    return [row.id async for row in LeaseRows(store).all()]


async def dead(store: ModelBackend) -> LeaseRow:
    """Leave the row of a process behind that was killed."""
    return await LeaseRows(store).create(new_writer(), LeaseState(process="killed"))


def after(seconds: float, looks: Callable[[dict[str, ModelBackend], list[LeaseRow]], Awaitable[T]], *, is_dual: bool) -> T:
    """Return what *looks* finds so many seconds after two processes died in a store where one goes on serving."""

    async def work(loop: VirtualLoop) -> T:
        stores = {name: ModelBackend(clock=utc_now) for name in STORES}
        if is_dual:
            routes = {EVERY_SCOPE: Route(primary="table", secondary="cosmos", epoch=1)}
            for name in STORES:
                assert await ControlCopies(stores).create(Control(migration_id="m", store=name, routes=routes))
        killed = [await dead(stores["table"]), await dead(stores["table"])]
        await stores["table"].write([Create(config("owed"))], attempt=Attempt(1, killed[0].id))
        member = await serving(loop, stores)
        await asyncio.sleep(seconds)
        found = await looks(stores, killed)
        await member.aclose()
        return found

    return in_virtual_time(work)


async def rows_left(stores: dict[str, ModelBackend], killed: list[LeaseRow]) -> list[str]:
    ids = await rows_of(stores["table"])
    return [row.id for row in killed if row.id in ids]


def test_a_first_look_takes_nothing_away() -> None:
    """It shows that a row is there; that nobody renews it only the next can show."""
    assert 2 == len(after(TIMING.sweep + TIMING.watch, rows_left, is_dual=False))


def test_rows_of_the_dead_are_cleared_away_by_whoever_serves() -> None:
    """They are gone after the second look, and nothing of them is left."""
    assert [] == after(2 * TIMING.sweep + TIMING.watch, rows_left, is_dual=False)


def test_nothing_is_owed_where_there_is_no_secondary() -> None:
    """Before a migration a row is all that was left."""

    async def look(stores: dict[str, ModelBackend], killed: list[LeaseRow]) -> int:
        return await Journal(stores["table"]).count()

    assert 0 == after(3 * TIMING.sweep, look, is_dual=False)


def test_the_secondary_hears_of_what_the_dead_wrote_last() -> None:
    """A process that was killed between the primary and the secondary: the others find and pay what it owed."""

    async def look(stores: dict[str, ModelBackend], killed: list[LeaseRow]) -> tuple[object, int]:
        found = await stores["cosmos"].stored(config("owed").key)
        return found and found.body, await Journal(stores["table"]).count()

    assert (config("owed").body, 0) == after(3 * TIMING.sweep, look, is_dual=True)
