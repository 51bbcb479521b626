"""Integrations, as `bifrost_store.protocols.Integrations` promises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import Integration
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError, PreconditionFailedError
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio


async def put(
    repositories: Repositories, integration_type: str = "msgraph", *, scope: Scope = ORGANIZATION, **more: Any
) -> Integration:
    """Set an integration; what is not given is plain."""
    fields = {"enabled": True, "settings": {"tenant_id": "common"}, "updated_by": "ada"}
    return await repositories.integrations.set(scope, integration_type, **{**fields, **more})


async def test_setting_again_replaces(repositories: Repositories, clock: SettableClock) -> None:
    """An integration reads as it was returned; set again it is replaced whole."""
    first = await put(repositories, settings={"a": 1, "b": {"größe": [None]}})
    assert await repositories.integrations.get(ORGANIZATION, "msgraph") == first
    clock.advance(seconds=1)
    second = await put(repositories, enabled=False, settings={}, updated_by="bob")

    assert (first.type, first.enabled, first.settings) == ("msgraph", True, {"a": 1, "b": {"größe": [None]}})
    assert (second.enabled, second.settings, second.updated_by, second.updated_at) == (False, {}, "bob", clock.now)
    assert await repositories.integrations.get(ORGANIZATION, "msgraph") == second


@given(integration_type=strategies.identifiers, settings=strategies.json_objects)
async def test_any_type_and_settings(repositories: Repositories, integration_type: str, settings: dict[str, Any]) -> None:
    """Any type and any JSON object can be set, read, listed and deleted."""
    await put(repositories, integration_type, settings=settings)
    try:
        read = await repositories.integrations.get(ORGANIZATION, integration_type)
        assert read is not None
        assert (read.type, exact_json(read.settings)) == (integration_type, exact_json(settings))
        assert list(await repositories.integrations.list(ORGANIZATION)) == [read]
    finally:
        assert await repositories.integrations.delete(ORGANIZATION, integration_type) is True


async def test_get_falls_back_to_global(repositories: Repositories) -> None:
    """The organization's integration, else with fallback GLOBAL's, else None; one that is switched off hides GLOBAL's too."""
    shared = await put(repositories, scope=GLOBAL)
    assert await repositories.integrations.get(ORGANIZATION, "msgraph") == shared
    assert await repositories.integrations.get(ORGANIZATION, "msgraph", fallback=False) is None
    own = await put(repositories, enabled=False)

    assert await repositories.integrations.get(ORGANIZATION, "msgraph") == own
    assert await repositories.integrations.get(OTHER_ORGANIZATION, "msgraph") == shared
    assert await repositories.integrations.get(ORGANIZATION, "MSGRAPH") is None
    assert await repositories.integrations.delete(ORGANIZATION, "msgraph") is True
    assert await repositories.integrations.get(ORGANIZATION, "msgraph") == shared


async def test_lists_are_merged_by_type(repositories: Repositories) -> None:
    """The organization's integrations hide GLOBAL's of the same type; all by type; without GLOBAL only its own."""
    for scope, types in ((GLOBAL, ("msgraph", "halopsa")), (ORGANIZATION, ("msgraph", "clio")), (OTHER_ORGANIZATION, ("x",))):
        for one in types:
            await put(repositories, one, scope=scope)

    merged = await repositories.integrations.list(ORGANIZATION)
    own = await repositories.integrations.list(ORGANIZATION, include_global=False)
    assert [(one.type, one.scope) for one in merged] == [("clio", ORGANIZATION), ("halopsa", GLOBAL), ("msgraph", ORGANIZATION)]
    assert [one.type for one in own] == ["clio", "msgraph"]
    assert [one.type for one in await repositories.integrations.list(GLOBAL)] == ["halopsa", "msgraph"]


async def test_etags(repositories: Repositories) -> None:
    """With an etag set and delete change exactly that state; over a deleted or changed one PreconditionFailedError."""
    old = await put(repositories)
    new = await put(repositories, enabled=False, etag=old.etag)
    with pytest.raises(PreconditionFailedError):
        await put(repositories, etag=old.etag)
    with pytest.raises(PreconditionFailedError):
        await repositories.integrations.delete(ORGANIZATION, "msgraph", etag=old.etag)
    assert await repositories.integrations.delete(ORGANIZATION, "msgraph", etag=new.etag) is True

    assert await repositories.integrations.delete(ORGANIZATION, "msgraph") is False
    with pytest.raises(PreconditionFailedError):
        await put(repositories, etag=new.etag)
    assert await repositories.integrations.get(ORGANIZATION, "msgraph") is None


async def test_concurrent_sets(repositories: Repositories) -> None:
    """Of integrations set at the same time one is stored last, and every call succeeds."""
    stored = await at_once(6, lambda number: put(repositories, settings={"number": number}))

    assert all(isinstance(one, Integration) for one in stored)
    assert await repositories.integrations.get(ORGANIZATION, "msgraph") in stored


@pytest.mark.parametrize(
    ("integration_type", "fields", "expected"),
    [
        ("", {}, InvalidKeyError),
        ("x" * 129, {}, InvalidKeyError),
        (None, {}, InvalidKeyError),
        ("t", {"enabled": 1}, InvalidRequestError),
        ("t", {"settings": []}, InvalidRequestError),
        ("t", {"settings": None}, InvalidRequestError),
        ("t", {"settings": {1: 2}}, InvalidRequestError),
        ("t", {"settings": {"a": float("nan")}}, InvalidRequestError),
        ("t", {"settings": {"a": "x" * 32_768}}, DocumentTooLargeError),
        ("t", {"updated_by": ""}, InvalidKeyError),
    ],
)
async def test_bad_arguments(
    store: StoreUnderTest, repositories: Repositories, integration_type: Any, fields: dict[str, Any], expected: type[Exception]
) -> None:
    """What cannot be an integration is refused before any write."""
    with pytest.raises(expected) as caught:
        await put(repositories, integration_type, **fields)
    assert type(caught.value) is expected
    assert await everything(store.backend) == {}


async def test_bad_scopes(repositories: Repositories) -> None:
    """A scope must be a Scope, and not SYSTEM."""
    for scope in ("GLOBAL", None, SYSTEM):
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.integrations.get(scope, "msgraph")  # type: ignore[arg-type]
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.integrations.list(scope)  # type: ignore[arg-type]
