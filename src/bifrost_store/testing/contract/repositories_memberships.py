"""Who belongs to which organization: assignments, promotion, demotion, rename, delete."""

from __future__ import annotations

import asyncio

import pytest

from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import UserType
from bifrost_store.errors import (
    DocumentExistsError,
    InvalidKeyError,
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
    await users.create("kim@x", organization_id="a")
    await users.assign("kim@x", "b", created_by="ada")
    for _ in range(2):
        promoted = await users.promote("kim@x")
        assert (promoted.user_type, promoted.is_platform_admin, promoted.scope) == (UserType.PLATFORM, True, GLOBAL)
        assert await belonging(repositories, "kim@x") == []
        assert emails(await users.list_organization("a")) == []
    for _ in range(2):
        demoted = await users.demote("kim@x", "b", demoted_by="ada")
        assert (demoted.user_type, demoted.is_platform_admin, demoted.scope) == (UserType.ORG, False, B)
        assert await belonging(repositories, "kim@x") == ["b"]
    assert await users.get("kim@x") == demoted
    assert emails(await users.list_organization("b")) == ["kim@x"]


async def test_assign_and_unassign(repositories: Repositories) -> None:
    """A user may belong to several organizations; the shown one follows; a repeated assignment stays as it was."""
    users = repositories.users
    await users.create("kim@x")
    first = await users.assign("kim@x", "b", created_by="ada")
    again = await users.assign("kim@x", "b", created_by="bob")
    await users.assign("kim@x", "a", created_by="ada")

    assert again == first
    assert first.created_by == "ada"
    assert await belonging(repositories, "kim@x") == ["a", "b"]
    kim = await users.get("kim@x")
    assert kim is not None
    assert kim.scope == B
    assert emails(await users.list_organization("a")) == emails(await users.list_organization("b")) == ["kim@x"]
    assert await users.unassign("kim@x", "b") is True
    assert await users.unassign("kim@x", "b") is False
    kim = await users.get("kim@x")
    assert kim is not None
    assert kim.scope == A
    assert await users.unassign("kim@x", "a") is True
    kim = await users.get("kim@x")
    assert kim is not None
    assert kim.scope == GLOBAL


async def test_platform_users_belong_nowhere(store: StoreUnderTest, repositories: Repositories) -> None:
    """A PLATFORM user cannot be assigned; a membership that a crash left is shown by no list."""
    await repositories.users.create("root@x", user_type=UserType.PLATFORM)
    with pytest.raises(InvalidRequestError):
        await repositories.users.assign("root@x", "a", created_by="ada")
    await store.backend.create(membership("root@x", scope=A))

    assert emails(await repositories.users.list_organization("a")) == []
    assert emails(await repositories.users.members("a")) == []
    assert await belonging(repositories, "root@x") == []


async def test_rename(repositories: Repositories) -> None:
    """User and memberships move; the old e-mail is free; a taken one is refused and nothing moves."""
    users = repositories.users
    kim = await users.create("kim@x", organization_id="a", display_name="Kim", entra_user_id="e")
    await users.assign("kim@x", "b", created_by="ada")
    await users.create("lee@x", organization_id="a")
    with pytest.raises(DocumentExistsError):
        await users.rename("kim@x", "lee@x")
    assert await users.get("kim@x") == kim
    assert await belonging(repositories, "lee@x") == ["a"]

    renamed = await users.rename("kim@x", "kim@new")

    assert (renamed.email, renamed.display_name, renamed.entra_user_id, renamed.scope) == ("kim@new", "Kim", "e", A)
    assert renamed.created_at == kim.created_at
    assert await users.get("kim@x") is None
    assert await belonging(repositories, "kim@x") == []
    assert await belonging(repositories, "kim@new") == ["a", "b"]
    assert (await users.create("kim@x")).email == "kim@x"
    with pytest.raises(InvalidRequestError):
        await users.rename("kim@x", "kim@x")
    with pytest.raises(InvalidKeyError, match="new_email"):
        await users.rename("kim@x", "kim")


async def test_delete_ends_memberships(repositories: Repositories) -> None:
    """With the user go the memberships; a user created again belongs to nothing."""
    users = repositories.users
    await users.create("kim@x", organization_id="a")
    await users.assign("kim@x", "b", created_by="ada")

    assert await users.delete("kim@x") is True
    assert await users.delete("kim@x") is False
    assert await belonging(repositories, "kim@x") == []
    assert len(await users.members("b")) == 0
    again = await users.create("kim@x")
    assert again.scope == GLOBAL


async def test_users_of_the_old_application(store: StoreUnderTest, repositories: Repositories) -> None:
    """A user without a stored organization shows the membership of the smallest organization id; one without a user is no user."""
    await store.backend.create(user("kim@x"))
    for scope in (B, A):
        await store.backend.create(membership("kim@x", scope=scope))
    await store.backend.create(membership("ghost", scope=A))

    kim = await repositories.users.get("kim@x")
    assert kim is not None
    assert kim.scope == A
    (listed,) = await repositories.users.list()
    assert listed.scope == A
    assert [(one.email, one.scope) for one in await repositories.users.list_organization("b")] == [("kim@x", B)]
    assert emails(await repositories.users.list_organization("a")) == ["kim@x"]
    assert emails(await repositories.users.members("a")) == ["ghost", "kim@x"]


async def test_users_without_an_at(store: StoreUnderTest, repositories: Repositories) -> None:
    """A stored user whose e-mail has no @ is read, changed, renamed and deleted like any other."""
    for email in ("old", "older"):
        await store.backend.create(user(email))
        await repositories.users.assign(email, "a", created_by="ada")
    updated = await repositories.users.update("old", display_name="Old")
    renamed = await repositories.users.rename("old", "new@x")

    assert (updated.email, renamed.email, renamed.display_name) == ("old", "new@x", "Old")
    assert emails(await repositories.users.list_organization("a")) == ["new@x", "older"]
    assert await repositories.users.delete("older") is True


async def test_many_members(repositories: Repositories) -> None:
    """An organization of more members than one query may name is listed whole."""
    await asyncio.gather(*(repositories.users.create(f"u-{number:03}@x", organization_id="a") for number in range(105)))

    assert len(await repositories.users.list_organization("a")) == 105
