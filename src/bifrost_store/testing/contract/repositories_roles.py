"""Roles, as `bifrost_store.protocols.Roles` promises; giving them is in `repositories_role_assignments`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bifrost_store.core.page import Page
from bifrost_store.core.scope import GLOBAL, SYSTEM
from bifrost_store.documents import Role, RoleForm, RoleUser
from bifrost_store.errors import DocumentNotFoundError, InvalidKeyError, InvalidRequestError, PreconditionFailedError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio
ALIKE = ("a@b.co", "a@b.com", "a@b.c", "a@b.co:x", "a@b.co~", "a@b.co;", "A@b.co", "a@b.co'", "a@b.co ", "%%a@b.co", "a@b.co/")
"""User ids that begin with each other, or differ in what keys escape."""


async def role_in(repositories: Repositories, scope: Any = ORGANIZATION, name: str = "Help Desk") -> Role:
    """Make a role."""
    return await repositories.roles.create(scope, name, created_by="ada")


def users(page: Page[RoleUser]) -> list[str]:
    """Return the user ids of assignments, in order."""
    return [one.user_id for one in page]


def roles(page: Page[RoleUser] | Page[RoleForm]) -> set[tuple[Any, str]]:
    """Return the roles of assignments, with their scopes."""
    return {(one.scope, one.role_id) for one in page}


async def test_created_roles_are_found(repositories: Repositories) -> None:
    """Create stores what was given under a new id, active, in its scope."""
    created = await repositories.roles.create(ORGANIZATION, "Help Desk", created_by="ada", description="first line")
    other = await role_in(repositories)

    assert len(created.id) == 36
    assert created.id != other.id
    assert (created.scope, created.name, created.description, created.is_active) == (ORGANIZATION, "Help Desk", "first line", True)
    assert (created.created_by, created.created_at, created.updated_at) == ("ada", START, START)
    assert await repositories.roles.get(ORGANIZATION, created.id) == created


async def test_a_role_is_found_in_its_own_scope_only(repositories: Repositories) -> None:
    """Neither GLOBAL nor another organization stands in for the scope asked for."""
    found = {scope: await role_in(repositories, scope) for scope in (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)}

    for scope, own in found.items():
        for other, role in found.items():
            assert await repositories.roles.get(scope, role.id) == (role if scope == other else None)
        assert list(await repositories.roles.list(scope)) == [own]


async def test_what_is_not_there(repositories: Repositories) -> None:
    """Get gives None, lists are empty, unassigning counts nothing; changes and assignments raise DocumentNotFoundError."""
    missing = repositories.roles
    elsewhere = (await role_in(repositories, OTHER_ORGANIZATION)).id
    for role_id in ("x", elsewhere):
        assert await missing.get(ORGANIZATION, role_id) is None
        assert len(await missing.users(ORGANIZATION, role_id)) == len(await missing.forms(ORGANIZATION, role_id)) == 0
        assert await missing.unassign_users(ORGANIZATION, role_id, ["kim"]) == 0
        assert await missing.unassign_forms(ORGANIZATION, role_id, ["f"]) == 0
        for call in (
            missing.update(ORGANIZATION, role_id, name="y"),
            missing.update(ORGANIZATION, role_id),
            missing.deactivate(ORGANIZATION, role_id),
            missing.assign_users(ORGANIZATION, role_id, ["kim"], assigned_by="ada"),
            missing.assign_forms(ORGANIZATION, role_id, ["f"], assigned_by="ada"),
            missing.assign_users(ORGANIZATION, role_id, [], assigned_by="ada"),
        ):
            with pytest.raises(DocumentNotFoundError):
                await call
    assert len(await missing.of_user(ORGANIZATION, "kim")) == len(await missing.of_form(ORGANIZATION, "f")) == 0
    assert len(await missing.users(OTHER_ORGANIZATION, elsewhere)) == 0


async def test_roles_are_listed_by_name_then_id(repositories: Repositories) -> None:
    """Lists go by name, then id, and leave inactive ones out unless asked for."""
    made = [await role_in(repositories, name=name) for name in ("b", "a", "a", "B", "é")]
    await repositories.roles.deactivate(ORGANIZATION, made[0].id)
    in_order = sorted(made, key=lambda role: (role.name, role.id))

    listed = [role.id for role in await repositories.roles.list(ORGANIZATION, active_only=False)]
    assert listed == [role.id for role in in_order]
    assert [role.id for role in await repositories.roles.list(ORGANIZATION)] == [one for one in listed if one != made[0].id]


async def test_update_tells_not_given_from_none(repositories: Repositories, clock: SettableClock) -> None:
    """Fields that are not given stay; None clears; `updated_at` moves; without any field nothing is written."""
    created = await repositories.roles.create(ORGANIZATION, "A", created_by="ada", description="what for")
    clock.advance(seconds=1)
    same = await repositories.roles.update(ORGANIZATION, created.id)
    renamed = await repositories.roles.update(ORGANIZATION, created.id, name="B")
    cleared = await repositories.roles.update(ORGANIZATION, created.id, description=None, is_active=False)

    assert same == created
    assert (renamed.name, renamed.description, renamed.is_active, renamed.updated_at) == ("B", "what for", True, clock.now)
    assert (cleared.name, cleared.description, cleared.is_active) == ("B", None, False)
    assert (cleared.created_at, cleared.created_by) == (START, "ada")
    assert await repositories.roles.get(ORGANIZATION, created.id) == cleared


async def test_etags_guard_every_change(repositories: Repositories) -> None:
    """With an etag of another state update and deactivate raise PreconditionFailedError and write nothing."""
    old = await role_in(repositories)
    new = await repositories.roles.update(ORGANIZATION, old.id, name="B", etag=old.etag)
    for call in (
        repositories.roles.update(ORGANIZATION, old.id, name="C", etag=old.etag),
        repositories.roles.deactivate(ORGANIZATION, old.id, etag=old.etag),
    ):
        with pytest.raises(PreconditionFailedError):
            await call

    assert await repositories.roles.get(ORGANIZATION, old.id) == new


async def test_a_deactivated_role_keeps_its_assignments(repositories: Repositories, clock: SettableClock) -> None:
    """The role stays, inactive, and so do its assignments, which can still be added to; repeating it changes nothing."""
    role = await role_in(repositories)
    await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="ada")
    await repositories.roles.assign_forms(ORGANIZATION, role.id, ["f-1"], assigned_by="ada")
    first = await repositories.roles.deactivate(ORGANIZATION, role.id)
    clock.advance(seconds=1)

    assert first.is_active is False
    assert await repositories.roles.deactivate(ORGANIZATION, role.id) == first
    await repositories.roles.assign_users(ORGANIZATION, role.id, ["lee"], assigned_by="ada")
    assert users(await repositories.roles.users(ORGANIZATION, role.id)) == ["kim", "lee"]
    assert [one.form_id for one in await repositories.roles.forms(ORGANIZATION, role.id)] == ["f-1"]
    assert roles(await repositories.roles.of_user(ORGANIZATION, "kim")) == {(ORGANIZATION, role.id)}
    assert roles(await repositories.roles.of_form(ORGANIZATION, "f-1")) == {(ORGANIZATION, role.id)}


async def test_concurrent_updates_are_all_kept(repositories: Repositories) -> None:
    """Updates of different fields at the same time, without etags, are all kept."""
    role = await role_in(repositories)
    await asyncio.gather(
        repositories.roles.update(ORGANIZATION, role.id, name="B"),
        repositories.roles.update(ORGANIZATION, role.id, description="new"),
        repositories.roles.deactivate(ORGANIZATION, role.id),
    )

    stored = await repositories.roles.get(ORGANIZATION, role.id)
    assert stored is not None
    assert (stored.name, stored.description, stored.is_active) == ("B", "new", False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": ""}, InvalidRequestError),
        ({"name": "x" * 101}, InvalidRequestError),
        ({"name": None}, InvalidRequestError),
        ({"name": "\ud800"}, InvalidRequestError),
        ({"description": 5}, InvalidRequestError),
        ({"created_by": ""}, InvalidKeyError),
        ({"created_by": "x" * 129}, InvalidKeyError),
        ({"scope": "GLOBAL"}, InvalidKeyError),
        ({"scope": SYSTEM}, InvalidKeyError),
    ],
    ids=str,
)
async def test_bad_arguments(store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception]) -> None:
    """Bad arguments are refused, naming the field, before anything is written."""
    with pytest.raises(expected) as caught:
        await repositories.roles.create(**{"scope": ORGANIZATION, "name": "A", "created_by": "ada", **arguments})

    assert type(caught.value) is expected
    assert next(iter(arguments)) in str(caught.value)
    assert await everything(store.backend) == {}


@pytest.mark.parametrize("bad", ["", "x" * 65, "a:b", "a/b", "r_1", "%", None, 5], ids=repr)
async def test_what_is_no_role_or_form_id(store: StoreUnderTest, repositories: Repositories, bad: Any) -> None:
    """Every method refuses what can be no id of a role or form, and writes nothing."""
    role = await role_in(repositories)
    before = await everything(store.backend)
    for call in (
        repositories.roles.get(ORGANIZATION, bad),
        repositories.roles.update(ORGANIZATION, bad, name="B"),
        repositories.roles.deactivate(ORGANIZATION, bad),
        repositories.roles.assign_users(ORGANIZATION, bad, ["kim"], assigned_by="ada"),
        repositories.roles.assign_forms(ORGANIZATION, bad, ["f-1"], assigned_by="ada"),
        repositories.roles.unassign_users(ORGANIZATION, bad, ["kim"]),
        repositories.roles.unassign_forms(ORGANIZATION, bad, ["f-1"]),
        repositories.roles.users(ORGANIZATION, bad),
        repositories.roles.forms(ORGANIZATION, bad),
        repositories.roles.of_form(ORGANIZATION, bad),
        repositories.roles.assign_forms(ORGANIZATION, role.id, ["f-1", bad], assigned_by="ada"),
        repositories.roles.unassign_forms(ORGANIZATION, role.id, [bad]),
    ):
        with pytest.raises(InvalidKeyError):
            await call

    assert await everything(store.backend) == before


async def test_one_unreadable_role_or_assignment_hides_no_other(store: StoreUnderTest, repositories: Repositories) -> None:
    """A document that no model fits is named in `unreadable`, and the others are listed."""
    role, broken = [await role_in(repositories, name=name) for name in "ab"]
    await store.backend.replace(broken.record.with_body({**broken.record.body, "createdAt": None}), broken.record.etag)
    for one in await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim", "lee"], assigned_by="ada"):
        if one.user_id == "kim":
            await store.backend.replace(one.record.with_body({**one.record.body, "assignedBy": 5}), one.record.etag)

    listed = await repositories.roles.list(ORGANIZATION)
    assert [one.id for one in listed] == [role.id]
    assert [broken.id in str(error) for error in listed.unreadable] == [True]
    having = await repositories.roles.users(ORGANIZATION, role.id)
    assert users(having) == ["lee"]
    assert len(having.unreadable) == len((await repositories.roles.of_user(ORGANIZATION, "kim")).unreadable) == 1


async def test_bad_scopes(repositories: Repositories) -> None:
    """A scope must be a Scope, and not SYSTEM."""
    for scope in ("GLOBAL", None, SYSTEM):
        for call in (
            repositories.roles.list(scope),  # type: ignore[arg-type]
            repositories.roles.of_user(scope, "kim"),  # type: ignore[arg-type]
            repositories.roles.of_form(scope, "f-1"),  # type: ignore[arg-type]
            repositories.roles.users(scope, "r-1"),  # type: ignore[arg-type]
            repositories.roles.unassign_users(scope, "r-1", ["kim"]),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidKeyError, match="scope"):
                await call
