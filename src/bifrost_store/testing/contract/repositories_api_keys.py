"""API keys, as `bifrost_store.protocols.ApiKeys` promises."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from bifrost_store.documents import ApiKey
from bifrost_store.errors import (
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    NotProvisionedError,
    PreconditionFailedError,
)
from bifrost_store.protocols import NewApiKey
from bifrost_store.repositories.api_keys import KEY_PREFIX, ApiKeyRepository
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.harness import Fault, StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio

WORKFLOW = "ticket_triage"
LATER = START + timedelta(hours=1)


async def made(repositories: Repositories, workflow_id: str | None = WORKFLOW, **more: Any) -> NewApiKey:
    """Make a key, of one workflow if nothing else is asked for."""
    return await repositories.api_keys.create(**{"created_by": "ada", "workflow_id": workflow_id, **more})


async def is_let_in(repositories: Repositories, new: NewApiKey, workflow: str = WORKFLOW) -> bool:
    """Return whether a key may start a workflow; the answer must name that key."""
    valid = await repositories.api_keys.validate(new.key, workflow)
    assert valid is None or valid.id == new.document.id
    return valid is not None


async def test_a_key_is_returned_once(repositories: Repositories) -> None:
    """Create returns the key, and the document that get finds; every key is new, long, and known by what it begins with."""
    new = await made(repositories, description="portal", expires_at=LATER, disable_global_key=True)
    other = await made(repositories)

    document = new.document
    assert new.key.startswith(KEY_PREFIX)
    assert len(new.key) == len(KEY_PREFIX) + 43
    assert (new.key, document.id) != (other.key, other.document.id)
    assert (document.workflow_id, document.description, document.expires_at) == (WORKFLOW, "portal", LATER)
    assert (document.created_by, document.created_at, document.last_used_at) == ("ada", START, None)
    assert (document.is_revoked, document.disable_global_key) == (False, True)
    assert await repositories.api_keys.get(document.id) == document


async def test_only_a_hash_is_stored(store: StoreUnderTest, repositories: Repositories) -> None:
    """The store holds the key's SHA-256 and nothing of the key; neither shows in a repr, a text or JSON."""
    new = await made(repositories)
    hashed = hashlib.sha256(new.key.encode()).hexdigest()
    found = await repositories.api_keys.validate(new.key, WORKFLOW)

    secret = new.key.removeprefix(KEY_PREFIX)
    assert secret not in repr(await everything(store.backend))
    assert new.document.hashed_key == hashed
    for shown in (new, new.document, found):
        assert secret not in repr(shown) + str(shown)
        assert hashed not in repr(shown) + str(shown)
    for dumped in (new.document.model_dump(), new.document.model_dump(by_alias=True), new.document.model_dump_json()):
        assert secret not in str(dumped)
        assert hashed not in str(dumped)


async def test_a_key_starts_its_workflow_alone(repositories: Repositories) -> None:
    """A workflow's key starts that workflow, a global one any; a key that nobody made, or a stored hash, starts none."""
    own, foreign, shared = await made(repositories), await made(repositories, "ticket"), await made(repositories, None)

    assert await is_let_in(repositories, own)
    assert not await is_let_in(repositories, foreign)
    assert await is_let_in(repositories, shared)
    assert not await is_let_in(repositories, own, "ticket")
    assert not await is_let_in(repositories, own, WORKFLOW.upper())
    assert await is_let_in(repositories, shared, "never heard of")
    for wrong in ("", own.key[:-1], own.key + "x", own.key.upper(), f" {own.key}", own.document.hashed_key, KEY_PREFIX, "é🙂"):
        assert await repositories.api_keys.validate(wrong, WORKFLOW) is None


@pytest.mark.parametrize("workflow_id", [WORKFLOW, None])
async def test_keys_come_to_an_end(repositories: Repositories, clock: SettableClock, workflow_id: str | None) -> None:
    """A key is refused from the moment of its expiry on, once it was revoked, and once it was deleted."""
    expiring = await made(repositories, workflow_id, expires_at=LATER)
    revoked, deleted = await made(repositories, workflow_id), await made(repositories, workflow_id)
    assert [await is_let_in(repositories, one) for one in (expiring, revoked, deleted)] == [True] * 3
    await repositories.api_keys.revoke(revoked.document.id, revoked_by="bob")
    assert await repositories.api_keys.delete(deleted.document.id) is True
    clock.now = LATER - timedelta(microseconds=1)
    assert [await is_let_in(repositories, one) for one in (expiring, revoked, deleted)] == [True, False, False]

    clock.now = LATER
    assert not await is_let_in(repositories, expiring)
    assert await repositories.api_keys.get(expiring.document.id) is not None
    assert await repositories.api_keys.get(deleted.document.id) is None


