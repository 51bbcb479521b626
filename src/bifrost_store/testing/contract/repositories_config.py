"""Configuration values, as `bifrost_store.protocols.Configs` promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel

from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import ConfigType
from bifrost_store.errors import DocumentNotFoundError, InvalidKeyError, InvalidRequestError, PreconditionFailedError
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strategies import nested
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio


async def put(repositories: Repositories, key: str, value: Any = "v", *, scope: Scope = ORGANIZATION, **more: Any) -> Any:
    """Set a text, or another type if one is given."""
    return await repositories.config.set(scope, key, value, **{"config_type": ConfigType.STRING, "updated_by": "ada", **more})


@pytest.mark.parametrize(
    ("config_type", "value"),
    [
        (ConfigType.STRING, ""),
        (ConfigType.STRING, "null"),
        (ConfigType.STRING, "tRuE\x00\u2028🙂"),
        (ConfigType.INT, 0),
        (ConfigType.INT, -(2**63) - 1),
        (ConfigType.INT, 10**400),
        (ConfigType.BOOL, True),
        (ConfigType.BOOL, False),
        (ConfigType.JSON, None),
        (ConfigType.JSON, "text"),
        (ConfigType.JSON, [1, 1.0, -0.0, {"a": [None, True]}, 2**53 + 1]),
        (ConfigType.JSON, {}),
    ],
)
async def test_typed_values_come_back(repositories: Repositories, config_type: ConfigType, value: Any) -> None:
    """A value of each type comes back equal, type for type."""
    stored = await put(repositories, "key", value, config_type=config_type)

    read = await repositories.config.get(ORGANIZATION, "key")
    assert read is not None
    assert read == stored
    assert read.config_type is config_type
    assert exact_json(read.value) == exact_json(value)
    assert read.secret_ref is None


@given(key=strategies.config_keys, value=strategies.json_values)
async def test_any_key_and_value(repositories: Repositories, key: str, value: Any) -> None:
    """Any key and any JSON value can be set, read, listed and deleted."""
    await put(repositories, key, value, config_type=ConfigType.JSON)
    try:
        read = await repositories.config.get(ORGANIZATION, key)
        assert read is not None
        assert (read.key, exact_json(read.value)) == (key, exact_json(value))
        assert [one.key for one in await repositories.config.list(ORGANIZATION)] == [key]
    finally:
        assert await repositories.config.delete(ORGANIZATION, key) is True


async def test_a_secret_ref_is_a_name(repositories: Repositories) -> None:
    """A secret_ref keeps the name of a secret apart from values; what cannot be a name is refused, and not shown."""
    stored = await put(repositories, "password", "bifrost-o-1-password-1", config_type=ConfigType.SECRET_REF)

    assert (stored.value, stored.secret_ref) == (None, "bifrost-o-1-password-1")
    assert await repositories.config.get(ORGANIZATION, "password") == stored
    for secret in ("hunter 2", "pass_word!", "", "x" * 128, None, 5):
        with pytest.raises(InvalidRequestError) as caught:
            await put(repositories, "password", secret, config_type=ConfigType.SECRET_REF)
        assert not secret or str(secret) not in str(caught.value) or secret == 5
    assert await repositories.config.get(ORGANIZATION, "password") == stored


async def test_setting_again_replaces(repositories: Repositories, clock: SettableClock) -> None:
    """Set over a value replaces it, also by one of another type; a description that is not given stays, None clears it."""
    await put(repositories, "key", "a", description="what it is for")
    clock.advance(seconds=1)
    second = await put(repositories, "key", 5, config_type=ConfigType.INT, updated_by="bob")
    third = await put(repositories, "key", "name", config_type=ConfigType.SECRET_REF, description=None)

    assert (second.value, second.description, second.updated_by, second.updated_at) == (5, "what it is for", "bob", clock.now)
    assert (third.value, third.secret_ref, third.description) == (None, "name", None)
    assert await repositories.config.get(ORGANIZATION, "key") == third


async def test_get_falls_back_to_global(repositories: Repositories) -> None:
    """The organization's value, else with fallback GLOBAL's, else None; a deleted value uncovers GLOBAL's again."""
    shared = await put(repositories, "key", "shared", scope=GLOBAL)
    assert await repositories.config.get(ORGANIZATION, "key") == shared
    assert await repositories.config.get(ORGANIZATION, "key", fallback=False) is None
    own = await put(repositories, "key", "own")

    assert await repositories.config.get(ORGANIZATION, "key") == own
    assert await repositories.config.get(OTHER_ORGANIZATION, "key") == shared
    assert await repositories.config.get(GLOBAL, "key") == shared
    assert await repositories.config.delete(ORGANIZATION, "key") is True
    assert await repositories.config.get(ORGANIZATION, "key") == shared
    assert await repositories.config.get(ORGANIZATION, "KEY") is None


