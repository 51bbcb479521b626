"""Interruptions: a process that dies between any two of its writes misleads no reader, and the same call again completes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.record import Record
from bifrost_store.repositories.execution_data.places import run_of
from bifrost_store.repositories.executions.payloads import document_id, is_document
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.harness import Harness, StoreUnderTest
from bifrost_store.testing.interruptions import Countdown, Stopping, StoppingBackend, is_only_stopped
from bifrost_store.testing.operations import NOW, OPERATIONS, Step, view
from bifrost_store.testing.repositories import repositories_over

pytestmark = pytest.mark.anyio


async def contents(store: StoreUnderTest) -> dict[str, Any]:
    """Return the present records, and the payloads that they name, under the names that the old application knows.

    Blobs that no record names are left out: a process that dies right after a delete leaves them behind.
    """
    records = {key: record for key, record in (await everything(store.backend)).items() if not record.is_tombstone}
    names = [
        f"{record.key.id}/{name.rpartition('/')[2]}"
        for record in records.values()
        for name in (record.body.get("blobs") or {}).values()
        if name is not None
    ]
    return {
        **{
            str(key): json.dumps({**record.body, "blobs": sorted(record.body.get("blobs") or {}), "creationId": None})
            for key, record in records.items()
        },
        **{name: await store.blobs.get(EXECUTION_DATA, name) for name in names},
        **{f"{key} {name}": value for key, record in records.items() for name, value in await _in_documents(store, record)},
    }


async def _in_documents(store: StoreUnderTest, record: Record) -> list[tuple[str, Any]]:
    """Return file and value of each payload of a run that lies in a document."""
    data = store.backend.execution_data
    found = []
    for name in (record.body.get("blobs") or {}).values():
        if name is not None and is_document(name):
            assert data is not None
            document = await data.get(run_of(record), document_id(name))
            found.append((name.rpartition("/")[2], None if document is None else document.body["value"]))
    return found


async def die(store: StoreUnderTest, clock: SettableClock, step: Step, countdown: Countdown, *, is_realtime: bool = False) -> None:
    """Begin *step* in a process that dies."""
    backend, blobs = StoppingBackend(store.backend, countdown), Stopping(store.blobs, countdown)
    dying = repositories_over(backend, blobs, clock, is_realtime=is_realtime)
    try:
        await step(dying)
    except BaseException as error:
        if not is_only_stopped(error):
            raise


@pytest.mark.parametrize("name", OPERATIONS)
async def test_what_a_dead_process_left_is_completed(harness: Harness, clock: SettableClock, name: str) -> None:
    """Before any write it may die: readers see the old or the new, and the same call again leaves what it would have left."""
    clock.now = NOW
    operation = OPERATIONS[name]
    async with harness.open_empty(clock) as store:
        sound = repositories_over(store.backend, store.blobs, clock)
        await operation.before(sound)
        before = await view(sound)
        await operation.step(sound)
        after, contents_after = await view(sound), await contents(store)
    writes = 0
    while True:
        countdown = Countdown(writes)
        async with harness.open_empty(clock) as store:
            sound = repositories_over(store.backend, store.blobs, clock)
            await operation.before(sound)
            await die(store, clock, operation.step, countdown)
            seen = await view(sound)
            assert seen in (before, after) or not operation.is_single_record, writes
            await operation.step(sound)
            assert await view(sound) == after, writes
            assert await contents(store) == contents_after, writes
        if not countdown.has_stopped:
            break
        writes += 1

    assert writes > 0
