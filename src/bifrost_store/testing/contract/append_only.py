"""Kinds that are only ever added to: everything that adds and reads works, everything that changes is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace
from bifrost_store.core.query import Query
from bifrost_store.core.record import NEVER, Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import Version, new_write_id
from bifrost_store.documents import SPECS
from bifrost_store.errors import DocumentExistsError, InvalidRequestError
from bifrost_store.testing import record_strategies
from bifrost_store.testing.bulk import everything, joined
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import ADDED_ONLY, EXAMPLES, ORGANIZATION, OTHER_ORGANIZATION, audit_event, touched
from bifrost_store.testing.harness import Fault, StoreUnderTest
from bifrost_store.testing.strict import exact_json, exactly

pytestmark = pytest.mark.anyio

each_kind = pytest.mark.parametrize("record", ADDED_ONLY, ids=lambda record: record.key.kind)


def test_every_kind_has_an_example() -> None:
    """Each kind is tried as one that can be changed, or as one that is only added to."""
    changeable = {kind for kind, spec in SPECS.items() if not spec.is_append_only and not spec.is_internal}
    assert {record.key.kind for record in EXAMPLES} == changeable
    assert {record.key.kind for record in ADDED_ONLY} == {kind for kind, spec in SPECS.items() if spec.is_append_only}


@each_kind
async def test_changes_are_refused(backend: Backend, record: Record) -> None:
    """Replace, delete and tombstones raise InvalidRequestError, whether the record is there or not, and change nothing."""
    for is_there in (False, True):
        created = await backend.create(record) if is_there else replace(record, version=Version(1, new_write_id()))
        before = {key: exactly(one) for key, one in (await everything(backend)).items()}
        tombstone = created.tombstone(created.version.next())
        for call in (
            lambda created=created: backend.replace(touched(created), created.etag),
            lambda created=created: backend.delete(record.key),
            lambda created=created: backend.delete(record.key, expected=created.etag),
            lambda tombstone=tombstone: backend.apply(tombstone),
            lambda tombstone=tombstone, created=created: backend.apply(tombstone, over=created.native_etag or "x"),
        ):
            with pytest.raises(InvalidRequestError, match=record.key.kind) as caught:
                await call()
            assert caught.value.is_retryable is False
        assert {key: exactly(one) for key, one in (await everything(backend)).items()} == before


@each_kind
async def test_batches_are_refused(backend: Backend, record: Record) -> None:
    """No batch adds, changes or deletes such a record: a day's events lie in one place, the next day's in another."""
    created = await backend.create(record)
    operations: list[Operation] = [
        Create(audit_event(2)),
        Apply(replace(created, version=created.version.next())),
        Replace(touched(created), created.etag),
        Delete(record.key),
        Apply(created.tombstone(created.version.next())),
    ]
    for operation in operations:
        with pytest.raises(InvalidRequestError, match=record.key.kind):
            await backend.batch([operation, Create(audit_event(3))])
    assert [exactly(one) for one in (await everything(backend)).values()] == [exactly(created)]


@each_kind
async def test_nothing_expires(backend: Backend, clock: SettableClock, record: Record) -> None:
    """A moment of expiry is refused; `never` and none are kept, and purge finds nothing."""
    with pytest.raises(InvalidRequestError, match="expiresAt"):
        await backend.create(replace(record, expires_at=START + timedelta(days=1)))
    await backend.create(replace(record, expires_at=NEVER))
    clock.advance(days=10_000)

    assert await backend.purge_expired(kind=record.key.kind) == []
    stored = await backend.get(record.key)
    assert stored is not None
    assert stored.expires_at == NEVER


@given(record=record_strategies.records("audit_event"))
async def test_any_event_comes_back_equal(backend: Backend, record: Record) -> None:
    """Whatever an event holds, it is read and scanned as it was added, in its scope and in no other."""
    record = replace(record, key=replace(record.key, id=f"{record.key.id[:14]}{uuid4().hex}"))
    created = await backend.create(record)

    read = await backend.get(record.key)
    assert read is not None
    assert exactly(read) == exactly(created)
    assert (exact_json(read.body), exact_json(read.extra)) == (exact_json(record.body), exact_json(record.extra))
    assert (read.sort_key, read.version.revision) == (record.key.id, 1)
    assert exactly((await everything(backend))[record.key]) == exactly(created)
    elsewhere = GLOBAL if record.key.scope != GLOBAL else ORGANIZATION
    assert await backend.get(replace(record.key, scope=elsewhere)) is None
    found = await joined(backend, Query("audit_event", record.key.scope))
    assert [exactly(one) for one in found if one.key == record.key] == [exactly(created)]
    assert [one.sort_key for one in found] == sorted(one.sort_key for one in found)


@each_kind
async def test_an_id_is_taken_once(store: StoreUnderTest, record: Record) -> None:
    """Of many who add under one id, also through another handle, one does; the others hear DocumentExistsError."""
    async with store.open_another() as another:
        outcomes = await at_once(8, lambda number: (store.backend, another)[number % 2].create(touched(record, number)))

    winners = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert [type(outcome) for outcome in outcomes].count(DocumentExistsError) == 7
    assert [exactly(one) for one in (await everything(store.backend)).values()] == [exactly(one) for one in winners]


@each_kind
async def test_apply_carries_them(backend: Backend, other: Backend, record: Record) -> None:
    """What scan finds here, apply adds there, once; a newer version of the same goes over it, an older one does not."""
    created = await backend.create(record, epoch=2)

    assert await other.apply(created) is True
    assert await other.apply(created) is False
    assert exactly(await other.get(record.key)) == exactly(created)
    newer = replace(touched(created), version=created.version.next())
    assert await other.apply(newer) is True
    assert await other.apply(created) is False
    stored = await other.get(record.key)
    assert stored is not None
    assert stored.version == newer.version
    assert await other.apply(created, over=stored.native_etag) is True
    assert exactly(await other.get(record.key)) == exactly(created)


@each_kind
async def test_a_lost_answer_adds_once(store: StoreUnderTest, passing_fault: Fault, record: Record) -> None:
    """Where an answer was lost or a refusal was false, the record is there once, as the call returned it."""
    async with store.open_broken(passing_fault) as broken:
        created = await broken.create(record)

    assert [exactly(one) for one in (await everything(store.backend)).values()] == [exactly(created)]
    assert created.version.revision == 1


async def test_scopes_stay_apart(backend: Backend) -> None:
    """Events of one moment in several scopes are listed in their own alone, and together where no scope is asked for."""
    scopes = (GLOBAL, ORGANIZATION, OTHER_ORGANIZATION)
    created = [await backend.create(audit_event(number, scope=scope)) for number, scope in enumerate(scopes)]

    for scope, record in zip(scopes, created, strict=True):
        assert [exactly(one) for one in await joined(backend, Query("audit_event", scope))] == [exactly(record)]
    across = await joined(backend, Query("audit_event", None, limit=2))
    assert {one.key for one in across} == {one.key for one in created}


@pytest.mark.parametrize(
    "text", ["", "1", "8236968039783", "8236968039783_", "8236968039783_61ACF8A5458643499FB32DAA09406B3A", "x" * 46, "٣" * 46]
)
async def test_bad_ids_are_refused(backend: Backend, text: str) -> None:
    """An id that tells no time, or is not unique enough, is an InvalidKeyError."""
    record = replace(audit_event(), key=Key("audit_event", GLOBAL, text))
    with pytest.raises(InvalidRequestError, match="audit event id"):
        await backend.create(record)
    with pytest.raises(InvalidRequestError, match="audit event id"):
        await backend.get(record.key)
