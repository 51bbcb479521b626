"""`apply`: late, repeated and out-of-order writes converge, and a delete is never undone by an older write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.core.version import MAX_REVISION, Etag, Version, new_write_id
from bifrost_store.errors import DocumentExistsError, DocumentNotFoundError, InvalidRequestError
from bifrost_store.testing.bulk import everything, joined
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import EXAMPLES, config, execution, touched
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

each_kind = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.key.kind)


def at(record: Record, revision: int, *, epoch: int = 0, is_tombstone: bool = False) -> Record:
    """Return *record* as the write that made *revision* in *epoch* left it."""
    version = Version(revision, f"{epoch:016x}{revision:016x}", epoch)
    return record.tombstone(version) if is_tombstone else replace(touched(record, revision), version=version)


@each_kind
async def test_apply_stores_a_record_as_it_is(backend: Backend, record: Record) -> None:
    """Version, body, extra columns, expiry and sort key are stored as given, and what was stored before is written over."""
    for revision in (7, 8):
        given_record = at(record, revision)
        assert await backend.apply(given_record) is True

        stored = await backend.get(record.key)
        assert stored is not None
        assert stored.version == given_record.version
        assert stored.digest == given_record.digest


@each_kind
async def test_apply_leaves_the_same_or_newer_alone(backend: Backend, record: Record) -> None:
    """Apply of the stored version again, of another write of the same revision, or of an older one changes nothing."""
    stored = at(record, 5)
    await backend.apply(stored)

    assert await backend.apply(stored) is False
    assert await backend.apply(replace(touched(stored, 99), version=Version(5, new_write_id()))) is False
    assert await backend.apply(at(record, 4)) is False
    assert await backend.apply(at(record, 4, is_tombstone=True)) is False
    read = await backend.get(record.key)
    assert read is not None
    assert (read.version, read.digest) == (stored.version, stored.digest)


@each_kind
async def test_a_delete_is_never_undone_by_an_older_write(backend: Backend, record: Record) -> None:
    """A tombstone keeps older writes out, whether the record was there before it or not, and lets a newer one in."""
    created = await backend.create(record)
    await backend.delete(record.key)
    tombstone = (await everything(backend))[record.key]

    assert await backend.apply(created) is False
    assert await backend.apply(at(record, tombstone.version.revision)) is False
    assert await backend.get(record.key) is None
    assert await backend.apply(at(record, tombstone.version.revision + 1)) is True
    assert await backend.get(record.key) is not None


@each_kind
async def test_a_tombstone_comes_first(backend: Backend, record: Record) -> None:
    """A tombstone is kept where nothing was yet, refuses what is older, and create continues at its revision + 1."""
    assert await backend.apply(at(record, 6, is_tombstone=True)) is True
    assert await backend.apply(at(record, 6, is_tombstone=True)) is False
    assert await backend.apply(at(record, 5)) is False

    assert await backend.get(record.key) is None
    assert await backend.delete(record.key) is None
    with pytest.raises(DocumentNotFoundError):
        await backend.replace(record, at(record, 6).etag)
    created = await backend.create(record)
    assert created.version.revision == 7


@each_kind
async def test_a_tombstone_is_applied_over_a_record(backend: Backend, record: Record) -> None:
    """A newer tombstone deletes; the record is gone from get, from lists and, but for the tombstone, from scan."""
    created = await backend.create(record)
    tombstone = created.tombstone(created.version.next())

    assert await backend.apply(tombstone) is True

    assert await backend.get(record.key) is None
    assert await joined(backend, Query(record.key.kind, record.key.scope)) == []
    stored = (await everything(backend))[record.key]
    assert (stored.is_tombstone, stored.version) == (True, tombstone.version)


@each_kind
async def test_a_higher_epoch_is_newer(backend: Backend, record: Record) -> None:
    """Of two writes the one of the higher epoch is newer, whatever its revision; own writes never lower it."""
    await backend.apply(at(record, 50, epoch=1))
    assert await backend.apply(at(record, 2, epoch=2)) is True
    assert await backend.apply(at(record, 51, epoch=1)) is False

    stored = await backend.get(record.key)
    assert stored is not None
    replaced = await backend.replace(touched(stored), stored.etag)
    await backend.delete(record.key)
    created = await backend.create(record)
    assert (stored.version.age, replaced.version.age, created.version.age) == ((2, 2), (2, 3), (2, 5))


@each_kind
async def test_apply_over_writes_exactly_what_was_read(backend: Backend, record: Record) -> None:
    """With `over`, a record goes over the state read, whatever its revision, and over no other; also over a tombstone."""
    await backend.apply(at(record, 9))
    read = await backend.get(record.key)
    assert read is not None

    assert await backend.apply(at(record, 3), over=read.native_etag) is True
    assert await backend.apply(at(record, 4), over=read.native_etag) is False
    stored = await backend.get(record.key)
    assert stored is not None
    assert stored.version == at(record, 3).version

    await backend.delete(record.key)
    tombstone = (await everything(backend))[record.key]
    assert await backend.apply(at(record, 2), over=tombstone.native_etag) is True
    stored = await backend.get(record.key)
    assert stored is not None
    assert await backend.apply(at(record, 1, is_tombstone=True), over=stored.native_etag) is True
    assert (await everything(backend))[record.key].version.revision == 1


@each_kind
async def test_apply_over_what_is_gone(backend: Backend, record: Record) -> None:
    """With `over`, nothing is written where the state has passed: deleted, or never there."""
    created = await backend.create(record)
    await backend.delete(record.key)

    assert await backend.apply(at(record, 9), over=created.native_etag) is False
    assert await backend.get(record.key) is None


async def test_apply_needs_a_version(backend: Backend) -> None:
    """A record that was never stored cannot be applied."""
    with pytest.raises(InvalidRequestError, match="version"):
        await backend.apply(config())


@pytest.mark.parametrize("revision", [2**63, 10**30])
async def test_apply_refuses_versions_that_nobody_counts_to(backend: Backend, revision: int) -> None:
    """No backend need keep them, and their etags could not be passed back."""
    for version in (Version(revision, new_write_id()), Version(1, new_write_id(), revision)):
        with pytest.raises(InvalidRequestError, match="at most"):
            await backend.apply(replace(config(), version=version))
        with pytest.raises(InvalidRequestError, match="at most"):
            await backend.apply(config().tombstone(version))
    highest = replace(config(), version=Version(MAX_REVISION, new_write_id()))
    assert await backend.apply(highest) is True
    stored = await backend.get(highest.key)
    assert stored is not None
    assert MAX_REVISION == Etag.parse(stored.etag.encode()).version.revision


async def test_apply_refuses_what_no_tombstone_has(backend: Backend) -> None:
    """A tombstone's content would stay in one store, be lost in another, and be in the digest of neither."""
    tombstone = at(config(), 1, is_tombstone=True)
    for wrong in (
        replace(tombstone, body=config().body),
        replace(tombstone, extra={"x": "y"}),
        replace(tombstone, expires_at=START),
        replace(tombstone, sort_key="é"),
    ):
        with pytest.raises(InvalidRequestError):
            await backend.apply(wrong)


