"""What each operation may cost in requests: counted at the SDK's transport, payload blobs and metadata apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bifrost_store.backends.table.account import Insert
from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import count_requests
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import ConfigType, Execution, ExecutionStatus, OAuthConnection, OAuthFlowType, OAuthStatus
from bifrost_store.protocols import ExecutionFilter, ExecutionRef, OAuthConnectionRef
from bifrost_store.repositories.assembly import Context, Repositories
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.harness import Harness, StoreUnderTest
from tests.contract.harness import TableHarness
from tests.innermost import innermost

pytestmark = pytest.mark.anyio
ORGANIZATION = Scope.organization("budget")
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


class Subject(Repositories):
    """The repositories over a store that holds a little of everything."""

    def __init__(self, store: StoreUnderTest, clock: Clock) -> None:
        super().__init__(Context(store.backend, clock, lambda _: store.blobs, timedelta(days=14)))

    async def create(self, scope: Scope = ORGANIZATION, *, status: ExecutionStatus = ExecutionStatus.RUNNING) -> Execution:
        return await self.executions.create(
            scope, workflow_name="w", executed_by="kim@x.example", executed_by_name="Kim", form_id="f", status=status
        )

    async def connect(self, scope: Scope, name: str) -> OAuthConnection:
        return await self.oauth.create(
            scope,
            name,
            oauth_flow_type=OAuthFlowType.CLIENT_CREDENTIALS,
            client_id="c",
            token_url="https://x.example",
            client_secret_ref="bifrost-1",
            created_by="ada",
        )

    async def fill(self) -> None:
        for status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING):
            self.run = await self.create(status=status)
        self.shared = await self.create(GLOBAL)
        for name in ("kim", "lee", "ana"):
            await self.users.create(f"{name}@x.example", organization_id="budget")
        await self.config.set(GLOBAL, "k", "v", config_type=ConfigType.STRING, updated_by="ada")
        self.connection = await self.connect(GLOBAL, "halo")
        await self.integrations.set(GLOBAL, "msgraph", enabled=True, settings={}, updated_by="ada")
        await self.branding.set(GLOBAL, primary_color="#123", updated_by="ada")
        for scope in (ORGANIZATION, GLOBAL):
            self.role = await self.roles.create(scope, "Help Desk", created_by="ada")
            schema = {"fields": [{"name": "a", "type": "text"}]}
            forms = [
                await self.forms.create(scope, name, linked_workflow="w", form_schema=schema, created_by="ada") for name in "abcd"
            ]
            self.form_id = forms[0].id
            await self.roles.assign_users(scope, self.role.id, ["kim@x.example"], assigned_by="ada")
            await self.roles.assign_forms(scope, self.role.id, [form.id for form in forms], assigned_by="ada")


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
    "create an execution": (lambda s: s.create(), {"table": 2, "cosmos": 1, "sqlite": 1}),
    "complete, given the model": (
        lambda s: s.executions.complete(s.run, ExecutionStatus.SUCCESS, result={"a": 1}),
        {"table": 2, "cosmos": 1, "sqlite": 1},
    ),
    "complete, by scope and id": (
        lambda s: s.executions.complete(ExecutionRef(ORGANIZATION, s.run.execution_id), ExecutionStatus.FAILED),
        {"table": 3, "cosmos": 2, "sqlite": 2},
    ),
    "get an execution": (
        lambda s: s.executions.get(ORGANIZATION, s.run.execution_id, fallback=False),
        {"table": 1, "cosmos": 1, "sqlite": 1},
    ),
    "get an execution, found in GLOBAL": (
        lambda s: s.executions.get(ORGANIZATION, s.shared.execution_id),
        {"table": 3, "cosmos": 2, "sqlite": 1},
    ),
    "one page of executions": (lambda s: s.executions.list(ORGANIZATION, limit=1), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "one page of executions, every filter": (
        lambda s: s.executions.list(ORGANIZATION, ALL_FILTERS, limit=1),
        {"table": 1, "cosmos": 1, "sqlite": 1},
    ),
    "statistics": (lambda s: s.executions.statistics(ORGANIZATION, since=SINCE), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "count by status": (lambda s: s.executions.count_by_status(ORGANIZATION), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "get a user": (lambda s: s.users.get("kim@x.example"), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "users of an organization": (lambda s: s.users.list_organization("budget"), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "get a form, found in GLOBAL": (lambda s: s.forms.get(ORGANIZATION, s.form_id), {"table": 2, "cosmos": 2, "sqlite": 1}),
    "forms of an organization": (lambda s: s.forms.list(ORGANIZATION), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "forms of a workflow": (lambda s: s.forms.list_by_workflow(ORGANIZATION, "w"), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "forms that a user sees": (lambda s: s.forms.visible_to(ORGANIZATION, "kim@x.example"), {"table": 6, "cosmos": 6, "sqlite": 6}),
    "forms that a user without roles sees": (
        lambda s: s.forms.visible_to(ORGANIZATION, "lee"),
        {"table": 4, "cosmos": 4, "sqlite": 4},
    ),
    "whether a user sees a form": (
        lambda s: s.forms.can_view(ORGANIZATION, "kim@x.example", s.form_id),
        {"table": 6, "cosmos": 6, "sqlite": 5},
    ),
    "move a form to another workflow": (
        lambda s: s.forms.update(GLOBAL, s.form_id, linked_workflow="other"),
        {"table": 3, "cosmos": 2, "sqlite": 2},
    ),
    "roles of a user": (lambda s: s.roles.of_user(ORGANIZATION, "kim@x.example"), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "roles of a form": (lambda s: s.roles.of_form(ORGANIZATION, s.form_id), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "users of a role": (lambda s: s.roles.users(GLOBAL, s.role.id), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "assign thirty users": (
        lambda s: s.roles.assign_users(GLOBAL, s.role.id, [f"u-{number}" for number in range(30)], assigned_by="ada"),
        {"table": 2, "cosmos": 2, "sqlite": 33},
    ),
    "get an OAuth connection, with fallback": (lambda s: s.oauth.get(ORGANIZATION, "halo"), {"table": 2, "cosmos": 2, "sqlite": 1}),
    "OAuth connections of an organization": (lambda s: s.oauth.list(ORGANIZATION), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "create an OAuth connection": (lambda s: s.connect(ORGANIZATION, "new"), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "set tokens, given the model": (
        lambda s: s.oauth.set_tokens(s.connection, oauth_response_ref="t", expires_at=None, updated_by="ada"),
        {"table": 1, "cosmos": 1, "sqlite": 1},
    ),
    "set a status, by scope and name": (
        lambda s: s.oauth.set_status(OAuthConnectionRef(GLOBAL, "halo"), OAuthStatus.FAILED, updated_by="ada"),
        {"table": 2, "cosmos": 2, "sqlite": 2},
    ),
    "get an integration, with fallback": (
        lambda s: s.integrations.get(ORGANIZATION, "msgraph"),
        {"table": 2, "cosmos": 2, "sqlite": 1},
    ),
    "get a branding, with fallback": (lambda s: s.branding.get(ORGANIZATION), {"table": 2, "cosmos": 2, "sqlite": 1}),
    "get a configuration value, with fallback": (lambda s: s.config.get(ORGANIZATION, "k"), {"table": 2, "cosmos": 2, "sqlite": 1}),
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


@pytest.mark.usefixtures("table_only")
async def test_roles_that_the_old_application_gave_cost_a_look_at_the_roles(
    table_harness: TableHarness, clock: SettableClock
) -> None:
    """Until repair, assignments that do not name their scope cost one request more for each scope, however many there are."""
    async with table_harness.open_empty(clock) as store:
        subject = Subject(store, clock)
        made = [await subject.roles.create(scope, "Help Desk", created_by="ada") for scope in (GLOBAL, ORGANIZATION) for _ in "ab"]
        rows = [Insert({"PartitionKey": "GLOBAL", "RowKey": f"userrole:kim:{role.id}", "UserId": "kim"}) for role in made]
        await innermost(store.backend).account.write("Relationships", rows)
        with count_requests() as before:
            found = await subject.roles.of_user(ORGANIZATION, "kim")
        report = await innermost(store.backend).repair.run()
        with count_requests() as after:
            again = await subject.roles.of_user(ORGANIZATION, "kim")

    assert {role.id for role in made} == {one.role_id for one in found}
    assert [(one.scope, one.role_id) for one in again] == [(one.scope, one.role_id) for one in found]
    assert report.repaired["scopes written"] == len(made)
    assert (before["table"], after["table"]) == (4, 2)


async def test_completing_with_a_missing_status_row_takes_one_more(store: StoreUnderTest, harness: Harness, clock: Clock) -> None:
    """A status row that a crash left out costs one further request, once."""
    subject = Subject(store, clock)
    run = await subject.create()
    if harness.name == "table":
        inner = innermost(store.backend)
        from bifrost_store.backends.table.account import Remove

        await inner.account.write("Relationships", [Remove("GLOBAL", f"status:Running:{run.execution_id}")])
    with count_requests() as counted:
        await subject.executions.complete(run, ExecutionStatus.SUCCESS)

    assert counted["table"] <= 3
    assert sum(counted.values()) > 0 or harness.name == "model"


async def test_an_id_that_does_not_exist_is_searched_for_only_until_repair_marks(
    store: StoreUnderTest, harness: Harness, clock: Clock
) -> None:
    """On Table Storage a miss costs a search of each scope, until the operator says that the old application has stopped."""
    subject = Subject(store, clock)
    await subject.fill()
    if harness.name != "table":
        assert await subject.executions.get(ORGANIZATION, "missing") is None
        return
    with count_requests() as first:
        await subject.executions.get(ORGANIZATION, "missing")
    with count_requests() as unmarked:
        await subject.executions.get(ORGANIZATION, "missing")
    await innermost(store.backend).repair.run(old_application_stopped=True)
    await subject.executions.get(ORGANIZATION, "missing")
    with count_requests() as marked:
        await subject.executions.get(ORGANIZATION, "missing")

    assert (first["table"], unmarked["table"]) == (8, 4)
    assert marked["table"] == 2