async def test_a_workflow_can_keep_global_keys_out(repositories: Repositories, clock: SettableClock) -> None:
    """A workflow's key with disable_global_key keeps global ones out of that workflow, and itself in."""
    shared, plain = await made(repositories, None), await made(repositories)
    closing = await made(repositories, disable_global_key=True, expires_at=LATER)

    assert not await is_let_in(repositories, shared)
    assert await is_let_in(repositories, shared, "another")
    assert await is_let_in(repositories, plain)
    assert await is_let_in(repositories, closing)
    clock.now = LATER
    assert not await is_let_in(repositories, closing)
    assert not await is_let_in(repositories, shared), "time alone opens no door"
    await repositories.api_keys.revoke(closing.document.id, revoked_by="bob")
    assert await is_let_in(repositories, shared)
    closing = await made(repositories, disable_global_key=True)
    assert not await is_let_in(repositories, shared)
    await repositories.api_keys.delete(closing.document.id)
    assert await is_let_in(repositories, shared)


async def test_the_last_use_is_noted_now_and_then(repositories: Repositories, clock: SettableClock) -> None:
    """The first use is noted, and then one every five minutes; validate returns what is stored."""
    new = await made(repositories)
    noted = []
    for seconds in (0, 1, 298, 1, 299, 1):
        clock.advance(seconds=seconds)
        valid = await repositories.api_keys.validate(new.key, WORKFLOW)
        assert valid is not None
        assert valid == await repositories.api_keys.get(new.document.id)
        noted.append(valid.last_used_at)

    assert [(one - START).total_seconds() for one in noted if one is not None] == [0, 0, 0, 300, 300, 600]
    assert await repositories.api_keys.validate("nobody's", WORKFLOW) is None
    stored = await repositories.api_keys.get(new.document.id)
    assert stored is not None
    assert stored.record.version.revision == 4


async def test_many_uses_at_once(repositories: Repositories) -> None:
    """Of uses at the same time all are let in, and one is noted."""
    new = await made(repositories, None)

    answers = await asyncio.gather(*(repositories.api_keys.validate(new.key, WORKFLOW) for _ in range(10)))

    assert [one is not None and one.id for one in answers] == [new.document.id] * 10
    stored = await repositories.api_keys.get(new.document.id)
    assert stored is not None
    assert (stored.last_used_at, stored.record.version.revision) == (START, 2)


async def test_a_use_that_cannot_be_noted_counts(
    store: StoreUnderTest, clock: SettableClock, repositories: Repositories, fault: Fault
) -> None:
    """While nothing can be written a key is let in all the same, and a wrong one is not."""
    new = await made(repositories)
    async with store.open_broken(fault) as broken:
        keys = ApiKeyRepository(broken, clock=clock)
        if fault is Fault.NOT_PROVISIONED:
            with pytest.raises(NotProvisionedError):
                await keys.validate(new.key, WORKFLOW)
            return
        valid = await keys.validate(new.key, WORKFLOW)
        assert await keys.validate(new.key + "x", WORKFLOW) is None

    assert valid is not None
    assert valid == await repositories.api_keys.get(new.document.id)


async def test_revoking(repositories: Repositories, clock: SettableClock) -> None:
    """Revoke notes who and when, once: repeating it changes nothing; an etag is a precondition; nothing there is an error."""
    old = (await made(repositories)).document
    used = (await made(repositories)).document
    clock.advance(seconds=1)
    revoked = await repositories.api_keys.revoke(old.id, revoked_by="bob", etag=old.etag)
    clock.advance(seconds=1)
    again = await repositories.api_keys.revoke(old.id, revoked_by="eve")

    assert (revoked.is_revoked, revoked.revoked_by, revoked.revoked_at) == (True, "bob", START + timedelta(seconds=1))
    assert again == revoked
    assert again.hashed_key == old.hashed_key
    with pytest.raises(PreconditionFailedError):
        await repositories.api_keys.delete(old.id, etag=old.etag)
    await repositories.api_keys.revoke(used.id, revoked_by="bob")
    with pytest.raises(PreconditionFailedError):
        await repositories.api_keys.revoke(used.id, revoked_by="bob", etag=used.etag)
    assert await repositories.api_keys.delete(old.id, etag=revoked.etag) is True
    assert await repositories.api_keys.delete(old.id) is False
    with pytest.raises(DocumentNotFoundError):
        await repositories.api_keys.revoke(old.id, revoked_by="bob")


