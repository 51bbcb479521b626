"""Many records at once: to set a store up, and to compare all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS, Apply, Create
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record


async def everything(backend: Backend) -> dict[Key, Record]:
    """Return every record and tombstone by key; an unreadable row or a key that occurs twice is a failure."""
    found: dict[Key, Record] = {}
    async for page in backend.scan():
        assert page.unreadable == ()
        for record in page.records:
            assert record.key not in found
            found[record.key] = record
    return found


async def pages(backend: Backend, query: Query) -> list[Page[Record]]:
    """Return all pages of *query*, in order."""
    found = [await backend.query(query)]
    while found[-1].continuation_token is not None:
        found.append(await backend.query(replace(query, continuation_token=found[-1].continuation_token)))
    return found


async def joined(backend: Backend, query: Query) -> list[Record]:
    """Return the records of all pages of *query*, in order."""
    return [record for page in await pages(backend, query) for record in page]


async def create_all(backend: Backend, records: Sequence[Record]) -> list[Record]:
    """Create *records*, in batches where they share kind and scope, and return them as stored, in their order."""
    created: dict[Key, Record] = {}
    for chunk in _chunks(records):
        for result in await backend.batch([Create(record) for record in chunk]):
            assert isinstance(result, Record)
            created[result.key] = result
    return [created[record.key] for record in records]


async def apply_all(backend: Backend, records: Sequence[Record]) -> None:
    """Apply *records*, in batches."""
    for chunk in _chunks(records):
        await backend.batch([Apply(record) for record in chunk])


def _chunks(records: Sequence[Record]) -> list[list[Record]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.key.kind, record.key.scope.value), []).append(record)
    return [
        group[start : start + MAX_BATCH_OPERATIONS]
        for group in groups.values()
        for start in range(0, len(group), MAX_BATCH_OPERATIONS)
    ]
