"""Concurrency: of writers at the same time none is lost, and exactly one wins."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key, Record
from bifrost_store.errors import DocumentExistsError, DocumentNotFoundError, PreconditionFailedError, StoreError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import EXAMPLES, changed, config, execution, touched
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

WRITERS = 20

each_kind = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.key.kind)


async def increment(backend: Backend, key: Key) -> None:
    """Add one to a counter as often as it takes to win."""
    while True:
        record = await backend.get(key)
        assert record is not None
        try:
            await backend.replace(changed(record, value=str(int(record.body["value"]) + 1)), record.etag)
        except PreconditionFailedError:
            await anyio.lowlevel.checkpoint()
        else:
            return


async def test_no_increment_is_lost(store: StoreUnderTest) -> None:
    """Twenty writers, on two handles, increment one record once each: it counts twenty, over twenty-one revisions."""
    await store.backend.create(config(value="0"))
    async with store.open_another() as another:
        outcomes = await at_once(WRITERS, lambda number: increment((store.backend, another)[number % 2], config().key))

    assert outcomes == [None] * WRITERS
    stored = await store.backend.get(config().key)
    assert stored is not None
    assert (stored.body["value"], stored.version.revision) == (str(WRITERS), WRITERS + 1)


@each_kind
async def test_one_creator_wins(store: StoreUnderTest, record: Record) -> None:
    """Of many creates of one id, also through another handle, one wins, and its record is what is stored."""
    async with store.open_another() as another:
        outcomes = await at_once(8, lambda number: (store.backend, another)[number % 2].create(touched(record, number)))

    winners = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert [type(outcome) for outcome in outcomes].count(DocumentExistsError) == 7
    assert len(winners) == 1
    assert exactly(await store.backend.get(record.key)) == exactly(winners[0])


@each_kind
async def test_one_holder_of_an_etag_wins(store: StoreUnderTest, record: Record) -> None:
    """Of many writers with the same etag, one wins; the others hear PreconditionFailedError."""
    created = await store.backend.create(record)
    async with store.open_another() as another:
        outcomes = await at_once(
            8, lambda number: (store.backend, another)[number % 2].replace(touched(created, number), created.etag)
        )

    winners = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert [type(outcome) for outcome in outcomes].count(PreconditionFailedError) == 7
    assert len(winners) == 1
    assert exactly(await store.backend.get(record.key)) == exactly(winners[0])


@each_kind
async def test_one_deletion_counts(store: StoreUnderTest, record: Record) -> None:
    """Of many deletes at once exactly one says that the record was there, and one revision is used."""
    await store.backend.create(record)

    outcomes = await at_once(8, lambda _: store.backend.delete(record.key))

    assert sorted(isinstance(outcome, Record) for outcome in outcomes) == [False] * 7 + [True]
    assert [outcome for outcome in outcomes if isinstance(outcome, StoreError)] == []
    assert (await everything(store.backend))[record.key].version.revision == 2


@each_kind
async def test_replace_against_delete(store: StoreUnderTest, record: Record) -> None:
    """A replace and a delete of the same state: one goes first; the outcome is one of the two orders, never a mixture."""
    created = await store.backend.create(record)

    async def call(number: int) -> Record | None:
        if number == 0:
            return await store.backend.replace(touched(created), created.etag)
        return await store.backend.delete(record.key)

    replaced, deleted = await at_once(2, call)

    assert isinstance(deleted, Record)
    assert deleted.is_tombstone
    assert isinstance(replaced, Record | DocumentNotFoundError | PreconditionFailedError)
    assert await store.backend.get(record.key) is None
    revision = (await everything(store.backend))[record.key].version.revision
    assert revision == (3 if isinstance(replaced, Record) else 2)


async def test_late_and_early_applies_at_once(store: StoreUnderTest) -> None:
    """Applies of many versions at the same time leave the newest, as in any order."""
    created = await store.backend.create(execution())
    versions = [created]
    for number in range(8):
        versions.append(await store.backend.replace(touched(versions[-1], number), versions[-1].etag))
    await store.backend.delete(created.key)
    tombstone = (await everything(store.backend))[created.key]
    revived = await store.backend.create(execution())
    async with store.open_another() as another:
        await another.delete(created.key)
        last = (await everything(another))[created.key]
        await at_once(10, lambda number: store.backend.apply([*versions, tombstone, revived][number]))

    assert (await everything(store.backend))[created.key].version == last.version
    assert await store.backend.get(created.key) is None


async def test_writes_of_different_records_do_not_meet(store: StoreUnderTest) -> None:
    """Writes of different records at the same time all succeed."""
    outcomes = await at_once(WRITERS, lambda number: store.backend.create(execution(number)))

    assert all(isinstance(outcome, Record) for outcome in outcomes)
    assert len(await everything(store.backend)) == WRITERS
