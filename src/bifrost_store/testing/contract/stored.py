"""What lies behind what readers see: expired records, tombstones, and the library's own records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Eq, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM, Scope
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
)
from bifrost_store.testing.bulk import everything, joined
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import EXAMPLES, config, execution, touched
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

each_kind = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.key.kind)

JOURNALED = {
    "recordKind": "config",
    "recordScope": "GLOBAL",
    "recordId": "theme",
    "writer": None,
    "reason": "timeout",
    "failures": 1,
    "notedAt": "2025-11-14T12:00:00.000000Z",
}
INTERNAL = (
    Record(Key("control", SYSTEM, "control"), {"routes": {"*": ["table", "cosmos"]}, "epoch": 3, "text": "x" * 50_000}),
    Record(Key("lease", SYSTEM, "0123456789abcdef"), {"renewals": 1}),
    Record(Key("journal", SYSTEM, "0123456789abcdef0123456789abcdef"), JOURNALED),
)

OTHER = Scope.organization("another")

each_internal = pytest.mark.parametrize("record", INTERNAL, ids=lambda record: record.key.kind)


@each_kind
async def test_stored_finds_what_readers_see(backend: Backend, record: Record) -> None:
    """A record that is present is stored as get returns it; nothing is stored where nothing ever was."""
    assert await backend.stored(record.key) is None

    created = await backend.create(record)

    assert exactly(await backend.stored(record.key)) == exactly(created)


async def test_several_are_found_at_once(backend: Backend) -> None:
    """Each of several is what it is alone, in their order: a record, a tombstone, nothing. Keys of two scopes are refused."""
    kept, deleted, other = execution(1), execution(2), replace(execution(3), key=replace(execution(3).key, scope=OTHER))
    for record in (kept, deleted):
        await backend.create(record)
    await backend.delete(deleted.key)

    keys = [deleted.key, execution(4).key, kept.key]
    found = await backend.stored_all(keys)
    alone = [await backend.stored(key) for key in keys]

    assert [True, None, False] == [None if one is None else one.is_tombstone for one in found]
    assert [exactly(one) for one in alone] == [exactly(one) for one in found]
    with pytest.raises(InvalidRequestError):
        await backend.stored_all([kept.key, other.key])


@each_kind
async def test_delete_returns_the_tombstone(backend: Backend, record: Record) -> None:
    """A delete returns the tombstone as it is stored, also what the store calls it; a second one returns None."""
    created = await backend.create(record)

    tombstone = await backend.delete(record.key)

    assert tombstone is not None
    assert (tombstone.is_tombstone, tombstone.version.revision, tombstone.sort_key) == (True, 2, created.sort_key)
    stored = await backend.stored(record.key)
    assert exactly(stored) == exactly(tombstone) == exactly((await everything(backend))[record.key])
    assert stored is not None
    assert stored.native_etag == tombstone.native_etag
    assert await backend.delete(record.key) is None


@each_kind
async def test_what_is_stored_can_be_written_over(backend: Backend, record: Record) -> None:
    """The native etag of what is stored, be it a record or a tombstone, names that state to apply."""
    older = await backend.create(record)
    await backend.replace(touched(older), older.etag)
    stored = await backend.stored(record.key)
    assert stored is not None

    assert await backend.apply(older, over=stored.native_etag) is True
    tombstone = await backend.delete(record.key)
    assert tombstone is not None
    assert await backend.apply(older, over=tombstone.native_etag) is True
    assert exactly(await backend.stored(record.key)) == exactly(older)


async def test_a_tombstone_is_no_state_to_replace(backend: Backend) -> None:
    """The etag of a tombstone names nothing that could be replaced: what was deleted stays so."""
    for record in (config(), execution()):
        created = await backend.create(record)
        tombstone = await backend.delete(record.key)
        assert tombstone is not None

        with pytest.raises(DocumentNotFoundError):
            await backend.replace(touched(created), tombstone.etag)
        assert await backend.get(record.key) is None


async def test_an_expired_record_is_still_stored(backend: Backend, clock: SettableClock) -> None:
    """What has expired is stored until it is purged, and no longer."""
    created = await backend.create(config(expires_at=START + timedelta(seconds=5)))
    clock.advance(seconds=5)

    assert await backend.get(created.key) is None
    assert exactly(await backend.stored(created.key)) == exactly(created)
    await backend.purge_expired(kind="config")
    assert await backend.stored(created.key) is None


@each_internal
async def test_internal_records_are_kept(store: StoreUnderTest, record: Record) -> None:
    """The library's own records are created once, replaced by compare-and-set, and seen by other processes."""
    created = await store.backend.create(record)
    replaced = await store.backend.replace(created, created.etag)
    with pytest.raises(PreconditionFailedError):
        await store.backend.replace(created, created.etag)
    with pytest.raises(DocumentExistsError):
        await store.backend.create(record)

    async with store.open_another() as another:
        assert exactly(await another.get(record.key)) == exactly(replaced)
        assert [one.key for one in await joined(another, Query(record.key.kind, SYSTEM))] == [record.key]
    assert await store.backend.delete(record.key, expected=replaced.etag) is not None
    assert await store.backend.get(record.key) is None


async def test_no_scan_meets_internal_records(backend: Backend) -> None:
    """Internal records and their tombstones are no part of a scan, and are no legacy rows."""
    for record in INTERNAL:
        await backend.create(record)
    await backend.create(config())
    assert list(await everything(backend)) == [config().key]

    for record in INTERNAL:
        await backend.delete(record.key)

    assert list(await everything(backend)) == [config().key]
    assert await joined(backend, Query("legacy_row", None)) == []


async def test_internal_kinds_do_not_meet(backend: Backend) -> None:
    """Each internal kind lists its own records only, with its filters; ids of other forms are refused."""
    for record in INTERNAL:
        await backend.create(record)

    for record in INTERNAL:
        assert [one.key for one in await joined(backend, Query(record.key.kind, SYSTEM))] == [record.key]
    assert (await backend.aggregate(Query("journal", SYSTEM, (Eq("recordScope", "GLOBAL"),))))[0].count == 1
    assert await backend.aggregate(Query("journal", SYSTEM, (Eq("recordScope", "org-x"),))) == []
    for kind, bad in (("control", "lease:1"), ("control", "A"), ("lease", "x"), ("journal", "../1")):
        with pytest.raises(InvalidKeyError):
            await backend.get(Key(kind, SYSTEM, bad))