async def test_lists_are_merged_by_key(repositories: Repositories) -> None:
    """The organization's values hide GLOBAL's of the same key; all by key; without GLOBAL only its own."""
    for scope, keys in ((GLOBAL, ("b", "a", "é", "B")), (ORGANIZATION, ("b", "c", "%2F")), (OTHER_ORGANIZATION, ("d",))):
        for key in keys:
            await put(repositories, key, str(scope), scope=scope)

    merged = await repositories.config.list(ORGANIZATION)
    assert [(one.key, one.scope) for one in merged] == [
        ("%2F", ORGANIZATION),
        ("B", GLOBAL),
        ("a", GLOBAL),
        ("b", ORGANIZATION),
        ("c", ORGANIZATION),
        ("é", GLOBAL),
    ]
    assert [one.key for one in await repositories.config.list(ORGANIZATION, include_global=False)] == ["%2F", "b", "c"]
    assert [one.key for one in await repositories.config.list(GLOBAL)] == ["B", "a", "b", "é"]


async def test_etags(repositories: Repositories) -> None:
    """With an etag set and delete change exactly that state; over a deleted or changed one PreconditionFailedError."""
    old = await put(repositories, "key", "a")
    new = await put(repositories, "key", "b", etag=old.etag)
    with pytest.raises(PreconditionFailedError):
        await put(repositories, "key", "c", etag=old.etag)
    with pytest.raises(PreconditionFailedError):
        await repositories.config.delete(ORGANIZATION, "key", etag=old.etag)
    assert await repositories.config.delete(ORGANIZATION, "key", etag=new.etag) is True
    assert await repositories.config.delete(ORGANIZATION, "key") is False
    with pytest.raises(PreconditionFailedError):
        await put(repositories, "key", "d", etag=new.etag)
    assert await repositories.config.get(ORGANIZATION, "key") is None


async def test_concurrent_sets(repositories: Repositories) -> None:
    """Of values set at the same time one is stored last, and every call succeeds."""
    stored = await asyncio.gather(*(put(repositories, "key", str(number)) for number in range(10)))

    read = await repositories.config.get(ORGANIZATION, "key")
    assert read is not None
    assert read.etag in {one.etag for one in stored}
    assert sorted(one.value for one in stored) == [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("key", "value", "config_type", "expected"),
    [
        ("", "x", "string", InvalidKeyError),
        ("x" * 129, "x", "string", InvalidKeyError),
        (5, "x", "string", InvalidKeyError),
        ("oauth_github_metadata", "x", "string", InvalidKeyError),
        ("oauth_a_b_client_secret", "x", "string", InvalidKeyError),
        ("oauth_x_oauth_response", "x", "string", InvalidKeyError),
        ("k", 1, "string", InvalidRequestError),
        ("k", None, "string", InvalidRequestError),
        ("k", "1", "int", InvalidRequestError),
        ("k", 1.0, "int", InvalidRequestError),
        ("k", True, "int", InvalidRequestError),
        ("k", 1, "bool", InvalidRequestError),
        ("k", "true", "bool", InvalidRequestError),
        ("k", float("nan"), "json", InvalidRequestError),
        ("k", {1: 2}, "json", InvalidRequestError),
        ("k", (1,), "json", InvalidRequestError),
        ("k", "\ud800", "string", InvalidRequestError),
        ("k", "x", "yaml", InvalidRequestError),
    ],
)
async def test_bad_arguments(
    store: StoreUnderTest, repositories: Repositories, key: Any, value: Any, config_type: Any, expected: type[Exception]
) -> None:
    """Values that do not fit their type, and keys that are none or belong to OAuth connections, are refused before any write."""
    with pytest.raises(expected) as caught:
        await put(repositories, key, value, config_type=config_type)
    assert type(caught.value) is expected
    assert await everything(store.backend) == {}