async def test_a_use_never_undoes_a_revocation(repositories: Repositories) -> None:
    """Uses and a revocation at the same time leave the key revoked."""
    new = await made(repositories)
    calls = [repositories.api_keys.validate(new.key, WORKFLOW) for _ in range(4)]
    await asyncio.gather(*calls, repositories.api_keys.revoke(new.document.id, revoked_by="bob"))

    stored = await repositories.api_keys.get(new.document.id)
    assert stored is not None
    assert stored.is_revoked
    assert not await is_let_in(repositories, new)


async def test_lists(repositories: Repositories, clock: SettableClock) -> None:
    """Keys of workflows by age, then global ones; by creator, by workflow, with the revoked if asked for, expired ones always."""
    made_keys: list[ApiKey] = []
    for workflow_id, created_by in ((None, "ada"), ("a", "ada"), ("b", "bob"), ("a", "bob"), (None, "bob")):
        made_keys.append((await made(repositories, workflow_id, created_by=created_by, expires_at=LATER)).document)
        clock.advance(seconds=1)
    revoked = await repositories.api_keys.revoke(made_keys[2].id, revoked_by="bob")
    clock.now = LATER

    async def listed(**where: Any) -> list[int]:
        ids = [one.id for one in made_keys]
        return [ids.index(one.id) for one in await repositories.api_keys.list(**where)]

    assert await listed() == [1, 3, 0, 4]
    assert await listed(include_revoked=True) == [1, 2, 3, 0, 4]
    assert await listed(created_by="bob") == [3, 4]
    assert await listed(workflow_id="a") == [1, 3]
    assert await listed(workflow_id="a", created_by="ada") == [1]
    assert await listed(workflow_id="b") == []
    assert list(await repositories.api_keys.list(workflow_id="b", include_revoked=True)) == [revoked]
    assert await listed(created_by="nobody") == []


@given(workflow=strategies.identifiers, other=strategies.identifiers)
async def test_any_workflow_name(repositories: Repositories, workflow: str, other: str) -> None:
    """A key is of exactly the workflow named, whatever the name holds."""
    new = await made(repositories, workflow, created_by=other)
    try:
        assert await is_let_in(repositories, new, workflow)
        assert await is_let_in(repositories, new, other) is (workflow == other)
        assert [one.id for one in await repositories.api_keys.list(workflow_id=workflow)] == [new.document.id]
        assert [one.id for one in await repositories.api_keys.list(created_by=other)] == [new.document.id]
    finally:
        assert await repositories.api_keys.delete(new.document.id) is True


@pytest.mark.parametrize(
    ("arguments", "expected", "named"),
    [
        ({"created_by": ""}, InvalidKeyError, "created_by"),
        ({"created_by": None}, InvalidKeyError, "created_by"),
        ({"workflow_id": ""}, InvalidKeyError, "workflow_id"),
        ({"workflow_id": "x" * 129}, InvalidKeyError, "workflow_id"),
        ({"workflow_id": "\ud800"}, InvalidKeyError, "workflow_id"),
        ({"description": 5}, InvalidRequestError, "description"),
        ({"expires_at": "tomorrow"}, InvalidRequestError, "expires_at"),
        ({"expires_at": START}, InvalidRequestError, "expires_at"),
        ({"expires_at": START - timedelta(days=1)}, InvalidRequestError, "expires_at"),
        ({"disable_global_key": 1}, InvalidRequestError, "disable_global_key"),
        ({"workflow_id": None, "disable_global_key": True}, InvalidRequestError, "disable_global_key"),
    ],
)
async def test_bad_arguments(
    store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception], named: str
) -> None:
    """What cannot be is refused before anything is written, and named."""
    with pytest.raises(expected, match=named) as caught:
        await made(repositories, **{"workflow_id": WORKFLOW, **arguments})
    assert type(caught.value) is expected
    assert await everything(store.backend) == {}


async def test_errors_show_no_key(repositories: Repositories) -> None:
    """A key where its id, or a name, belongs is refused or not found without being shown."""
    new = await made(repositories)
    secret = new.key.removeprefix(KEY_PREFIX)
    for call in (
        lambda: repositories.api_keys.get(new.key),
        lambda: repositories.api_keys.delete(new.key),
        lambda: repositories.api_keys.revoke(new.key, revoked_by="bob"),
        lambda: repositories.api_keys.validate(new.key + "\ud800", WORKFLOW),
        lambda: repositories.api_keys.validate(new.key.encode(), WORKFLOW),  # type: ignore[arg-type]
        lambda: repositories.api_keys.validate(WORKFLOW, new.key * 5),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            await call()
        assert secret not in str(caught.value) + repr(caught.value)
    assert await is_let_in(repositories, new)
