"""Expiry: decided by what is stored and the clock that was passed in, and alike for every method."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Create, Delete, Replace, Result
from bifrost_store.core.query import Eq, Query
from bifrost_store.core.record import NEVER, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import SPECS
from bifrost_store.errors import DocumentNotFoundError
from bifrost_store.testing.bulk import create_all, everything, joined
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import EXAMPLES, ORGANIZATION, config, execution, touched
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

SOON = START + timedelta(seconds=10)

each_kind = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.key.kind)


@each_kind
async def test_a_record_is_there_until_its_expiry(backend: Backend, clock: SettableClock, record: Record) -> None:
    """A record is present before the moment of its expiry and absent from that very microsecond on."""
    created = await backend.create(replace(record, expires_at=SOON))
    query = Query(record.key.kind, record.key.scope)
    clock.now = SOON - timedelta(microseconds=1)
    assert exactly(await backend.get(record.key)) == exactly(created)
    assert len(await joined(backend, query)) == 1

    clock.now = SOON
    assert await backend.get(record.key) is None
    assert await joined(backend, query) == []
    assert await backend.aggregate(query) == []


@each_kind
async def test_an_expired_record_is_absent_to_writes(backend: Backend, clock: SettableClock, record: Record) -> None:
    """Replace raises DocumentNotFoundError, delete returns False, with and without an etag; neither changes what is stored."""
    is_batchable = SPECS[record.key.kind].is_batchable
    created = await backend.create(replace(record, expires_at=SOON))
    clock.now = SOON
    before = await everything(backend)

    for etag in (created.etag, replace(created.etag, native=None)):
        with pytest.raises(DocumentNotFoundError):
            await backend.replace(touched(created), etag)
        assert await backend.delete(record.key, expected=etag) is None
    assert await backend.delete(record.key) is None
    with pytest.raises(DocumentNotFoundError):
        await (backend.batch([Replace(touched(created), created.etag)]) if is_batchable else backend.replace(created, created.etag))
    if is_batchable:
        assert await backend.batch([Delete(record.key)]) == [None]
    assert await everything(backend) == before


@each_kind
async def test_create_goes_over_an_expired_record(backend: Backend, clock: SettableClock, record: Record) -> None:
    """Create overwrites it at its revision + 1, alone or in a batch, and it is found like any other."""
    created = await backend.create(replace(record, expires_at=SOON))
    clock.now = SOON
    second = await backend.create(replace(record, expires_at=SOON + timedelta(seconds=1)))
    clock.now = SOON + timedelta(seconds=1)
    if not SPECS[record.key.kind].is_batchable:
        third: Result = await backend.create(record)
    else:
        (third,) = await backend.batch([Create(record)])

    assert isinstance(third, Record)
    assert [one.version.revision for one in (created, second, third)] == [1, 2, 3]
    assert exactly(await backend.get(record.key)) == exactly(third)
    assert len(await joined(backend, Query(record.key.kind, record.key.scope))) == 1


async def test_create_over_an_expired_record_elsewhere(backend: Backend, clock: SettableClock) -> None:
    """An expired record under another sort key is written over too: it is found at the new place alone."""
    await backend.create(execution(1, expires_at=SOON))
    clock.now = SOON

    created = await backend.create(execution(1, started_at=START + timedelta(days=1)))

    assert created.version.revision == 2
    assert exactly(await backend.get(created.key)) == exactly(created)
    assert list(await everything(backend)) == [created.key]


async def test_expiry_can_be_moved(backend: Backend, clock: SettableClock) -> None:
    """Replace stores a new expiry; what matters is the one stored last."""
    created = await backend.create(config(expires_at=SOON))
    later = await backend.replace(replace(created, expires_at=SOON + timedelta(days=1)), created.etag)
    clock.now = SOON
    assert await backend.get(created.key) is not None

    await backend.replace(replace(later, expires_at=SOON), later.etag)
    assert await backend.get(created.key) is None


async def test_without_a_moment_nothing_expires(backend: Backend, clock: SettableClock) -> None:
    """`never` and no stored expiry last for as long as the clock goes."""
    await backend.create(config("a", expires_at=NEVER))
    await backend.create(config("b", expires_at=None))
    clock.now = START + timedelta(days=365 * 1000)

    assert len(await joined(backend, Query("config", ORGANIZATION))) == 2
    assert await backend.purge_expired(kind="config") == []


async def test_scan_shows_the_expired(backend: Backend, clock: SettableClock) -> None:
    """Scan carries expired records as they are: nothing may be lost on the way to another store."""
    created = await backend.create(config(expires_at=SOON))
    clock.now = SOON

    assert exactly((await everything(backend))[created.key]) == exactly(created)


async def test_an_expired_record_leaves_room_in_pages(backend: Backend, clock: SettableClock) -> None:
    """Pages are full although expired records lie between."""
    await create_all(backend, [execution(number, expires_at=SOON if number % 3 else NEVER) for number in range(30)])
    clock.now = SOON

    page = await backend.query(Query("execution", ORGANIZATION, limit=9))
    assert len(page) == 9
    rest = await backend.query(Query("execution", ORGANIZATION, limit=9, continuation_token=page.continuation_token))
    assert (len(rest), rest.continuation_token) == (1, None)


@each_kind
async def test_purge_removes_the_expired_for_good(store: StoreUnderTest, clock: SettableClock, record: Record) -> None:
    """Purge returns what it removed and leaves no trace: no tombstone, and a create begins again at revision 1."""
    created = await store.backend.create(replace(record, expires_at=SOON))
    assert await store.backend.purge_expired(kind=record.key.kind) == []
    clock.now = SOON

    purged = await store.backend.purge_expired(kind=record.key.kind)

    assert [exactly(one) for one in purged] == [exactly(created)]
    assert await everything(store.backend) == {}
    assert await store.backend.purge_expired(kind=record.key.kind) == []
    assert (await store.backend.create(record)).version.revision == 1


async def test_purge_goes_on_until_none_are_left(backend: Backend, clock: SettableClock) -> None:
    """Purge removes at most as many as asked for, of the kind asked for, in every scope, and never what is present."""
    expiring = [execution(number, expires_at=SOON) for number in range(7)]
    kept = [execution(number, expires_at=NEVER) for number in range(7, 9)]
    await create_all(backend, [*expiring, *kept, config(expires_at=SOON), execution(20, scope=ORGANIZATION, expires_at=SOON)])
    clock.now = SOON
    counts: list[int] = []
    while purged := await backend.purge_expired(kind="execution", limit=3):
        counts.append(len(purged))

    assert counts == [3, 3, 2]
    assert {key.id for key in await everything(backend)} == {"e-7", "e-8", "theme"}


async def test_purge_leaves_tombstones(backend: Backend, clock: SettableClock) -> None:
    """A deleted record's tombstone outlives purge: it still keeps older writes out."""
    created = await backend.create(execution(1, expires_at=SOON))
    await backend.delete(created.key)
    clock.now = SOON

    assert await backend.purge_expired(kind="execution") == []
    assert await backend.apply(created) is False


