"""What each operation may cost in requests: counted at the SDK's transport, payload blobs and metadata apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import count_requests
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import ConfigType, Execution, ExecutionStatus
from bifrost_store.protocols import ExecutionFilter, ExecutionRef
from bifrost_store.repositories.configs import ConfigRepository
from bifrost_store.repositories.executions import ExecutionRepository
from bifrost_store.repositories.users import UserRepository
from bifrost_store.testing.harness import Harness, StoreUnderTest

pytestmark = pytest.mark.anyio
ORGANIZATION = Scope.organization("budget")
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


class Subject:
    """The repositories over a store that holds a little of everything."""

    def __init__(self, store: StoreUnderTest, clock: Clock) -> None:
        retention = timedelta(days=14)
        self.executions = ExecutionRepository(store.backend, clock=clock, blobs=lambda scope: store.blobs, retention=retention)
        self.users = UserRepository(store.backend, clock=clock)
        self.config = ConfigRepository(store.backend, clock=clock)

    async def create(self, scope: Scope = ORGANIZATION, *, status: ExecutionStatus = ExecutionStatus.RUNNING) -> Execution:
        return await self.executions.create(
            scope, workflow_name="w", executed_by="kim@x.example", executed_by_name="Kim", form_id="f", status=status
        )

    async def fill(self) -> None:
        for status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING):
            self.run = await self.create(status=status)
        self.shared = await self.create(GLOBAL)
        for name in ("kim", "lee", "ana"):
            await self.users.create(f"{name}@x.example", organization_id="budget")
        await self.config.set(GLOBAL, "k", "v", config_type=ConfigType.STRING, updated_by="ada")


Call = Callable[[Subject], Awaitable[object]]
ALL_FILTERS = ExecutionFilter(
    user="kim@x.example",
    workflow="w",
    form="f",
    statuses=[ExecutionStatus.RUNNING],
    since=SINCE,
    until=SINCE + timedelta(days=9999),
)
BUDGETS: dict[str, tuple[Call, dict[str, int]]] = {
    "create an execution": (lambda s: s.create(), {"table": 2, "sqlite": 1}),
    "complete, given the model": (
        lambda s: s.executions.complete(s.run, ExecutionStatus.SUCCESS, result={"a": 1}),
        {"table": 2, "sqlite": 1},
    ),
    "complete, by scope and id": (
        lambda s: s.executions.complete(ExecutionRef(ORGANIZATION, s.run.execution_id), ExecutionStatus.FAILED),
        {"table": 4, "sqlite": 2},
    ),
    "get an execution": (
        lambda s: s.executions.get(ORGANIZATION, s.run.execution_id, fallback=False),
        {"table": 2, "sqlite": 1},
    ),
    "get an execution, found in GLOBAL": (
        lambda s: s.executions.get(ORGANIZATION, s.shared.execution_id),
        {"table": 3, "sqlite": 1},
    ),
    "one page of executions": (lambda s: s.executions.list(ORGANIZATION, limit=1), {"table": 1, "sqlite": 1}),
    "one page of executions, every filter": (
        lambda s: s.executions.list(ORGANIZATION, ALL_FILTERS, limit=1),
        {"table": 1, "sqlite": 1},
    ),
    "get a user": (lambda s: s.users.get("kim@x.example"), {"table": 1, "sqlite": 1}),
    "users of an organization": (lambda s: s.users.list_organization("budget"), {"table": 2, "sqlite": 2}),
    "get a configuration value, with fallback": (lambda s: s.config.get(ORGANIZATION, "k"), {"table": 2, "sqlite": 1}),
}


@pytest.mark.parametrize("operation", BUDGETS)
async def test_an_operation_stays_in_its_budget(store: StoreUnderTest, harness: Harness, clock: Clock, operation: str) -> None:
    """No operation takes more requests than its budget, and the meter sees those it takes."""
    call, budgets = BUDGETS[operation]
    subject = Subject(store, clock)
    await subject.fill()
    with count_requests() as counted:
        await call(subject)
    if harness.name in budgets:
        assert 0 < counted[harness.name] <= budgets[harness.name]


async def test_completing_with_a_missing_status_row_takes_one_more(store: StoreUnderTest, harness: Harness, clock: Clock) -> None:
    """A status row that a crash left out costs one further request, once."""
    subject = Subject(store, clock)
    run = await subject.create()
    if harness.name == "table":
        inner = store.backend.inner  # type: ignore[attr-defined]
        from bifrost_store.backends.table.account import Remove

        await inner.account.write("Relationships", [Remove("GLOBAL", f"status:Running:{run.execution_id}")])
    with count_requests() as counted:
        await subject.executions.complete(run, ExecutionStatus.SUCCESS)

    assert counted["table"] <= 3
    assert counted["table"] + counted["sqlite"] > 0 or harness.name == "model"


async def test_an_id_that_does_not_exist_is_searched_for_only_until_repair_marks(
    store: StoreUnderTest, harness: Harness, clock: Clock
) -> None:
    """On Table Storage a miss costs a search of each scope, until the operator says that the old application has stopped."""
    subject = Subject(store, clock)
    await subject.fill()
    if harness.name != "table":
        assert await subject.executions.get(ORGANIZATION, "missing") is None
        return
    with count_requests() as unmarked:
        await subject.executions.get(ORGANIZATION, "missing")
    await store.backend.inner.repair(old_application_stopped=True)  # type: ignore[attr-defined]
    await subject.executions.get(ORGANIZATION, "missing")
    with count_requests() as marked:
        await subject.executions.get(ORGANIZATION, "missing")

    assert unmarked["table"] == 6
    assert marked["table"] == 2
