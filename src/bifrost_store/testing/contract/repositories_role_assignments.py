"""Roles given to users and forms, and taken back, as `bifrost_store.protocols.Roles` promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.scope import GLOBAL
from bifrost_store.errors import InvalidKeyError, InvalidRequestError
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.contract.repositories_roles import ALIKE, role_in, roles, users
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.interruptions import Countdown, Stopped, StoppingBackend
from bifrost_store.testing.repositories import Repositories, repositories_over

pytestmark = pytest.mark.anyio


async def test_an_existing_assignment_is_kept(repositories: Repositories, clock: SettableClock) -> None:
    """Assigning again returns and leaves what is there; new ones are added beside it, in the order given, each once."""
    role = await role_in(repositories)
    (first,) = await repositories.roles.assign_users(ORGANIZATION, role.id, ["lee"], assigned_by="ada")
    clock.advance(seconds=1)
    again = await repositories.roles.assign_users(ORGANIZATION, role.id, ["zoe", "lee", "kim", "zoe"], assigned_by="bob")

    assert (first.scope, first.role_id, first.user_id) == (ORGANIZATION, role.id, "lee")
    assert (first.assigned_by, first.assigned_at) == ("ada", START)
    assert users(again) == ["zoe", "lee", "kim"]
    assert again[1] == first
    assert {(one.assigned_by, one.assigned_at) for one in (again[0], again[2])} == {("bob", clock.now)}
    assert list(await repositories.roles.users(ORGANIZATION, role.id)) == [again[2], first, again[0]]


async def test_unassigning(repositories: Repositories) -> None:
    """Unassign tells how many had the role, leaves the others, and can be repeated; assigning again begins anew."""
    role = await role_in(repositories)
    await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim", "lee", "zoe"], assigned_by="ada")
    await repositories.roles.assign_forms(ORGANIZATION, role.id, ["f-1", "f-2"], assigned_by="ada")

    assert await repositories.roles.unassign_users(ORGANIZATION, role.id, ["zoe", "kim", "nobody", "kim"]) == 2
    assert await repositories.roles.unassign_users(ORGANIZATION, role.id, ["zoe", "kim"]) == 0
    assert await repositories.roles.unassign_forms(ORGANIZATION, role.id, ["f-1"]) == 1
    assert await repositories.roles.unassign_forms(ORGANIZATION, role.id, []) == 0
    assert users(await repositories.roles.users(ORGANIZATION, role.id)) == ["lee"]
    assert [one.form_id for one in await repositories.roles.forms(ORGANIZATION, role.id)] == ["f-2"]
    (again,) = await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="bob")
    assert again.assigned_by == "bob"


async def test_roles_of_an_organization_and_of_global_count(repositories: Repositories) -> None:
    """A user and a form have the roles of the scope and of GLOBAL, by role id; never those of another organization."""
    made = {scope: await role_in(repositories, scope) for scope in (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)}
    for scope, role in made.items():
        await repositories.roles.assign_users(scope, role.id, ["kim"], assigned_by="ada")
        await repositories.roles.assign_forms(scope, role.id, ["f-1"], assigned_by="ada")

    for scope in made:
        wanted = {(one, made[one].id) for one in (scope, GLOBAL)}
        assert roles(await repositories.roles.of_user(scope, "kim")) == wanted
        assert roles(await repositories.roles.of_form(scope, "f-1")) == wanted
        in_order = [one.role_id for one in await repositories.roles.of_user(scope, "kim")]
        assert in_order == sorted(in_order)
        for other, role in made.items():
            found = users(await repositories.roles.users(scope, role.id))
            assert found == (["kim"] if scope == other else [])


async def test_another_scope_cannot_take_a_role_back(repositories: Repositories) -> None:
    """Unassigning in a scope that is not the role's leaves the assignment alone."""
    role = await role_in(repositories)
    await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="ada")

    for scope in (OTHER_ORGANIZATION, GLOBAL):
        assert await repositories.roles.unassign_users(scope, role.id, ["kim"]) == 0
    assert users(await repositories.roles.users(ORGANIZATION, role.id)) == ["kim"]


async def test_ids_that_begin_alike_are_told_apart(repositories: Repositories) -> None:
    """Each of several users whose ids begin with each other has its own roles only, in lists and when one is taken back."""
    made = [await role_in(repositories, name=user) for user in ALIKE]
    for role, user in zip(made, ALIKE, strict=True):
        await repositories.roles.assign_users(ORGANIZATION, role.id, [user], assigned_by="ada")
    for role, user in zip(made, ALIKE, strict=True):
        assert roles(await repositories.roles.of_user(ORGANIZATION, user)) == {(ORGANIZATION, role.id)}
        assert users(await repositories.roles.users(ORGANIZATION, role.id)) == [user]
    await repositories.roles.assign_users(ORGANIZATION, made[0].id, ALIKE, assigned_by="ada")
    assert await repositories.roles.unassign_users(ORGANIZATION, made[0].id, [ALIKE[0]]) == 1

    assert users(await repositories.roles.users(ORGANIZATION, made[0].id)) == sorted(ALIKE[1:])