async def test_an_expired_record_gives_way(backend: Backend, clock: SettableClock) -> None:
    """Whatever its revision, an applied record goes over one that has expired, as if that were absent."""
    expiring = config(expires_at=START + timedelta(seconds=5))
    await backend.apply(at(expiring, 9))
    assert await backend.apply(at(config(), 3)) is False
    clock.advance(seconds=5)

    assert await backend.apply(at(config(), 3)) is True
    stored = await backend.get(config().key)
    assert stored is not None
    assert stored.version.revision == 3


async def test_apply_moves_a_record(backend: Backend) -> None:
    """A newer write with another sort key leaves one record: at the new place."""
    first = at(execution(1), 1)
    moved = at(execution(1, started_at=START + timedelta(hours=1)), 2)
    await backend.apply(first)

    assert await backend.apply(moved) is True
    assert await backend.apply(first) is False
    stored = await backend.get(moved.key)
    assert stored is not None
    assert stored.sort_key == moved.sort_key
    assert [one.sort_key for one in await joined(backend, Query("execution", moved.key.scope))] == [moved.sort_key]
    assert await backend.delete(moved.key) is not None
    assert await backend.get(moved.key) is None


_writes = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans()), min_size=1, max_size=5, unique_by=lambda write: write[:2]
)


@given(
    writes=_writes.flatmap(
        lambda writes: st.lists(st.sampled_from(writes), max_size=4).flatmap(lambda more: st.permutations(writes + more))
    ),
    which=st.sampled_from(EXAMPLES),
)
async def test_any_order_converges(backend: Backend, writes: Sequence[tuple[int, int, bool]], which: Record) -> None:
    """Whatever the order and however often they are repeated, applied writes leave the newest: a record or a tombstone."""
    stored = (await everything(backend)).get(which.key)
    if stored is not None:
        await backend.apply(at(which, 1, is_tombstone=True), over=stored.native_etag)
    for epoch, revision, is_tombstone in writes:
        await backend.apply(at(which, revision + 1, epoch=epoch, is_tombstone=is_tombstone))

    epoch, revision, is_tombstone = max(writes)
    newest = at(which, revision + 1, epoch=epoch, is_tombstone=is_tombstone)
    stored = (await everything(backend))[which.key]
    assert (stored.version, stored.digest) == (newest.version, newest.digest)
    assert exactly(await backend.get(which.key)) == (None if is_tombstone else exactly(stored))


@each_kind
async def test_create_after_apply_conflicts(backend: Backend, record: Record) -> None:
    """An applied record is a record: create finds it there, and an ordinary write goes on from it."""
    await backend.apply(at(record, 3))

    with pytest.raises(DocumentExistsError):
        await backend.create(record)
    stored = await backend.get(record.key)
    assert stored is not None
    assert (await backend.replace(touched(stored), stored.etag)).version.revision == 4
    assert await backend.delete(record.key) is not None
