"""Scan: everything of every scope, resumable, and enough to make an equal store elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.errors import InvalidContinuationTokenError
from bifrost_store.testing import record_strategies
from bifrost_store.testing.bulk import create_all, everything
from bifrost_store.testing.examples import EXAMPLES, OTHER_ORGANIZATION, config, execution, membership, touched, user
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio


async def _fill(backend: Backend) -> None:
    """Store live, changed and deleted records of every kind."""
    for record in EXAMPLES:
        created = await backend.create(record)
        await backend.replace(touched(created), created.etag)
    await create_all(backend, [execution(number, scope=GLOBAL) for number in range(10, 15)])
    await create_all(backend, [user(f"u-{number}") for number in range(5)])
    for gone in (execution(30), config("gone"), user("gone"), membership("gone", scope=OTHER_ORGANIZATION)):
        await backend.create(gone)
        await backend.delete(gone.key)


async def test_scan_finds_everything_once(backend: Backend) -> None:
    """Every record and tombstone of every kind and scope is met exactly once, and what lies beside them never."""
    await _fill(backend)

    found = await everything(backend)
    assert len(found) == len(EXAMPLES) + 10 + 4
    assert {key.kind for key, record in found.items() if record.is_tombstone} == {"execution", "config", "user", "membership"}
    for key, record in found.items():
        read = await backend.get(key)
        assert exactly(read) == (None if record.is_tombstone else exactly(record))


async def test_scan_of_nothing(backend: Backend) -> None:
    """An empty store has no records."""
    assert await everything(backend) == {}


async def test_scan_resumes_after_any_page(store: StoreUnderTest) -> None:
    """From every resume token, also in another process, the scan goes on with exactly what is left."""
    await create_all(store.backend, [config(f"c-{number}") for number in range(550)])
    await _fill(store.backend)
    scanned = [page async for page in store.backend.scan()]
    keys = [[record.key for record in page.records] for page in scanned]
    assert len(scanned) > 1
    async with store.open_another() as another:
        for number, page in enumerate(scanned):
            rest = [record.key async for left in another.scan(page.resume_token) for record in left.records]
            assert rest == [key for part in keys[number + 1 :] for key in part]


async def test_an_interrupted_scan_misses_nothing(backend: Backend) -> None:
    """What was there throughout is met although records are written and deleted between pages."""
    stored = await create_all(backend, [config(f"c-{number:04}") for number in range(550)])
    seen: set[Key] = set()
    number = 0
    async for page in backend.scan():
        seen |= {record.key for record in page.records}
        await backend.delete(stored[0].key)
        number += 1
        await backend.create(config(f"a-{number}"))
        await backend.create(config(f"z-{number}"))

    assert {record.key for record in stored[1:]} <= seen


@pytest.mark.parametrize("token", ["x", "", "{}", "null", "[1]", '"', "\x00", "9" * 400])
async def test_foreign_resume_tokens_are_refused(backend: Backend, token: str) -> None:
    """What is no resume token of this backend raises InvalidContinuationTokenError."""
    await backend.create(config())
    with pytest.raises(InvalidContinuationTokenError):
        async for _ in backend.scan(token):
            pass


@given(records=st.lists(record_strategies.records(), max_size=6, unique_by=lambda record: record.key))
async def test_a_scan_is_a_whole_copy(backend: Backend, other: Backend, records: list[Record]) -> None:
    """What scan finds here and apply stores there is the same store: records, tombstones, versions, digests."""
    for record in records:
        await backend.create(record)
    for record in records[::2]:
        await backend.delete(record.key)
    try:
        found = await everything(backend)
        source = {record.key: found[record.key] for record in records}
        for record in source.values():
            await other.apply(record)

        copy = await everything(other)
        assert {key: exactly(copy[key]) for key in source} == {key: exactly(record) for key, record in source.items()}
    finally:
        for record in records:
            await backend.delete(record.key)