@given(
    name=strategies.texts.filter(lambda text: 1 <= len(text) <= 100), ids=st.lists(strategies.identifiers, min_size=1, max_size=4)
)
async def test_any_name_and_any_user(repositories: Repositories, name: str, ids: list[str]) -> None:
    """Any name can be a role's, any identifier a user's: assigned, listed from both sides, and taken back."""
    role = await repositories.roles.create(ORGANIZATION, name, created_by=ids[0], description=name)
    assert await repositories.roles.get(ORGANIZATION, role.id) == role
    assigned = await repositories.roles.assign_users(ORGANIZATION, role.id, ids, assigned_by=ids[0])
    wanted = list(dict.fromkeys(ids))

    assert (role.name, role.description) == (name, name)
    assert users(assigned) == wanted
    assert users(await repositories.roles.users(ORGANIZATION, role.id)) == sorted(wanted)
    for user in wanted:
        assert role.id in {one.role_id for one in await repositories.roles.of_user(ORGANIZATION, user)}
    assert await repositories.roles.unassign_users(ORGANIZATION, role.id, wanted) == len(wanted)
    assert len(await repositories.roles.users(ORGANIZATION, role.id)) == 0


async def test_more_users_than_are_written_together(repositories: Repositories) -> None:
    """Any number of users can be assigned, listed and taken back in one call."""
    role = await role_in(repositories)
    ids = [f"user-{number:03}" for number in range(75)]
    await repositories.roles.assign_users(ORGANIZATION, role.id, ids[40:50], assigned_by="ada")

    assert users(await repositories.roles.assign_users(ORGANIZATION, role.id, ids[::-1], assigned_by="bob")) == ids[::-1]
    stored = await repositories.roles.users(ORGANIZATION, role.id)
    assert users(stored) == ids
    assert [one.user_id for one in stored if one.assigned_by == "ada"] == ids[40:50]
    assert await repositories.roles.unassign_users(ORGANIZATION, role.id, ids) == 75


async def test_two_who_assign_the_same(repositories: Repositories) -> None:
    """Everybody's call succeeds, each user is assigned once, and all are told the same assignment."""
    role = await role_in(repositories)
    ids = ["kim", "lee", "zoe"]
    answers = await asyncio.gather(
        *(repositories.roles.assign_users(ORGANIZATION, role.id, ids, assigned_by=name) for name in ("ada", "bob", "cy"))
    )

    stored = await repositories.roles.users(ORGANIZATION, role.id)
    assert users(stored) == ids
    assert [list(answer) for answer in answers] == [list(stored)] * 3


async def test_assigning_while_others_unassign(repositories: Repositories) -> None:
    """Neither call fails for the other; each user ends with the role or without it, as both sides of the lists say."""
    role = await role_in(repositories)
    ids = ["kim", "lee", "zoe"]
    for _ in range(3):
        await asyncio.gather(
            repositories.roles.assign_users(ORGANIZATION, role.id, ids, assigned_by="ada"),
            repositories.roles.unassign_users(ORGANIZATION, role.id, ids),
            repositories.roles.assign_users(ORGANIZATION, role.id, ids[::-1], assigned_by="bob"),
        )
        having = users(await repositories.roles.users(ORGANIZATION, role.id))
        for user in ids:
            assert len(await repositories.roles.of_user(ORGANIZATION, user)) == (user in having)


@pytest.mark.parametrize("writes", range(4))
async def test_a_call_that_broke_off_is_completed_by_the_same_call(
    store: StoreUnderTest, repositories: Repositories, clock: SettableClock, writes: int
) -> None:
    """A process that dies between its writes has assigned, or unassigned, the first ones whole; the same call does the rest."""
    role = await role_in(repositories)
    ids = [f"user-{number:03}" for number in range(70)]
    for method, goal in (("assign_users", ids), ("unassign_users", [])):
        dying = repositories_over(StoppingBackend(store.backend, Countdown(writes)), store.blobs, clock)
        more = {"assigned_by": "ada"} if method == "assign_users" else {}
        try:
            await getattr(dying.roles, method)(ORGANIZATION, role.id, ids, **more)
        except Stopped:
            assert writes < 3
        done = users(await repositories.roles.users(ORGANIZATION, role.id))
        assert done in ((ids[:count] if goal else ids[count:]) for count in (0, 32, 64, 70))
        assert writes < 3 or done == goal
        await getattr(repositories.roles, method)(ORGANIZATION, role.id, ids, **more)
        assert users(await repositories.roles.users(ORGANIZATION, role.id)) == goal


@pytest.mark.parametrize("bad", [["kim", ""], ["x" * 129], [5], [None], ["\ud800"], "kim", None, {"kim": 1}], ids=repr)
async def test_what_is_no_list_of_users(store: StoreUnderTest, repositories: Repositories, bad: Any) -> None:
    """One id among several that can be none, or what is no list, is refused before any of them is assigned."""
    role = await role_in(repositories)
    before = await everything(store.backend)
    for call in (
        repositories.roles.assign_users(ORGANIZATION, role.id, bad, assigned_by="ada"),
        repositories.roles.unassign_users(ORGANIZATION, role.id, bad),
    ):
        with pytest.raises(InvalidRequestError, match=r"user_ids|user id"):
            await call
    with pytest.raises(InvalidKeyError, match="assigned_by"):
        await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="")

    assert await everything(store.backend) == before
