"""How many calls of the waist follow one another where a call is about many records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import pytest
from anyio.lowlevel import checkpoint

from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS, UserType
from bifrost_store.repositories.users import UserRepository
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import membership, user
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.checked import CheckedBackend
from tests.steps import Steps

A = TypeVar("A")
pytestmark = pytest.mark.anyio
SAM = "sam@x.com"
ORGANIZATIONS = [f"o-{number}" for number in range(5)]


class SteppingBackend(ModelBackend):
    """Counts the longest chain of calls of which each began after the one before had been answered."""

    steps: Steps | None = None
    answered = 0

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        return await self._step(lambda: super(SteppingBackend, self).get(key, fallback=fallback))

    async def query(self, query: Query) -> Page[Record]:
        return await self._step(lambda: super(SteppingBackend, self).query(query))

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        return await self._step(lambda: super(SteppingBackend, self).write(operations, attempt=attempt))

    @contextmanager
    def counting(self) -> Iterator[Steps]:
        """Count what is called inside the block."""
        self.steps, self.answered = Steps(), 0
        yield self.steps

    async def _step(self, call: Callable[[], Awaitable[A]]) -> A:
        number = self.answered + 1
        await checkpoint()
        answer = await call()
        self.answered = max(self.answered, number)
        if self.steps is not None:
            self.steps.count, self.steps.requests = max(self.steps.count, number), self.steps.requests + 1
        return answer


class World:
    """A user of five organizations, and a store that counts."""

    def __init__(self) -> None:
        clock = SettableClock()
        self.backend = SteppingBackend(clock=clock)
        self.users = UserRepository(CheckedBackend(self.backend, SPECS), clock=clock)

    async def fill(self) -> None:
        await self.users.create(SAM, organization_id=ORGANIZATIONS[0])
        for organization in ORGANIZATIONS[1:]:
            await self.users.assign(SAM, organization, created_by="ada")
        await self.users.create("admin@x.com", user_type=UserType.PLATFORM)
        emails = [f"{number}@x.com" for number in range(250)]
        await create_all(self.backend, [user(email) for email in emails])
        await create_all(self.backend, [membership(email, scope=Scope.organization("many")) for email in emails])


Call = Callable[[World], Awaitable[object]]
STEPS: dict[str, tuple[Call, int]] = {
    "delete a user of five organizations": (lambda w: w.users.delete(SAM), 3),
    "promote one": (lambda w: w.users.promote(SAM), 4),
    "rename one": (lambda w: w.users.rename(SAM, "new@x.com"), 6),
    "unassign one from the organization that is shown": (lambda w: w.users.unassign(SAM, ORGANIZATIONS[0]), 4),
    "the users of an organization of 250": (lambda w: w.users.list_organization("many"), 2),
    "its members": (lambda w: w.users.members("many"), 2),
}


@pytest.mark.parametrize("name", STEPS)
async def test_what_is_done_to_many_is_done_side_by_side(name: str) -> None:
    """A call waits no longer for many records than for some; eight are under way at a time."""
    call, most = STEPS[name]
    world = World()
    await world.fill()
    with world.backend.counting() as steps:
        await call(world)

    assert 0 < steps.count <= most
