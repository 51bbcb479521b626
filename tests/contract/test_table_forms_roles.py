"""Forms, roles and assignments as rows of Table Storage: what old code finds of ours, and we of its own."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.backends.table.account import Put
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import AccessLevel
from bifrost_store.errors import DocumentExistsError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.contract.repositories_forms import WORKFLOWS_ALIKE, form_in
from bifrost_store.testing.contract.repositories_roles import role_in, roles, users
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, role, role_user
from bifrost_store.testing.fault_proxy import DropBefore, SeenRequest
from bifrost_store.testing.repositories import Repositories, repositories_over
from tests.contract.harness import TableStore, rows_of
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]
NAIVE = START.replace(tzinfo=None).isoformat()


@pytest.fixture
def repositories(tables: TableStore, clock: SettableClock) -> Repositories:
    """The repositories over them."""
    return repositories_over(tables.backend, tables.blobs, clock)


async def rows(tables: TableStore, prefix: str) -> dict[str, dict[str, Any]]:
    """Return today's columns of the rows whose key begins with *prefix*, in any table."""
    found = await rows_of(tables.azurite)
    return {
        key: {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}
        for (_, _, key), row in found.items()
        if key.startswith(prefix)
    }


async def write(tables: TableStore, table: str, partition_key: str, row_key: str, **columns: Any) -> None:
    """Store a row as the old application would."""
    row = {"PartitionKey": partition_key, "RowKey": row_key, **columns}
    await innermost(tables.backend).account.write(table, [Put(row)])


def assigned(**columns: str) -> dict[str, str]:
    """Return the columns of an assignment."""
    return {**columns, "AssignedAt": "2025-10-02T14:10:00.118130", "AssignedBy": "dana"}


async def test_a_form_as_old_code_finds_it(tables: TableStore, repositories: Repositories, clock: SettableClock) -> None:
    """Its row, and one under its workflow, follow every change; both go with the form."""
    form = await form_in(repositories, form_schema={"fields": []}, access_level=AccessLevel.PUBLIC, allowed_query_params=[])
    home = ORGANIZATION.partition_key
    copy = {
        "FormId": form.id,
        "FormName": "Onboarding",
        "IsActive": True,
        "AccessLevel": "public",
        "PartitionKey_Original": home,
        "CreatedAt": NAIVE,
        "UpdatedAt": NAIVE,
    }
    assert await rows(tables, "form:") == {
        f"form:{form.id}": {
            "Name": "Onboarding",
            "LinkedWorkflow": "sync",
            "FormSchema": '{"fields": []}',
            "IsActive": True,
            "AccessLevel": "public",
            "CreatedBy": "ada",
            "CreatedAt": NAIVE,
            "UpdatedAt": NAIVE,
            "AllowedQueryParams": "[]",
        }
    }
    assert await rows(tables, "workflowform:") == {f"workflowform:sync:{form.id}": copy}
    clock.advance(seconds=1)
    await repositories.forms.update(ORGANIZATION, form.id, name="New", linked_workflow="other", access_level=AccessLevel.ROLE_BASED)
    await repositories.forms.deactivate(ORGANIZATION, form.id)

    later = clock.now.replace(tzinfo=None).isoformat()
    changed = {"FormName": "New", "IsActive": False, "AccessLevel": "role_based", "UpdatedAt": later}
    assert await rows(tables, "workflowform:") == {f"workflowform:other:{form.id}": {**copy, **changed}}
    await repositories.forms.delete(ORGANIZATION, form.id)
    assert await rows(tables, "workflowform:") == await rows(tables, "form:") == {}


