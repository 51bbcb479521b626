"""Who sees which form: rows beside those of the generator, and golden answers worked out from them alone."""

from __future__ import annotations

from typing import Any

from bifrost_store import GLOBAL, Scope, Store
from bifrost_store.core.tasks import for_each
from bifrost_store.demo.generator import Generator

Answers = dict[str, Any]
Row = dict[str, Any]

_LEVELS = ("public", "authenticated", "role_based", "role_based", None)
_WORKFLOWS = ("sync_users", "sync_users_daily")
_TIME = "2025-09-28T11:13:00.501708"
_BY = "ada@msp.example"


def with_access(data: Generator) -> Generator:
    """Add roles, forms and what they are given to, in GLOBAL and in every organization."""
    scopes = ["GLOBAL", *(row["RowKey"].removeprefix("org:") for row in data.tables["Entities"] if _is(row, "org:"))]
    people = [row["Email"] for row in data.tables["Entities"] if _is(row, "user:")]
    for number, scope in enumerate(scopes):
        forms = [f"form-{number}-{order}" for order in range(len(_LEVELS))]
        for order, level in enumerate(_LEVELS):
            _form(data, scope, forms[order], level, _WORKFLOWS[order % 2], is_active=(number + order) % 4 != 3)
        for order in range(2):
            role = f"role-{number}-{order}"
            columns = {"Name": f"Team {order}", "IsActive": order == 0, "CreatedAt": _TIME, "UpdatedAt": _TIME, "CreatedBy": _BY}
            _row(data, "Entities", scope, f"role:{role}", **columns)
            for person in people[number + order :: 3]:
                _given(data, f"userrole:{person}:{role}", UserId=person, RoleId=role)
            for form in forms[order + 1 : order + 3]:
                _given(data, f"formrole:{form}:{role}", FormId=form, RoleId=role)
    return data


def expected(data: Generator) -> Answers:
    """Return every answer, by the question's name."""
    forms = [row for row in data.tables["Entities"] if _is(row, "form:")]
    homes = {_id(row): row["PartitionKey"] for row in data.tables["Entities"] if _is(row, "role:")}
    given = data.tables["Relationships"]
    has = {(row["UserId"], row["RoleId"]) for row in given if _is(row, "userrole:")}
    opens = {(row["RoleId"], row["FormId"]) for row in given if _is(row, "formrole:")}
    found: Answers = {}
    for scope, people in people_of(data).items():
        near = sorted((row for row in forms if row["PartitionKey"] in (scope, "GLOBAL")), key=lambda row: (row["Name"], _id(row)))
        active = [row for row in near if row["IsActive"]]
        found[f"forms {scope}"] = [_id(row) for row in active]
        found[f"every form {scope}"] = [_id(row) for row in near]
        for workflow in _WORKFLOWS:
            found[f"forms of {workflow} {scope}"] = [_id(row) for row in active if row["LinkedWorkflow"] == workflow]
        for person in people:
            roles = sorted(role for user, role in has if user == person and homes[role] in (scope, "GLOBAL"))
            sees = [_id(row) for row in active if _is_open(row, {form for role, form in opens if role in roles})]
            found[f"roles of {person} {scope}"] = roles
            found[f"forms seen by {person} {scope}"] = sees
            found[f"form of another organization {person} {scope}"] = False
    for role, home in homes.items():
        if role.startswith("role-"):
            found[f"users of {role}"] = sorted(user for user, one in has if one == role)
            found[f"forms of {role}"] = sorted(form for one, form in opens if one == role)
            found[f"home of {role}"] = home
    return found


def people_of(data: Generator) -> dict[str, list[str]]:
    """Return two people of each organization; in GLOBAL those of the platform."""
    found: dict[str, list[str]] = {"GLOBAL": [row["Email"] for row in data.tables["Entities"] if row.get("UserType") == "PLATFORM"]}
    for row in data.tables["Relationships"]:
        if _is(row, "orgperm:"):
            found.setdefault(row["OrganizationId"], []).append(row["UserId"])
    return {scope: people[:2] for scope, people in found.items()}


async def answers(store: Store, data: Generator) -> Answers:
    """Ask *store* everything that `expected` answers."""
    scopes = [GLOBAL, *(one.scope for one in await store.organizations.list(active_only=False))]
    found: Answers = {}
    for part in await for_each(lambda scope: _ask_scope(store, scope, data), scopes):
        found |= part
    return found


async def _ask_scope(store: Store, scope: Scope, data: Generator) -> Answers:
    found: Answers = {}
    people = people_of(data)
    name = scope.partition_key
    other = next(row for row in data.tables["Entities"] if _is(row, "form:") and row["PartitionKey"] not in (name, "GLOBAL"))
    found[f"forms {name}"] = [form.id for form in await store.forms.list(scope)]
    found[f"every form {name}"] = [form.id for form in await store.forms.list(scope, active_only=False)]
    for workflow in _WORKFLOWS:
        found[f"forms of {workflow} {name}"] = [form.id for form in await store.forms.list_by_workflow(scope, workflow)]
    for person in people[name]:
        found[f"roles of {person} {name}"] = [one.role_id for one in await store.roles.of_user(scope, person)]
        found[f"forms seen by {person} {name}"] = [form.id for form in await store.forms.visible_to(scope, person)]
        found[f"form of another organization {person} {name}"] = await store.forms.can_view(scope, person, _id(other))
    for role in [one for one in await store.roles.list(scope, active_only=False) if one.id.startswith("role-")]:
        found[f"users of {role.id}"] = [one.user_id for one in await store.roles.users(scope, role.id)]
        found[f"forms of {role.id}"] = [one.form_id for one in await store.roles.forms(scope, role.id)]
        found[f"home of {role.id}"] = role.scope.partition_key
    return found


def _form(data: Generator, scope: str, form: str, level: str | None, workflow: str, *, is_active: bool) -> None:
    shown = {"IsActive": is_active, **({} if level is None else {"AccessLevel": level}), "CreatedAt": _TIME, "UpdatedAt": _TIME}
    columns = {"Name": f"Form {form[-1]}", "LinkedWorkflow": workflow, "FormSchema": '{"fields": []}', "CreatedBy": _BY}
    _row(data, "Entities", scope, f"form:{form}", **columns, **shown)
    index = {"FormId": form, "FormName": columns["Name"], "PartitionKey_Original": scope}
    _row(data, "Relationships", "GLOBAL", f"workflowform:{workflow}:{form}", **index, **shown)


def _given(data: Generator, row_key: str, **columns: str) -> None:
    _row(data, "Relationships", "GLOBAL", row_key, **columns, AssignedAt=_TIME, AssignedBy=_BY)


def _row(data: Generator, table: str, partition_key: str, row_key: str, **columns: Any) -> None:
    row: Row = {"PartitionKey": partition_key, "RowKey": row_key, **columns}
    row |= {f"{name}@odata.type": "Edm.Boolean" for name, value in columns.items() if isinstance(value, bool)}
    data.tables[table].append(row)


def _is_open(form: Row, shared: set[str]) -> bool:
    """Return whether a user who is no platform admin sees an active form, some of which are *shared* by a role of theirs."""
    level = form.get("AccessLevel", "role_based")
    return level == "authenticated" or (level == "role_based" and _id(form) in shared)


def _is(row: Row, prefix: str) -> bool:
    return str(row["RowKey"]).startswith(prefix)


def _id(row: Row) -> str:
    return str(row["RowKey"]).partition(":")[2]
