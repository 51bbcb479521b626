"""Organizations, as `bifrost_store.protocols.Organizations` promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bifrost_store.core.query import Query
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
)
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


async def test_created_organizations_are_found(repositories: Repositories) -> None:
    """Create stores what was given, the domain in lower case, with the scope that the organization owns."""
    created = await repositories.organizations.create("Contoso", created_by="ada", domain="Contoso.COM", id="c-1")

    assert (created.id, created.scope, created.name) == ("c-1", Scope.organization("c-1"), "Contoso")
    assert (created.domain, created.is_active, created.created_by) == ("contoso.com", True, "ada")
    assert created.created_at == created.updated_at == START
    assert await repositories.organizations.get("c-1") == created


async def test_without_an_id_one_is_made(repositories: Repositories) -> None:
    """Without an id each organization gets a new one."""
    first, second = [await repositories.organizations.create("Same", created_by="ada") for _ in range(2)]

    assert first.id != second.id
    assert len(first.id) == 36


async def test_a_taken_id_is_refused(repositories: Repositories) -> None:
    """Creating under a taken id raises DocumentExistsError and changes nothing."""
    created = await repositories.organizations.create("A", created_by="ada", id="a")
    with pytest.raises(DocumentExistsError):
        await repositories.organizations.create("B", created_by="ada", id="a")

    assert await repositories.organizations.get("a") == created


async def test_what_is_not_there(repositories: Repositories) -> None:
    """Get and find give None, delete False; update and deactivate raise DocumentNotFoundError."""
    organizations = repositories.organizations
    assert await organizations.get("x") is None
    assert await organizations.find_by_domain("x.com") is None
    assert await organizations.delete("x") is False
    with pytest.raises(DocumentNotFoundError):
        await organizations.update("x", name="y")
    with pytest.raises(DocumentNotFoundError):
        await organizations.update("x")
    with pytest.raises(DocumentNotFoundError):
        await organizations.deactivate("x")


async def test_find_by_domain(repositories: Repositories) -> None:
    """The first active organization by id is found, letter case aside; never an inactive one or part of a domain."""
    create = repositories.organizations.create
    await create("Old", created_by="ada", id="a", domain="x.com", is_active=False)
    await create("Late", created_by="ada", id="c", domain="x.com")
    await create("Early", created_by="ada", id="b", domain="X.com")
    await create("Longer", created_by="ada", id="0", domain="x.com.au")
    await create("None", created_by="ada", id="00")

    for domain in ("x.com", "X.COM"):
        found = await repositories.organizations.find_by_domain(domain)
        assert found is not None
        assert found.id == "b"
    assert await repositories.organizations.find_by_domain("x.co") is None
    await repositories.organizations.deactivate("b")
    found = await repositories.organizations.find_by_domain("x.com")
    assert found is not None
    assert found.id == "c"


async def test_organizations_are_listed_by_name_then_id(repositories: Repositories) -> None:
    """Lists go by name, then id, and leave inactive ones out unless asked for."""
    for name, id_, is_active in (("b", "1", True), ("a", "3", True), ("a", "2", False), ("B", "9", True), ("é", "0", True)):
        await repositories.organizations.create(name, created_by="ada", id=id_, is_active=is_active)

    assert [one.id for one in await repositories.organizations.list()] == ["9", "3", "1", "0"]
    assert [one.id for one in await repositories.organizations.list(active_only=False)] == ["9", "2", "3", "1", "0"]


async def test_update_tells_not_given_from_none(repositories: Repositories, clock: SettableClock) -> None:
    """Fields that are not given stay; None clears; `updated_at` moves; without any field nothing is written."""
    created = await repositories.organizations.create("A", created_by="ada", id="a", domain="x.com")
    clock.advance(seconds=1)
    same = await repositories.organizations.update("a")
    renamed = await repositories.organizations.update("a", name="B")
    cleared = await repositories.organizations.update("a", domain=None, is_active=False)

    assert same == created
    assert (renamed.name, renamed.domain, renamed.updated_at) == ("B", "x.com", clock.now)
    assert (cleared.name, cleared.domain, cleared.is_active) == ("B", None, False)
    assert (cleared.created_at, cleared.created_by) == (created.created_at, "ada")
    assert await repositories.organizations.get("a") == cleared


async def test_etags_guard_every_change(repositories: Repositories) -> None:
    """With an etag of another state update, deactivate and delete raise PreconditionFailedError and write nothing."""
    organizations = repositories.organizations
    old = await organizations.create("A", created_by="ada", id="a")
    new = await organizations.update("a", name="B", etag=old.etag)
    for call in (
        organizations.update("a", name="C", etag=old.etag),
        organizations.deactivate("a", etag=old.etag),
        organizations.delete("a", etag=old.etag),
    ):
        with pytest.raises(PreconditionFailedError):
            await call

    assert await organizations.get("a") == new
    assert await organizations.delete("a", etag=new.etag) is True


async def test_deactivating_twice_changes_nothing(repositories: Repositories, clock: SettableClock) -> None:
    """The document stays, inactive; repeating it leaves even `updated_at` alone."""
    await repositories.organizations.create("A", created_by="ada", id="a")
    first = await repositories.organizations.deactivate("a")
    clock.advance(seconds=1)

    assert first.is_active is False
    assert await repositories.organizations.deactivate("a") == first


async def test_delete_leaves_the_rest(repositories: Repositories) -> None:
    """Deleting removes the organization's document alone: users and executions stay."""
    await repositories.organizations.create("A", created_by="ada", id="a")
    await repositories.users.create("kim@x.com", organization_id="a")
    await repositories.executions.create(Scope.organization("a"), workflow_name="w", executed_by="k", executed_by_name="K")

    assert await repositories.organizations.delete("a") is True
    assert await repositories.organizations.delete("a") is False
    assert len(await repositories.users.list_organization("a")) == 1
    assert len(await repositories.executions.list(Scope.organization("a"))) == 1