async def test_one_index_row_whatever_the_workflow(tables: TableStore, repositories: Repositories) -> None:
    """Moved through names that separate and escape, given only the model or read anew, a form has one row under a workflow."""
    form = await form_in(repositories, linked_workflow="|")
    for name in WORKFLOWS_ALIKE:
        form = await repositories.forms.update(ORGANIZATION, form.id, linked_workflow=name, etag=form.etag)
        assert len(await rows(tables, "workflowform:")) == 1
        await repositories.forms.update(ORGANIZATION, form.id, linked_workflow=f"{name}%|")
        form = await repositories.forms.update(ORGANIZATION, form.id, linked_workflow=name)
        (key,) = await rows(tables, "workflowform:")
        assert key.endswith(form.id)


async def test_a_move_that_broke_off_misleads_nobody(tables: TableStore, repositories: Repositories, clock: SettableClock) -> None:
    """Dead before the index rows are written, a move shows in every list at once; repair brings the rows after it."""

    def of_relationships(request: SeenRequest) -> bool:
        return b"Relationships" in request.body or "Relationships" in request.path

    form, gone = [await form_in(repositories, name=name) for name in "ab"]
    async with tables.proxied(read_timeout=10) as (proxy, broken):
        dying = repositories_over(broken, tables.blobs, clock)
        proxy.react(DropBefore(), when=lambda request: request.is_write and of_relationships(request))
        await dying.forms.update(ORGANIZATION, form.id, linked_workflow="other")
        await dying.forms.delete(ORGANIZATION, gone.id)
    made = await form_in(repositories, GLOBAL, "c")
    await write(tables, "Relationships", "GLOBAL", f"workflowform:sync:{made.id}", FormId=made.id, PartitionKey_Original="GLOBAL")

    assert set(await rows(tables, "workflowform:")) == {f"workflowform:sync:{one.id}" for one in (form, gone, made)}
    assert [one.id for one in await repositories.forms.list_by_workflow(ORGANIZATION, "other")] == [form.id]
    assert [one.id for one in await repositories.forms.list_by_workflow(ORGANIZATION, "sync")] == [made.id]
    for mended in ({"index rows written": 2, "index rows removed": 2}, {}):
        assert (await innermost(tables.backend).repair.run()).repaired == mended
        found = await rows(tables, "workflowform:")
        assert set(found) == {f"workflowform:other:{form.id}", f"workflowform:sync:{made.id}"}
        assert found[f"workflowform:sync:{made.id}"]["FormName"] == "c"


async def test_a_form_of_the_old_application(tables: TableStore, repositories: Repositories) -> None:
    """A row with the least it may have reads with the defaults that absence means, and keeps columns of its own."""
    columns = {"Name": "Old", "LinkedWorkflow": "sync", "CreatedBy": "dana", "CreatedAt": "2025-09-28T11:12:00", "IsPublic": True}
    await write(tables, "Entities", ORGANIZATION.partition_key, "form:f-1", **columns)
    form = await repositories.forms.get(ORGANIZATION, "f-1")
    assert form is not None
    assert (form.form_schema, form.access_level, form.is_active) == ({"fields": []}, AccessLevel.ROLE_BASED, True)
    assert form.updated_at == form.created_at
    await repositories.forms.update(ORGANIZATION, "f-1", name="New", etag=form.etag)

    (row,) = (await rows(tables, "form:")).values()
    assert (row["Name"], row["IsPublic"]) == ("New", True)
    assert set(await rows(tables, "workflowform:")) == {"workflowform:sync:f-1"}


@pytest.mark.parametrize("text", ["{", "[1]", "null", "5"])
async def test_a_schema_that_is_no_object(tables: TableStore, repositories: Repositories, text: str) -> None:
    """A stored schema that cannot be one makes its own form unreadable, and no other."""
    good = await form_in(repositories)
    columns = {"Name": "Old", "LinkedWorkflow": "sync", "CreatedBy": "dana", "CreatedAt": "2025-09-28T11:12:00"}
    await write(tables, "Entities", ORGANIZATION.partition_key, "form:f-1", FormSchema=text, **columns)

    page = await repositories.forms.list(ORGANIZATION)
    assert [form.id for form in page] == [good.id]
    assert ["f-1" in str(error) for error in page.unreadable] == [True]


