"""What the old application wrote stores no expiry: once a migration has recorded a retention, it ends by that, for every method."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.core.clock import format_time
from bifrost_store.core.query import Query
from bifrost_store.core.record import NEVER, Record
from bifrost_store.core.retention import Recorded, Retention
from bifrost_store.documents import SPECS
from bifrost_store.errors import DocumentNotFoundError
from bifrost_store.testing.bulk import everything, joined
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, execution, touched
from bifrost_store.wrappers.checked import CheckedBackend
from tests.contract.harness import TableHarness

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]

PERIOD = timedelta(days=14)
RETENTION = Retention(PERIOD, START)
LONG_AGO = format_time(START - timedelta(days=400))
OLD = execution(1, startedAt=LONG_AGO, completedAt=LONG_AGO, expires_at=None)
LATE = execution(2, completedAt=format_time(START + timedelta(days=1)), expires_at=None)
RUNNING = execution(3, completedAt=None, expires_at=None)
OWN = execution(4, startedAt=LONG_AGO, expires_at=START + timedelta(days=30))
KEPT = execution(5, startedAt=LONG_AGO, expires_at=NEVER)
QUERY = Query("execution", ORGANIZATION)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
async def tables(table_harness: TableHarness, clock: SettableClock, recorded: Recorded) -> AsyncIterator[Backend]:
    """Yield an account with all of them, written before anything was recorded."""
    async with table_harness.open_empty(clock) as store:
        for record in (OLD, LATE, RUNNING, OWN, KEPT):
            await store.backend.create(record)
        text = table_harness.azurite.connection_string
        inner = TableBackend.from_connection_string(text, SPECS, clock=clock, recorded=recorded)
        try:
            yield CheckedBackend(inner, SPECS, recorded=recorded)
        finally:
            await inner.aclose()


async def ids(backend: Backend) -> set[str]:
    return {record.key.id for record in await joined(backend, QUERY)}


async def stored(backend: Backend, record: Record) -> Record:
    found = await backend.get(record.key)
    assert found is not None
    return found


async def test_nothing_ends_before_a_period_after_the_start(tables: Backend, clock: SettableClock, recorded: Recorded) -> None:
    """However old it is; then what has an expiry of its own goes on by that, and the rest by its last change."""
    clock.advance(days=1000)
    assert await ids(tables) == {"e-1", "e-2", "e-3", "e-5"}  # nothing recorded: for good
    recorded.retention = RETENTION
    clock.now = START + PERIOD - timedelta(microseconds=1)
    assert await ids(tables) == {"e-1", "e-2", "e-3", "e-4", "e-5"}
    clock.now = START + PERIOD
    assert await ids(tables) == {"e-2", "e-4", "e-5"}
    clock.now += timedelta(days=1)
    assert await ids(tables) == {"e-4", "e-5"}


async def test_what_has_ended_is_absent_to_every_method(tables: Backend, clock: SettableClock, recorded: Recorded) -> None:
    """With an etag from before too. A create takes its id, at the next revision; it stays stored until it is purged."""
    before = await stored(tables, OLD)
    recorded.retention = RETENTION
    clock.now = START + PERIOD
    assert await tables.get(OLD.key) is None
    assert sum(group.count for group in await tables.aggregate(QUERY)) == 3
    for etag in (before.etag, replace(before.etag, native=None)):
        with pytest.raises(DocumentNotFoundError):
            await tables.replace(touched(before), etag)
        assert await tables.delete(OLD.key, expected=etag) is None
    found = (await everything(tables))[OLD.key]
    assert (found.version, found.expires_at) == (before.version, START + PERIOD)
    created = await tables.create(replace(OLD, expires_at=NEVER))
    assert created.version.revision == before.version.revision + 1
    assert (await stored(tables, OLD)).expires_at == NEVER


async def test_a_purge_removes_exactly_what_has_ended(tables: Backend, clock: SettableClock, recorded: Recorded) -> None:
    clock.now = START + PERIOD
    assert await tables.purge_expired(kind="execution") == []
    recorded.retention = RETENTION
    assert {record.key.id for record in await tables.purge_expired(kind="execution")} == {"e-1", "e-3"}
    assert await tables.purge_expired(kind="execution") == []
    assert {key.id for key in await everything(tables)} == {"e-2", "e-4", "e-5"}


async def test_what_is_written_stores_its_end(tables: Backend, clock: SettableClock, recorded: Recorded) -> None:
    """Also where it was read before the retention was recorded: both stores of a migration then hold the same."""
    before = await stored(tables, OLD)
    assert before.expires_at is None
    recorded.retention = RETENTION
    assert (await stored(tables, OLD)).version == before.version
    changed = await tables.replace(touched(before), before.etag)
    assert changed.expires_at == START + PERIOD
    recorded.retention = None
    assert (await stored(tables, OLD)).expires_at == START + PERIOD
