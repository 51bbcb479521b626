"""Users, as `bifrost_store.protocols.Users` promises; who belongs where is in `repositories_memberships`."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import User, UserType
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
)
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import user
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio

A, B = Scope.organization("a"), Scope.organization("b")


def emails(users: Any) -> list[str]:
    """Return who is on a page."""
    return [one.email for one in users]


async def belonging(repositories: Repositories, email: str) -> list[str]:
    """Return the organizations of a user."""
    return [one.organization_id for one in await repositories.users.memberships(email)]


async def test_created_users_are_found(repositories: Repositories) -> None:
    """Create stores what was given; name, login and scope follow where nothing was."""
    kim = await repositories.users.create("Kim@X.com", organization_id="a", entra_user_id="e-1", created_by="ada")
    root = await repositories.users.create("root@x", user_type=UserType.PLATFORM, is_platform_admin=True, display_name="Root")

    assert (kim.id, kim.email, kim.display_name, kim.scope) == ("Kim@X.com", "Kim@X.com", "Kim", A)
    assert (kim.created_at, kim.last_login, kim.entra_user_id, kim.is_active) == (START, START, "e-1", True)
    assert (root.scope, root.display_name, root.is_platform_admin) == (GLOBAL, "Root", True)
    assert await repositories.users.get("Kim@X.com") == kim
    assert await repositories.users.get("kim@x.com") is None
    (member,) = await repositories.users.members("a")
    assert (member.email, member.created_by, member.created_at, member.scope) == ("Kim@X.com", "ada", START, A)


async def test_an_organization_need_not_exist(repositories: Repositories) -> None:
    """Deleting one leaves its users, and whoever comes to it later is stored like them."""
    organization = await repositories.organizations.create("Acme", created_by="ada")
    await repositories.users.create("kim@x", organization_id=organization.id)
    await repositories.organizations.delete(organization.id)
    lee = await repositories.users.create("lee@x", organization_id=organization.id)

    assert ["kim@x", "lee@x"] == emails(await repositories.users.list_organization(organization.id))
    assert lee.scope == Scope.organization(organization.id)


@given(email=strategies.emails)
async def test_any_email(repositories: Repositories, email: str) -> None:
    """A user may have any e-mail of 1 to 128 characters with an @, and is found by it everywhere."""
    created = await repositories.users.create(email, organization_id="a")
    try:
        assert await repositories.users.get(email) == created
        assert emails(await repositories.users.list()) == [email]
        assert emails(await repositories.users.list_organization("a")) == [email]
        assert await belonging(repositories, email) == ["a"]
    finally:
        assert await repositories.users.delete(email) is True
    assert emails(await repositories.users.members("a")) == []


async def test_a_taken_email_is_refused(repositories: Repositories) -> None:
    """A second create raises DocumentExistsError, also with another organization, and changes nothing."""
    created = await repositories.users.create("kim@x", organization_id="a")
    for organization_id in ("b", "a", None):
        with pytest.raises(DocumentExistsError):
            await repositories.users.create("kim@x", organization_id=organization_id)

    assert await repositories.users.get("kim@x") == created
    assert await belonging(repositories, "kim@x") == ["a"]


async def test_what_is_not_there(repositories: Repositories) -> None:
    """Get and find give None, lists nothing, delete and unassign False; every change raises DocumentNotFoundError."""
    users = repositories.users
    assert await users.any_exist() is False
    assert await users.get("x") is None
    assert await users.find_by_entra_id("x") is None
    assert (len(await users.list()), len(await users.list_organization("a")), len(await users.members("a"))) == (0, 0, 0)
    assert await users.delete("x") is False
    assert await users.unassign("x", "a") is False
    for call in (
        users.update("x", display_name="y"),
        users.promote("x"),
        users.demote("x", "a"),
        users.rename("x", "y@x"),
        users.record_login("x"),
        users.assign("x", "a", created_by="ada"),
    ):
        with pytest.raises(DocumentNotFoundError):
            await call
    assert len(await users.members("a")) == 0


async def test_find_by_entra_id(repositories: Repositories) -> None:
    """The first user by e-mail with exactly that id is found."""
    for email, entra_id in (("c@x", "E"), ("b@x", "E"), ("a@x", "E1"), ("d@x", None)):
        await repositories.users.create(email, entra_user_id=entra_id, organization_id="a")

    found = await repositories.users.find_by_entra_id("E")
    assert found is not None
    assert (found.email, found.scope) == ("b@x", A)
    assert await repositories.users.find_by_entra_id("e") is None


async def test_order_of_lists(repositories: Repositories, clock: SettableClock) -> None:
    """By display name, then e-mail; by last login the latest first, then e-mail, who never did last."""
    for email, name in (("c@x", "Z"), ("b@x", "A"), ("a@x", "A"), ("d@x", "a")):
        await repositories.users.create(email, display_name=name, organization_id="a")
        clock.advance(seconds=1)
    await repositories.users.record_login("c@x", at=START + timedelta(seconds=30))
    await repositories.users.record_login("b@x", at=START + timedelta(seconds=30))

    for listed in (repositories.users.list, lambda **more: repositories.users.list_organization("a", **more)):
        assert emails(await listed()) == ["a@x", "b@x", "c@x", "d@x"]
        assert emails(await listed(by_last_login=True)) == ["b@x", "c@x", "d@x", "a@x"]


async def test_who_never_logged_in_comes_last(store: StoreUnderTest, repositories: Repositories) -> None:
    """Users without a login are listed after all others, by e-mail."""
    await repositories.users.create("z@x")
    for email in ("b", "a"):
        await store.backend.create(user(email))

    assert emails(await repositories.users.list(by_last_login=True)) == ["z@x", "a", "b"]


async def test_update_tells_not_given_from_none(repositories: Repositories) -> None:
    """Fields that are not given stay, None clears, times are UTC; without a field nothing is written."""
    created = await repositories.users.create("kim@x", organization_id="a", entra_user_id="e")
    assert await repositories.users.update("kim@x") == created
    synced = datetime(2025, 1, 1, 12)  # noqa: DTZ001
    changed = await repositories.users.update("kim@x", display_name="K", is_active=False, last_entra_id_sync=synced)
    cleared = await repositories.users.update("kim@x", entra_user_id=None, last_entra_id_sync=None)

    assert (changed.display_name, changed.is_active, changed.entra_user_id) == ("K", False, "e")
    assert changed.last_entra_id_sync is not None
    assert changed.last_entra_id_sync.isoformat() == "2025-01-01T12:00:00+00:00"
    assert (cleared.entra_user_id, cleared.last_entra_id_sync, cleared.display_name) == (None, None, "K")
    assert await repositories.users.get("kim@x") == cleared


async def test_logins_never_go_back(repositories: Repositories, clock: SettableClock) -> None:
    """`last_login` is set to the moment given, by default now, unless a later one is stored."""
    await repositories.users.create("kim@x")
    later = START + timedelta(hours=1)

    assert (await repositories.users.record_login("kim@x", at=later)).last_login == later
    assert (await repositories.users.record_login("kim@x", at=START + timedelta(minutes=5))).last_login == later
    assert (await repositories.users.record_login("kim@x")).last_login == later
    clock.now = START + timedelta(hours=2)
    assert (await repositories.users.record_login("kim@x")).last_login == clock.now


async def test_etags_guard_every_change(repositories: Repositories) -> None:
    """With an etag of another state every change raises PreconditionFailedError and writes nothing."""
    users = repositories.users
    old = await users.create("kim@x", organization_id="a")
    new = await users.update("kim@x", display_name="K", etag=old.etag)
    for call in (
        users.update("kim@x", display_name="L", etag=old.etag),
        users.promote("kim@x", etag=old.etag),
        users.demote("kim@x", "b", etag=old.etag),
        users.delete("kim@x", etag=old.etag),
    ):
        with pytest.raises(PreconditionFailedError):
            await call
    assert await users.get("kim@x") == new
    assert await belonging(repositories, "kim@x") == ["a"]
    assert await users.delete("kim@x", etag=new.etag) is True


async def test_any_exist(repositories: Repositories) -> None:
    """Whether there is anyone at all."""
    await repositories.users.create("kim@x", is_active=False)
    assert await repositories.users.any_exist() is True
    await repositories.users.delete("kim@x")
    assert await repositories.users.any_exist() is False


async def test_concurrent_changes_are_all_kept(repositories: Repositories) -> None:
    """Changes of different fields at the same time are all kept."""
    await repositories.users.create("kim@x", organization_id="a")
    later = START + timedelta(days=1)
    await asyncio.gather(
        repositories.users.update("kim@x", display_name="K"),
        repositories.users.update("kim@x", entra_user_id="e"),
        repositories.users.record_login("kim@x", at=later),
        repositories.users.assign("kim@x", "b", created_by="ada"),
    )

    kim = await repositories.users.get("kim@x")
    assert isinstance(kim, User)
    assert (kim.display_name, kim.entra_user_id, kim.last_login) == ("K", "e", later)
    assert await belonging(repositories, "kim@x") == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"email": ""}, InvalidKeyError),
        ({"email": "x" * 129}, InvalidKeyError),
        ({"email": "\ud800"}, InvalidKeyError),
        ({"email": None}, InvalidKeyError),
        ({"email": "kim"}, InvalidKeyError),
        ({"display_name": ""}, InvalidRequestError),
        ({"display_name": "x" * 201}, InvalidRequestError),
        ({"user_type": "ADMIN"}, InvalidRequestError),
        ({"is_platform_admin": True}, InvalidRequestError),
        ({"is_platform_admin": 1}, InvalidRequestError),
        ({"organization_id": "GLOBAL"}, InvalidKeyError),
        ({"organization_id": "a/b"}, InvalidKeyError),
        ({"organization_id": "a", "user_type": UserType.PLATFORM}, InvalidRequestError),
        ({"entra_user_id": ""}, InvalidKeyError),
        ({"created_by": ""}, InvalidKeyError),
        ({"is_active": None}, InvalidRequestError),
    ],
    ids=str,
)
async def test_bad_arguments(store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception]) -> None:
    """Bad arguments are refused, naming the field, before anything is written."""
    with pytest.raises(expected) as caught:
        await repositories.users.create(**{"email": "kim@x", **arguments})

    assert type(caught.value) is expected
    assert next(iter(arguments)) in str(caught.value)
    assert await everything(store.backend) == {}
