"""Batches: all or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS, Apply, Create, Delete, Operation, Replace, Result
from bifrost_store.core.record import Record
from bifrost_store.core.version import Etag, Version, new_write_id
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import (
    ORGANIZATION,
    OTHER_ORGANIZATION,
    config,
    execution,
    legacy_row,
    membership,
    touched,
    user,
)
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

makers = pytest.mark.parametrize("make", [execution, config, user, membership], ids=lambda make: make.__name__)


def numbered(make: object, number: int) -> Record:
    """Return record *number* of the kind that *make* makes."""
    assert callable(make)
    record = make(number) if make is execution else make(f"{make.__name__}-{number}@x")  # type: ignore[attr-defined]
    assert isinstance(record, Record)
    return record


@makers
async def test_a_batch_does_what_its_operations_do(backend: Backend, make: object) -> None:
    """A batch answers for each operation what the single method returns, and stores the same."""
    replaced, deleted, older = [await backend.create(numbered(make, number)) for number in range(3)]
    created, applied = numbered(make, 3), replace(numbered(make, 4), version=Version(7, new_write_id(), 1))
    operations: list[Operation] = [
        Create(created),
        Replace(touched(replaced), replaced.etag),
        Delete(deleted.key, deleted.etag),
        Delete(numbered(make, 5).key),
        Apply(applied),
        Apply(replace(touched(older), version=older.version)),
    ]

    results = await backend.batch(operations)

    assert results[3:] == [None, True, False]
    stored = await everything(backend)
    for result, revision in zip(results[:3], (1, 2, 2), strict=True):
        assert isinstance(result, Record)
        assert result.version.revision == revision
        assert exactly(stored[result.key]) == exactly(result)
        assert result.etag == stored[result.key].etag
        assert result.native_etag == stored[result.key].native_etag
    assert stored[deleted.key].is_tombstone
    assert stored[applied.key].version == applied.version
    assert exactly(stored[older.key]) == exactly(older)
    assert numbered(make, 5).key not in stored


@makers
@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("failure", ["create", "replace nothing", "replace stale", "delete stale"])
async def test_a_batch_that_fails_writes_nothing(backend: Backend, make: object, position: int, failure: str) -> None:
    """Where one operation fails, first, in the middle or last, its own error is raised, names its key, and nothing is written."""
    stale = await backend.create(numbered(make, 100))
    current = await backend.replace(touched(stale), stale.etag)
    kept = [await backend.create(numbered(make, number)) for number in (101, 102)]
    nothing = numbered(make, 103)
    bad: dict[str, tuple[Operation, type[StoreError]]] = {
        "create": (Create(numbered(make, 100)), DocumentExistsError),
        "replace nothing": (Replace(nothing, Etag(Version(1, new_write_id()))), DocumentNotFoundError),
        "replace stale": (Replace(touched(stale), stale.etag), PreconditionFailedError),
        "delete stale": (Delete(stale.key, stale.etag), PreconditionFailedError),
    }
    operation, expected = bad[failure]
    before = {key: exactly(record) for key, record in (await everything(backend)).items()}
    operations: list[Operation] = [
        Create(numbered(make, 1)),
        Replace(touched(kept[0]), kept[0].etag),
        Delete(kept[1].key),
        Create(numbered(make, 2)),
    ]
    operations.insert(position, operation)

    with pytest.raises(expected) as caught:
        await backend.batch(operations)

    key = nothing.key if failure == "replace nothing" else current.key
    assert (type(caught.value), caught.value.key) == (expected, str(key))
    assert {key: exactly(record) for key, record in (await everything(backend)).items()} == before


async def test_the_first_failure_is_raised(backend: Backend) -> None:
    """Where several operations fail, the error is that of the first."""
    first, second = [await backend.create(execution(number)) for number in (1, 2)]
    second = await backend.replace(touched(second), second.etag)

    with pytest.raises(PreconditionFailedError) as caught:
        await backend.batch([Create(execution(3)), Delete(second.key, first.etag), Create(execution(1))])
    assert caught.value.key == str(second.key)
    with pytest.raises(DocumentExistsError) as exists:
        await backend.batch([Create(execution(3)), Create(execution(1)), Delete(second.key, first.etag)])
    assert exists.value.key == str(first.key)


async def test_the_largest_batch(backend: Backend) -> None:
    """32 operations are one batch, for every kind that can be batched; revisions go on from what was there."""
    for make in (execution, membership):
        records = [numbered(make, number) for number in range(MAX_BATCH_OPERATIONS)]
        created = await backend.batch([Create(record) for record in records])
        replaced = await backend.batch([Replace(touched(one), one.etag) for one in created if isinstance(one, Record)])
        deleted = await backend.batch([Delete(record.key) for record in records])
        again = await backend.batch([Create(record) for record in records])

        for results, revision in ((created, 1), (replaced, 2), (again, 4)):
            assert [one.version.revision for one in results if isinstance(one, Record)] == [revision] * MAX_BATCH_OPERATIONS
        assert all(isinstance(tombstone, Record) and tombstone.is_tombstone for tombstone in deleted)


async def test_what_is_no_batch_is_refused(backend: Backend) -> None:
    """Nothing, 33 operations, two kinds, two scopes, one key twice, single-write kinds and over 1 MiB: refused before any write."""
    large = [execution(number, inputData={"x": "y" * 30_000}, errorMessage="z" * 32_000) for number in range(20)]
    cases: list[tuple[list[Operation], type[StoreError]]] = [
        ([], InvalidRequestError),
        ([Create(execution(number)) for number in range(MAX_BATCH_OPERATIONS + 1)], InvalidRequestError),
        ([Create(execution(1)), Create(config())], InvalidRequestError),
        ([Create(execution(1)), Create(execution(2, scope=OTHER_ORGANIZATION))], InvalidRequestError),
        ([Create(execution(1)), Delete(execution(1).key)], InvalidRequestError),
        ([Create(legacy_row("a:1")), Create(legacy_row("a:2"))], InvalidRequestError),
        ([Create(record) for record in large], DocumentTooLargeError),
        ([Create(execution(1)), Create(replace(execution(2), key=replace(execution(2).key, id="no id")))], InvalidKeyError),
    ]
    for operations, expected in cases:
        with pytest.raises(expected):
            await backend.batch(operations)
    assert await everything(backend) == {}


async def test_a_batch_of_nearly_a_mebibyte(backend: Backend) -> None:
    """A batch just under the limit is written."""
    records = [execution(number, inputData={"x": "y" * 30_000}, errorMessage="z" * 32_000) for number in range(16)]

    await backend.batch([Create(record) for record in records])

    assert len(await everything(backend)) == 16


async def test_batches_at_once(backend: Backend) -> None:
    """Of batches at the same time that create the same record one wins whole; the others write nothing."""

    async def call(number: int) -> list[Result]:
        return await backend.batch([Create(execution(100 + number)), Create(execution(1)), Create(execution(200 + number))])

    outcomes = await at_once(6, call)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DocumentExistsError"] * 5 + ["list"]
    assert len(await everything(backend)) == 3
    assert {key.scope for key in await everything(backend)} == {ORGANIZATION}