async def test_an_assignment_as_old_code_finds_it(tables: TableStore, repositories: Repositories) -> None:
    """One row under the user or form, in whichever scope the role lives, gone when it is taken back."""
    one = await role_in(repositories)
    await repositories.roles.assign_users(ORGANIZATION, one.id, ["kim@x"], assigned_by="ada")
    await repositories.roles.assign_forms(ORGANIZATION, one.id, ["f-1"], assigned_by="ada")
    common = {"RoleId": one.id, "AssignedAt": NAIVE, "AssignedBy": "ada"}

    assert await rows(tables, "userrole:") == {f"userrole:kim@x:{one.id}": {"UserId": "kim@x", **common}}
    assert await rows(tables, "formrole:") == {f"formrole:f-1:{one.id}": {"FormId": "f-1", **common}}
    await repositories.roles.unassign_users(ORGANIZATION, one.id, ["kim@x"])
    await repositories.roles.unassign_forms(ORGANIZATION, one.id, ["f-1"])
    assert await rows(tables, "userrole:") == await rows(tables, "formrole:") == {}


async def test_assignments_of_the_old_application(tables: TableStore, repositories: Repositories) -> None:
    """Rows that do not name their scope belong where their role lives: read, kept, and taken back there and nowhere else."""
    made = {scope: await role_in(repositories, scope) for scope in (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)}
    for scope, one in made.items():
        columns = assigned(UserId="a:b@x", RoleId=one.id)
        await write(tables, "Relationships", "GLOBAL", f"userrole:a:b@x:{one.id}", **columns)
        assert users(await repositories.roles.users(scope, one.id)) == ["a:b@x"]
    for scope in made:
        wanted = {(home, made[home].id) for home in (scope, GLOBAL)}
        assert roles(await repositories.roles.of_user(scope, "a:b@x")) == wanted
    one = made[ORGANIZATION]
    (kept,) = await repositories.roles.assign_users(ORGANIZATION, one.id, ["a:b@x"], assigned_by="ada")

    assert kept.assigned_by == "dana"
    assert await repositories.roles.unassign_users(OTHER_ORGANIZATION, one.id, ["a:b@x"]) == 0
    assert await repositories.roles.unassign_users(ORGANIZATION, one.id, ["a:b@x"]) == 1
    assert len(await rows(tables, "userrole:")) == 2


async def test_an_assignment_whose_role_is_nowhere_is_carried_whole(tables: TableStore, repositories: Repositories) -> None:
    """Nobody has such a role, no row of it is lost, and it is an assignment again once its role is there."""
    await write(tables, "Relationships", "GLOBAL", "userrole:kim:r-1", **assigned(UserId="kim", RoleId="r-1"))
    assert len(await repositories.roles.of_user(ORGANIZATION, "kim")) == 0
    assert [key.kind for key in await everything(tables.backend)] == ["legacy_row"]

    await tables.backend.create(role("r-1", scope=ORGANIZATION))
    assert set(await everything(tables.backend)) == {Key("role", ORGANIZATION, "r-1"), Key("role_user", ORGANIZATION, "r-1:kim")}
    assert roles(await repositories.roles.of_user(ORGANIZATION, "kim")) == {(ORGANIZATION, "r-1")}


async def test_todays_key_names_no_scope(tables: TableStore) -> None:
    """Two roles of one id in two scopes, which the library never makes, cannot both be one user's: the second is refused."""
    await tables.backend.create(role_user("kim", "r-1", scope=ORGANIZATION))
    with pytest.raises(DocumentExistsError):
        await tables.backend.create(role_user("kim", "r-1", scope=OTHER_ORGANIZATION))

    assert set(await everything(tables.backend)) == {Key("role_user", ORGANIZATION, "r-1:kim")}