async def test_concurrent_updates_are_all_kept(repositories: Repositories) -> None:
    """Updates of different fields at the same time, without etags, are all kept."""
    await repositories.organizations.create("A", created_by="ada", id="a")

    await asyncio.gather(
        repositories.organizations.update("a", name="B"),
        repositories.organizations.update("a", domain="b.com"),
        repositories.organizations.update("a", is_active=False),
    )

    stored = await repositories.organizations.get("a")
    assert stored is not None
    assert (stored.name, stored.domain, stored.is_active) == ("B", "b.com", False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": ""}, InvalidRequestError),
        ({"name": "x" * 201}, InvalidRequestError),
        ({"name": None}, InvalidRequestError),
        ({"name": "\ud800"}, InvalidRequestError),
        ({"created_by": ""}, InvalidKeyError),
        ({"created_by": "x" * 129}, InvalidKeyError),
        ({"domain": "a@b.com"}, InvalidRequestError),
        ({"domain": ""}, InvalidRequestError),
        ({"domain": 1}, InvalidRequestError),
        ({"id": "a/b"}, InvalidKeyError),
        ({"id": ""}, InvalidKeyError),
        ({"id": "GLOBAL"}, InvalidKeyError),
        ({"id": "x" * 37}, InvalidKeyError),
        ({"is_active": "yes"}, InvalidRequestError),
    ],
    ids=str,
)
async def test_bad_arguments(store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception]) -> None:
    """Bad arguments are refused, naming the field, before anything is written."""
    with pytest.raises(expected) as caught:
        await repositories.organizations.create(**{"name": "A", "created_by": "ada", **arguments})

    assert type(caught.value) is expected
    assert next(iter(arguments)) in str(caught.value)
    assert await everything(store.backend) == {}


async def test_one_unreadable_organization_hides_no_other(store: StoreUnderTest, repositories: Repositories) -> None:
    """A document that no model fits is named in `unreadable`, and the others are listed."""
    await repositories.organizations.create("A", created_by="ada", id="a")
    broken = await repositories.organizations.create("B", created_by="ada", id="b")
    record = broken.record
    await store.backend.replace(record.with_body({**record.body, "createdAt": None}), record.etag)

    page = await repositories.organizations.list()
    assert [one.id for one in page] == ["a"]
    assert len(page.unreadable) == 1
    assert "'b'" in str(page.unreadable[0])
    assert "createdAt" in str(page.unreadable[0])
    assert len(await store.backend.query(Query("organization", GLOBAL))) == 2
