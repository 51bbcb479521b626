"""How many requests follow one another: that is what whoever waits for a call feels. Those sent at once are one step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from bifrost_store.core.clock import Clock
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.protocols import ExecutionRef, Executions
from bifrost_store.repositories.assembly import Repositories
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import ORGANIZATION, execution
from bifrost_store.testing.harness import Harness, StoreUnderTest
from bifrost_store.testing.repositories import repositories_over
from tests.steps import counting_steps

pytestmark = pytest.mark.anyio


class World:
    """A store with runs in it, two processes that use it, and a row of the old application on Table Storage.

    Attributes:
        all, here: Has made all else, and the runs.
        elsewhere: Has seen none of them.
        run, shared: Of an organization, and of GLOBAL.
    """

    def __init__(self, here: Repositories, elsewhere: Executions) -> None:
        self.all = here
        self.here = here.executions
        self.elsewhere = elsewhere

    async def fill(self) -> None:
        for number in range(2):
            await self.all.users.create(f"user-{number}@x.example")
            for organization in ("a", "b"):
                await self.all.users.assign(f"user-{number}@x.example", organization, created_by="ada")
        self.key = (await self.all.api_keys.create(created_by="ada", workflow_id="w")).key
        assert await self.all.api_keys.validate(self.key, "w")
        self.run = await self.create(ORGANIZATION)
        self.shared = await self.create(GLOBAL)

    async def create(self, scope: Scope) -> Execution:
        return await self.here.create(scope, workflow_name="w", executed_by="kim", executed_by_name="Kim", form_id="f")


Call = Callable[[World], Awaitable[object]]
BUDGETS: dict[str, tuple[Call, dict[str, int]]] = {
    "create": (lambda w: w.create(ORGANIZATION), {"table": 2, "cosmos": 1}),
    "complete, given the model": (
        lambda w: w.here.complete(w.run, ExecutionStatus.SUCCESS, result={"a": 1}),
        {"table": 2, "cosmos": 1},
    ),
    "complete, by id": (
        lambda w: w.here.complete(ExecutionRef(ORGANIZATION, w.run.execution_id), ExecutionStatus.FAILED),
        {"table": 3, "cosmos": 2},
    ),
    "get one that this process has seen": (lambda w: w.here.get(ORGANIZATION, w.run.execution_id), {"table": 1, "cosmos": 1}),
    "get one of GLOBAL that this process has seen": (
        lambda w: w.here.get(ORGANIZATION, w.shared.execution_id),
        {"table": 1, "cosmos": 1},
    ),
    "get one that it has not": (lambda w: w.elsewhere.get(ORGANIZATION, w.run.execution_id), {"table": 1, "cosmos": 1}),
    "get one of GLOBAL that it has not": (
        lambda w: w.elsewhere.get(ORGANIZATION, w.shared.execution_id),
        {"table": 2, "cosmos": 1},
    ),
    "get one by an id that tells no time": (lambda w: w.elsewhere.get(ORGANIZATION, "e-0"), {"table": 2, "cosmos": 1}),
    "validate a key that was used lately": (lambda w: w.all.api_keys.validate(w.key, "w"), {"table": 1, "cosmos": 1}),
    "list keys": (lambda w: w.all.api_keys.list(), {"table": 1, "cosmos": 1}),
    "memberships of a user": (lambda w: w.all.users.memberships("user-1@x.example"), {"table": 1, "cosmos": 1}),
    "list a page": (lambda w: w.here.list(ORGANIZATION, limit=50), {"table": 1, "cosmos": 1}),
    "find what is stuck": (lambda w: w.here.stuck(now=START + timedelta(days=1)), {"table": 1, "cosmos": 1}),
    "count by status": (lambda w: w.here.count_by_status(ORGANIZATION), {"table": 1, "cosmos": 1}),
    "statistics": (lambda w: w.here.statistics(ORGANIZATION, since=START - timedelta(days=9)), {"table": 1, "cosmos": 1}),
}


@pytest.fixture
async def world(store: StoreUnderTest, clock: Clock) -> AsyncIterator[World]:
    """Two processes at one store."""
    async with store.open_another() as another:
        world = World(
            repositories_over(store.backend, store.blobs, clock),
            repositories_over(another, store.blobs, clock).executions,
        )
        await create_all(store.backend, [execution(0)])
        await world.fill()
        yield world


@pytest.mark.parametrize("operation", BUDGETS)
async def test_a_call_takes_no_more_steps_than_its_budget(world: World, harness: Harness, operation: str) -> None:
    """Whoever waits for a call waits for so many requests, one after the other."""
    call, budgets = BUDGETS[operation]
    await world.elsewhere.get(ORGANIZATION, "no-such-run")  # connections, and what is asked once in each process
    with counting_steps() as steps:
        await call(world)
    if harness.name in budgets:
        assert 0 < steps.count <= budgets[harness.name]