class Limits(BaseModel):
    """What an application reads a value as."""

    retries: int
    pause: timedelta = timedelta(seconds=1)


class Unreadable:
    """What pydantic knows nothing of."""


@pytest.mark.parametrize(
    ("config_type", "value", "value_type", "expected"),
    [
        (ConfigType.INT, 2**70, int, 2**70),
        (ConfigType.INT, 5, float, 5.0),
        (ConfigType.BOOL, False, bool, False),
        (ConfigType.STRING, "5", str, "5"),
        (ConfigType.STRING, "int", ConfigType, ConfigType.INT),
        (ConfigType.JSON, -0.5, float, -0.5),
        (ConfigType.JSON, [1, 2], list[int], [1, 2]),
        (ConfigType.JSON, {"retries": 3, "pause": "PT5S"}, Limits, Limits(retries=3, pause=timedelta(seconds=5))),
        (ConfigType.JSON, nested("x", 99), object, nested("x", 99)),
    ],
    ids=str,
)
async def test_values_by_type(
    repositories: Repositories, config_type: ConfigType, value: Any, value_type: type[Any], expected: Any
) -> None:
    """A value is read as any type that fits it, type for type, wherever it is found."""
    await put(repositories, "key", value, config_type=config_type, scope=GLOBAL)
    read = await repositories.config.get_value(ORGANIZATION, "key", value_type)

    assert expected == read
    assert type(expected) is type(read)


@pytest.mark.parametrize(
    ("config_type", "value", "value_type"),
    [
        (ConfigType.STRING, "4711", int),
        (ConfigType.BOOL, True, int),
        (ConfigType.INT, 4711, bool),
        (ConfigType.INT, 4711, str),
        (ConfigType.JSON, 4711.0, int),
        (ConfigType.JSON, None, int),
        (ConfigType.JSON, ["4711"], list[int]),
        (ConfigType.JSON, {"retries": "4711"}, Limits),
        (ConfigType.JSON, {"4711": 1}, dict[int, str]),
        (ConfigType.SECRET_REF, "name-4711", str),
    ],
    ids=str,
)
async def test_values_of_another_type(
    repositories: Repositories, config_type: ConfigType, value: Any, value_type: type[Any]
) -> None:
    """What does not fit, and the name of a secret, is refused by an error that names the key and nothing of the value."""
    await put(repositories, "key", value, config_type=config_type)
    with pytest.raises(InvalidRequestError, match="config 'key' of org-o-1") as caught:
        await repositories.config.get_value(ORGANIZATION, "key", value_type, default=value_type)

    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_values_that_are_missing(repositories: Repositories) -> None:
    """Without a value the default is the answer, None too; without a default DocumentNotFoundError tells where nothing is."""
    await put(repositories, "own", 1, config_type=ConfigType.INT, scope=GLOBAL)

    assert await repositories.config.get_value(ORGANIZATION, "key", int, default=3) == 3
    assert await repositories.config.get_value(ORGANIZATION, "key", int, default=None) is None
    assert await repositories.config.get_value(ORGANIZATION, "own", int, default=0, fallback=False) == 0
    with pytest.raises(DocumentNotFoundError, match="neither in org-o-1 nor in GLOBAL"):
        await repositories.config.get_value(ORGANIZATION, "key", int)
    with pytest.raises(DocumentNotFoundError, match="not set in org-o-1;"):
        await repositories.config.get_value(ORGANIZATION, "key", int, fallback=False)
    with pytest.raises(InvalidRequestError, match="value_type"):
        await repositories.config.get_value(ORGANIZATION, "own", Unreadable)


async def test_bad_scopes(repositories: Repositories) -> None:
    """A scope must be a Scope, and not SYSTEM."""
    for scope in ("GLOBAL", None, Scope("SYSTEM")):
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.config.get(scope, "key")  # type: ignore[arg-type]
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.config.list(scope)  # type: ignore[arg-type]
