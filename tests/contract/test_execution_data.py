"""Execution data, as each backend has it of its own: what is stored, and what of it cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.core.execution_data import recordings_from
from bifrost_store.core.meter import count_requests
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.data_documents import RUN, exact_data, flush_of, payload, segment, stored
from bifrost_store.testing.harness import Harness, StoreUnderTest
from tests.contract.cosmos_harness import CosmosStore, Scene
from tests.contract.harness import SqliteStore
from tests.innermost import innermost

pytestmark = pytest.mark.anyio

WHOLE = [recordings_from(RUN.scope, 0)]
Damage = Callable[[StoreUnderTest, str], Awaitable[None]]


def damage(sql: str, change: Callable[[dict[str, Any]], object]) -> Damage:
    """Return what damages one document: a statement that sets columns, or *change* of the service's document."""

    async def do(store: StoreUnderTest, name: str) -> None:
        match store:
            case CosmosStore():
                async with store.client() as client:
                    container = client.get_database_client(store.database).get_container_client("execution_data")
                    document: dict[str, Any] = await container.read_item(name, RUN.execution_id)
                    change(document)
                    await container.replace_item(name, document)
            case SqliteStore():
                connection = innermost(store.backend)._connection
                await connection.execute("PRAGMA ignore_check_constraints = ON", {})
                await connection.execute(f"UPDATE execution_data SET {sql} WHERE id = :id", {"id": name})
            case _:
                raise NotImplementedError

    return do


DAMAGES = {
    "type": damage("type = 'trace'", lambda d: d.update(type="trace")),
    "timestamp": damage("timestamp = 'today'", lambda d: d.update(timestamp="today")),
    "expiry": damage("expires_at = 'soon'", lambda d: d.update(expiresAt="soon")),
    "recording": damage("recording = 'x'", lambda d: d.update(recording="x")),
    "covers": damage("first = 'x'", lambda d: d.update(covers=[1])),
    "body": damage("body = '[]'", lambda d: d.update(lines=[{"$json": "{"}])),
    "write id": damage("write_id = x'00'", lambda d: d.pop("writeId")),
}


@pytest.fixture
def damageable(harness: Harness, store: StoreUnderTest) -> StoreUnderTest | None:
    """The store, if something lies below the backend that could be damaged."""
    return None if harness.name == "model" else store


@pytest.mark.parametrize("what", DAMAGES)
async def test_what_cannot_be_read_is_named(damageable: StoreUnderTest | None, execution_data: ExecutionData, what: str) -> None:
    """A damaged document is named by an error without its content; those around it are read, page by page, and scanned."""
    if damageable is None:
        return
    documents = [segment(n, body={"lines": ["s3cr3t"]}) for n in (1, 2, 3)]
    await stored(execution_data, *[[document] for document in documents])
    await DAMAGES[what](damageable, documents[1].id)

    with pytest.raises(CorruptDocumentError) as caught:
        await execution_data.get(RUN, documents[1].id)
    whole = await execution_data.read(RUN, WHOLE)
    first = await execution_data.read(RUN, WHOLE, limit=1)
    second = await execution_data.read(RUN, [replace(WHOLE[0], ge=documents[0].id + "!")], limit=1)
    (page,) = [page async for page in execution_data.scan()]
    for error in (caught.value, *whole.unreadable, *second.unreadable, *page.unreadable):
        assert documents[1].id in str(error)
        assert "s3cr3t" not in str(error) + repr(error)
    assert [len(one.unreadable) for one in (whole, first, second)] == [1, 0, 1]
    assert not first.is_last
    assert [documents[0], documents[2]] == list(whole.documents) == sorted(page.documents, key=lambda one: one.id)
    assert list(second.documents) == [documents[2]]
    assert len(page.rejected) == 1
    assert await execution_data.remove(RUN) == 3


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_page_is_never_empty_before_the_last(
    damageable: StoreUnderTest | None, execution_data: ExecutionData, *, backwards: bool
) -> None:
    """Where a whole page cannot be read the next document comes all the same: a reader goes on after what it got."""
    if damageable is None:
        return
    documents = flush_of(*[segment(n) for n in range(1, 8)])
    await stored(execution_data, documents)
    unreadable = documents[1:] if backwards else documents[:-1]
    for document in unreadable:
        await DAMAGES["timestamp"](damageable, document.id)
    page = await execution_data.read(RUN, WHOLE, limit=1, backwards=backwards)

    assert len(page.documents) == 1
    assert len(page.unreadable) == 6
    assert page.is_last


@pytest.mark.usefixtures("cosmos_only")
async def test_the_document_on_cosmos(cosmos_scene: Scene, clock: SettableClock) -> None:
    """A document has the names that others read it by, and says for how long the service is to keep it."""
    clock.now = datetime(2025, 11, 14, 12, tzinfo=UTC)
    data = cosmos_scene.store.backend.execution_data
    assert data is not None
    large = segment(1, 2, body={"lines": [{"n": 1}, {"n": 2**60}]}, expires_at=clock.now + timedelta(days=28))
    kept = payload({"n": 1})
    await stored(data, [large], [kept])
    async with cosmos_scene.store.client() as client:
        container = client.get_database_client(cosmos_scene.store.database).get_container_client("execution_data")
        found = {one["id"]: one async for one in container.read_all_items()}

    document = {name: value for name, value in found[large.id].items() if not name.startswith("_")}
    assert document == {
        "id": large.id,
        "executionId": "run-1",
        "scope": "org-o-1",
        "type": "log",
        "recording": 0,
        "covers": [1, 2],
        "timestamp": "2025-11-14T12:00:00.000000Z",
        "lines": [{"n": 1}, {"$json": '{"n":1152921504606846976}'}],
        "creation": "c" * 32,
        "writeId": large.write_id,
        "expiresAt": "2025-12-12T12:00:00.000000Z",
        "ttl": 28 * 86_400 + 3_600,
    }
    assert found[kept.id]["value"] == {"n": 1}
    assert found[kept.id]["ttl"] == -1


@pytest.mark.usefixtures("cosmos_only")
async def test_a_flush_is_one_request_of_few_units(cosmos_scene: Scene) -> None:
    """A flush is one request to the service, and flushes of several runs are sent at the same time, one each."""
    data = cosmos_scene.store.backend.execution_data
    assert data is not None
    runs = [replace(RUN, execution_id=f"run-{number}") for number in range(5)]
    await stored(data, [segment(run=replace(RUN, execution_id="before"))])
    with count_requests() as counted:
        assert await data.append([flush_of(*[segment(n, run=run) for n in range(1, 20)]) for run in runs]) == [None] * 5
    assert counted == {"cosmos": 5}


@pytest.mark.usefixtures("cosmos_only")
@pytest.mark.parametrize("page_items", [0, 1, 3])
async def test_pages_that_the_service_cuts_short(cosmos_scene: Scene, page_items: int) -> None:
    """What the service returns in small pieces, or in none, is a shorter page with what follows, and never a last one."""
    data = cosmos_scene.store.backend.execution_data
    assert data is not None
    documents = flush_of(*[segment(n) for n in range(1, 10)])
    await stored(data, documents)
    cosmos_scene.emulator.faults.add(operation="SqlQuery", path=cosmos_scene.store.database, page_items=page_items, times=3)
    found = []
    whole = WHOLE[0]
    while True:
        page = await data.read(RUN, [whole], limit=4)
        found += list(map(exact_data, page.documents))
        if page.is_last:
            break
        whole = replace(whole, ge=page.documents[-1].id + "!")
    assert found == list(map(exact_data, documents))
