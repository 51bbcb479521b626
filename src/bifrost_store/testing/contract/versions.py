"""Versions: create, replace and delete against what is stored, and etags that hold on every backend."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace
from bifrost_store.core.record import Record
from bifrost_store.core.version import Etag, Version, new_write_id
from bifrost_store.errors import DocumentExistsError, DocumentNotFoundError, PreconditionFailedError, StaleRouteError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import EXAMPLES, config, execution, touched
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

each_kind = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.key.kind)


@each_kind
async def test_create_refuses_what_exists(backend: Backend, record: Record) -> None:
    """A second create raises DocumentExistsError, naming backend, operation and key, and changes nothing."""
    created = await backend.create(record)

    with pytest.raises(DocumentExistsError) as caught:
        await backend.create(touched(record))

    assert (caught.value.backend, caught.value.operation, caught.value.key) == (backend.name, "create", str(record.key))
    assert caught.value.is_retryable is False
    assert exactly(await backend.get(record.key)) == exactly(created)


@each_kind
async def test_every_write_is_a_revision(backend: Backend, record: Record) -> None:
    """Create, replace and delete count revisions by one, each under a write id of its own; create goes on after a delete."""
    created = await backend.create(record)
    replaced = await backend.replace(touched(created), created.etag)
    deleted = await backend.delete(record.key)
    again = await backend.create(record)

    assert deleted is not None
    assert [one.version.revision for one in (created, replaced, deleted, again)] == [1, 2, 3, 4]
    assert len({one.version.write_id for one in (created, replaced, deleted, again)}) == 4
    assert exactly(await backend.get(record.key)) == exactly(again)


@each_kind
async def test_replace_of_nothing_is_not_found(backend: Backend, record: Record) -> None:
    """Replace raises DocumentNotFoundError where no record is, whether there never was one or it was deleted."""
    with pytest.raises(DocumentNotFoundError):
        await backend.replace(record, Etag(Version(1, new_write_id())))
    assert await everything(backend) == {}
    created = await backend.create(record)
    await backend.delete(record.key)

    with pytest.raises(DocumentNotFoundError) as caught:
        await backend.replace(touched(created), created.etag)
    assert (caught.value.backend, caught.value.operation, caught.value.key) == (backend.name, "replace", str(record.key))
    assert await backend.get(record.key) is None


@each_kind
async def test_replace_over_another_state_is_refused(backend: Backend, record: Record) -> None:
    """Replace with the etag of an earlier state raises PreconditionFailedError and changes nothing."""
    created = await backend.create(record)
    replaced = await backend.replace(touched(created, 1), created.etag)

    with pytest.raises(PreconditionFailedError) as caught:
        await backend.replace(touched(created, 2), created.etag)

    assert (caught.value.backend, caught.value.operation, caught.value.key) == (backend.name, "replace", str(record.key))
    assert exactly(await backend.get(record.key)) == exactly(replaced)


@each_kind
async def test_an_etag_of_an_earlier_life_is_stale(backend: Backend, record: Record) -> None:
    """After delete and create, an etag from before refers to nothing: replace and delete refuse it."""
    created = await backend.create(record)
    await backend.delete(record.key)
    again = await backend.create(record)

    with pytest.raises(PreconditionFailedError):
        await backend.replace(touched(again), created.etag)
    with pytest.raises(PreconditionFailedError):
        await backend.delete(record.key, expected=created.etag)
    assert exactly(await backend.get(record.key)) == exactly(again)


@each_kind
async def test_an_etag_is_the_version_and_no_more(backend: Backend, record: Record) -> None:
    """An etag works as text, without its hint, with another backend's hint, and with a hint that is out of date."""
    created = await backend.create(record)
    first = await backend.replace(touched(created, 1), Etag.parse(created.etag.encode()))
    second = await backend.replace(touched(first, 2), Etag(first.version))
    third = await backend.replace(touched(second, 3), Etag(second.version, "elsewhere", 'W/"x"'))
    last = await backend.replace(touched(third, 4), replace(third.etag, native=created.etag.native))

    assert last.version.revision == 5
    assert exactly(await backend.get(record.key)) == exactly(last)


@each_kind
async def test_delete_with_an_etag(backend: Backend, record: Record) -> None:
    """Delete with an etag removes exactly that state; another state is PreconditionFailedError, nothing there is False."""
    created = await backend.create(record)
    replaced = await backend.replace(touched(created), created.etag)

    with pytest.raises(PreconditionFailedError) as caught:
        await backend.delete(record.key, expected=created.etag)
    assert (caught.value.backend, caught.value.operation, caught.value.key) == (backend.name, "delete", str(record.key))
    assert await backend.delete(record.key, expected=replaced.etag) is not None
    assert await backend.delete(record.key, expected=replaced.etag) is None
    assert await backend.delete(record.key) is None


@each_kind
async def test_delete_leaves_a_tombstone(backend: Backend, record: Record) -> None:
    """A deleted record is absent to readers; scan shows its tombstone, at the next revision, without content."""
    created = await backend.create(record)
    await backend.delete(record.key)

    (tombstone,) = (await everything(backend)).values()
    assert tombstone.is_tombstone
    assert tombstone.version.revision == created.version.revision + 1
    assert tombstone.version.write_id != created.version.write_id
    assert (tombstone.body, tombstone.extra, tombstone.expires_at) == ({}, {}, None)
    assert tombstone.key == record.key


async def test_a_record_that_was_moved_by_create_is_found(backend: Backend) -> None:
    """Created anew with another sort key, a record is found under the new one alone."""
    record = execution(1)
    await backend.create(record)
    await backend.delete(record.key)
    later = execution(1, started_at=START + timedelta(hours=1))

    created = await backend.create(later)

    assert exactly(await backend.get(record.key)) == exactly(created)
    assert [one.sort_key for one in (await everything(backend)).values()] == [later.sort_key]


