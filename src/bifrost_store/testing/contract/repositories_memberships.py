"""Who belongs to which organization: assignments, promotion, demotion, rename, delete."""

from __future__ import annotations

import asyncio

import pytest

from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import UserType
from bifrost_store.errors import (
    DocumentExistsError,
    InvalidRequestError,
)
from bifrost_store.testing.contract.repositories_users import A, B, belonging, emails
from bifrost_store.testing.examples import membership, user
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


async def test_promote_and_demote(repositories: Repositories) -> None:
    """Promotion makes a platform admin and ends all memberships; demotion an ordinary member of one organization. Both repeat."""
    users = repositories.users
    await users.create("kim", organization_id="a")
    await users.assign("kim", "b", created_by="ada")
    for _ in range(2):
        promoted = await users.promote("kim")
        assert (promoted.user_type, promoted.is_platform_admin, promoted.scope) == (UserType.PLATFORM, True, GLOBAL)
        assert await belonging(repositories, "kim") == []
        assert emails(await users.list_organization("a")) == []
    for _ in range(2):
        demoted = await users.demote("kim", "b", demoted_by="ada")
        assert (demoted.user_type, demoted.is_platform_admin, demoted.scope) == (UserType.ORG, False, B)
        assert await belonging(repositories, "kim") == ["b"]
    assert await users.get("kim") == demoted
    assert emails(await users.list_organization("b")) == ["kim"]


async def test_assign_and_unassign(repositories: Repositories) -> None:
    """A user may belong to several organizations; the shown one follows; a repeated assignment stays as it was."""
    users = repositories.users
    await users.create("kim")
    first = await users.assign("kim", "b", created_by="ada")
    again = await users.assign("kim", "b", created_by="bob")
    await users.assign("kim", "a", created_by="ada")

    assert again == first
    assert first.created_by == "ada"
    assert await belonging(repositories, "kim") == ["a", "b"]
    kim = await users.get("kim")
    assert kim is not None
    assert kim.scope == B
    assert emails(await users.list_organization("a")) == emails(await users.list_organization("b")) == ["kim"]
    assert await users.unassign("kim", "b") is True
    assert await users.unassign("kim", "b") is False
    kim = await users.get("kim")
    assert kim is not None
    assert kim.scope == A
    assert await users.unassign("kim", "a") is True
    kim = await users.get("kim")
    assert kim is not None
    assert kim.scope == GLOBAL


async def test_platform_users_belong_nowhere(store: StoreUnderTest, repositories: Repositories) -> None:
    """A PLATFORM user cannot be assigned; a membership that a crash left is shown by no list."""
    await repositories.users.create("root", user_type=UserType.PLATFORM)
    with pytest.raises(InvalidRequestError):
        await repositories.users.assign("root", "a", created_by="ada")
    await store.backend.create(membership("root", scope=A))

    assert emails(await repositories.users.list_organization("a")) == []
    assert emails(await repositories.users.members("a")) == []
    assert await belonging(repositories, "root") == []


async def test_rename(repositories: Repositories) -> None:
    """User and memberships move; the old e-mail is free; a taken one is refused and nothing moves."""
    users = repositories.users
    kim = await users.create("kim", organization_id="a", display_name="Kim", entra_user_id="e")
    await users.assign("kim", "b", created_by="ada")
    await users.create("lee", organization_id="a")
    with pytest.raises(DocumentExistsError):
        await users.rename("kim", "lee")
    assert await users.get("kim") == kim
    assert await belonging(repositories, "lee") == ["a"]

    renamed = await users.rename("kim", "kim@new")

    assert (renamed.email, renamed.display_name, renamed.entra_user_id, renamed.scope) == ("kim@new", "Kim", "e", A)
    assert renamed.created_at == kim.created_at
    assert await users.get("kim") is None
    assert await belonging(repositories, "kim") == []
    assert await belonging(repositories, "kim@new") == ["a", "b"]
    assert (await users.create("kim")).email == "kim"
    with pytest.raises(InvalidRequestError):
        await users.rename("kim", "kim")


async def test_delete_ends_memberships(repositories: Repositories) -> None:
    """With the user go the memberships; a user created again belongs to nothing."""
    users = repositories.users
    await users.create("kim", organization_id="a")
    await users.assign("kim", "b", created_by="ada")

    assert await users.delete("kim") is True
    assert await users.delete("kim") is False
    assert await belonging(repositories, "kim") == []
    assert len(await users.members("b")) == 0
    again = await users.create("kim")
    assert again.scope == GLOBAL


async def test_users_of_the_old_application(store: StoreUnderTest, repositories: Repositories) -> None:
    """A user without a stored organization shows the membership of the smallest organization id; one without a user is no user."""
    await store.backend.create(user("kim"))
    for scope in (B, A):
        await store.backend.create(membership("kim", scope=scope))
    await store.backend.create(membership("ghost", scope=A))

    kim = await repositories.users.get("kim")
    assert kim is not None
    assert kim.scope == A
    (listed,) = await repositories.users.list()
    assert listed.scope == A
    assert [(one.email, one.scope) for one in await repositories.users.list_organization("b")] == [("kim", B)]
    assert emails(await repositories.users.list_organization("a")) == ["kim"]
    assert emails(await repositories.users.members("a")) == ["ghost", "kim"]


async def test_many_members(repositories: Repositories) -> None:
    """An organization of more members than one query may name is listed whole."""
    await asyncio.gather(*(repositories.users.create(f"u-{number:03}", organization_id="a") for number in range(105)))

    assert len(await repositories.users.list_organization("a")) == 105
