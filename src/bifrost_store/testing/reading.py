"""Ways to read everything, for comparisons."""

from __future__ import annotations

from dataclasses import replace

from bifrost_store.backends.protocol import Backend
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