async def test_etags_hold_on_another_backend(backend: Backend, other: Backend) -> None:
    """An etag taken on one backend is the precondition for the same state on another that the record was carried to."""
    for there, here in ((other, backend), (backend, other)):
        for record in EXAMPLES:
            await there.delete(record.key)
            taken = await there.create(record)
            stored = next((one for key, one in (await everything(here)).items() if key == record.key), None)
            assert await here.apply(taken, over=None if stored is None else stored.native_etag) is True

            replaced = await here.replace(touched(taken), taken.etag)
            assert replaced.version.revision == taken.version.revision + 1
            with pytest.raises(PreconditionFailedError):
                await here.delete(record.key, expected=taken.etag)


async def test_an_expired_record_is_overwritten_by_create(backend: Backend, clock: SettableClock) -> None:
    """Create over an expired record continues at its revision + 1."""
    record = config(expires_at=START + timedelta(seconds=1))
    created = await backend.create(record)
    await backend.replace(touched(created), created.etag)
    clock.advance(seconds=1)

    again = await backend.create(replace(record, expires_at=None))

    assert again.version.revision == 3
    assert exactly(await backend.get(record.key)) == exactly(again)


@each_kind
async def test_writes_carry_the_epoch_of_their_route(backend: Backend, record: Record) -> None:
    """Each write is of the epoch given; an epoch is no part of the precondition."""
    created = await backend.create(record, epoch=3)
    replaced = await backend.replace(touched(created), replace(created.etag, native=None), epoch=3)
    raised = await backend.replace(touched(replaced, 2), replaced.etag, epoch=5)
    await backend.delete(record.key, epoch=6)
    tombstone = (await everything(backend))[record.key]
    again = await backend.create(record, epoch=7)

    ages = [one.version.age for one in (created, replaced, raised, tombstone, again)]
    assert ages == [(3, 1), (3, 2), (5, 3), (6, 4), (7, 5)]
    assert exactly(await backend.get(record.key)) == exactly(again)


async def test_nothing_is_written_over_a_later_routes_state(backend: Backend) -> None:
    """Replace and delete under a lower epoch than that of what they build on raise StaleRouteError and change nothing."""
    created = await backend.create(config(), epoch=3)

    for etag in (created.etag, replace(created.etag, backend=None, native=None)):
        with pytest.raises(StaleRouteError):
            await backend.replace(touched(created), etag, epoch=2)
        with pytest.raises(StaleRouteError):
            await backend.delete(created.key, expected=etag, epoch=2)
    with pytest.raises(StaleRouteError):
        await backend.delete(created.key, epoch=2)
    with pytest.raises(StaleRouteError):
        await backend.batch([Replace(touched(created), created.etag)], epoch=2)

    assert exactly(await backend.get(created.key)) == exactly(created)


async def test_nothing_goes_on_from_a_later_routes_tombstone(backend: Backend) -> None:
    """Create under a lower epoch than that of the tombstone in its way raises StaleRouteError; under the same it goes on."""
    created = await backend.create(config(), epoch=3)
    await backend.delete(created.key, epoch=3)

    with pytest.raises(StaleRouteError):
        await backend.create(config(), epoch=2)
    assert await backend.get(created.key) is None
    again = await backend.create(config(), epoch=3)

    assert again.version.age == (3, 3)


async def test_another_state_is_refused_before_its_epoch_matters(backend: Backend) -> None:
    """Where the state expected has passed, or the record exists, that is the answer, whatever the epochs."""
    created = await backend.create(config(), epoch=1)
    await backend.replace(touched(created), created.etag, epoch=3)

    with pytest.raises(PreconditionFailedError):
        await backend.replace(touched(created, 2), created.etag, epoch=2)
    with pytest.raises(DocumentExistsError):
        await backend.create(config(), epoch=2)


async def test_a_write_under_no_route_keeps_the_epoch(backend: Backend) -> None:
    """Epoch 0 stands for no route: a store that was loaded from a migrated one can be written to."""
    created = await backend.create(config(), epoch=3)
    replaced = await backend.replace(touched(created), created.etag)
    deleted = await backend.delete(created.key)

    assert deleted is not None
    assert [one.version.age for one in (replaced, deleted)] == [(3, 2), (3, 3)]


async def test_every_write_asks_whether_it_may_be_sent(backend: Backend) -> None:
    """As an attempt that may not be sent, each kind of write raises StaleRouteError, and nothing is stored."""
    created = await backend.create(config())
    attempt = Attempt(may_send=lambda: False)

    writes: list[list[Operation]] = [
        [Create(config(key="another"))],
        [Replace(touched(created), created.etag)],
        [Delete(created.key)],
        [Apply(replace(touched(created), version=created.version.next()))],
        [Delete(created.key), Create(config(key="another"))],
    ]
    for operations in writes:
        with pytest.raises(StaleRouteError):
            await backend.write(operations, attempt=attempt)

    assert attempt.is_sent is False
    assert list(await everything(backend)) == [created.key]
    assert exactly(await backend.get(created.key)) == exactly(created)


async def test_an_attempts_write_id_is_stored(backend: Backend) -> None:
    """Whatever an attempt writes has its write id, and it notes that it was sent."""
    attempt = Attempt(may_send=lambda: True)

    (created,) = await backend.write([Create(config())], attempt=attempt)

    assert isinstance(created, Record)
    assert created.version.write_id == attempt.write_id
    assert attempt.is_sent is True
    assert attempt.write_id.startswith(attempt.writer)