async def test_filters_see_no_expired_record(backend: Backend, clock: SettableClock) -> None:
    """Filters and counts leave expired records out."""
    await backend.create(execution(1, expires_at=SOON, status="Failed"))
    await backend.create(execution(2, status="Failed"))
    clock.now = SOON
    query = Query("execution", ORGANIZATION, (Eq("status", "Failed"),))

    assert [record.key.id for record in await joined(backend, query)] == ["e-2"]
    assert [group.count for group in await backend.aggregate(query, group_by=("status",))] == [1]


async def test_fallback_passes_over_what_is_gone(backend: Backend, clock: SettableClock) -> None:
    """Where the own record has expired or was deleted, the fallback's is read; an expired fallback is none."""
    shared = await backend.create(config(scope=GLOBAL, expires_at=SOON + timedelta(seconds=1)))
    await backend.create(config(expires_at=SOON))
    run = await backend.create(execution(1, scope=GLOBAL))
    await backend.create(execution(1))
    await backend.delete(execution(1).key)
    clock.now = SOON

    assert exactly(await backend.get(config().key, fallback=GLOBAL)) == exactly(shared)
    assert exactly(await backend.get(execution(1).key, fallback=GLOBAL)) == exactly(run)
    clock.advance(seconds=1)
    assert await backend.get(config().key, fallback=GLOBAL) is None
