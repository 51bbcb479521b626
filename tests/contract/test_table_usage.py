"""What is counted on Table and Blob Storage, beside what a proxy in the middle saw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table.account import MAX_TRANSACTION, Insert
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.blobs.azure import METERED, AzureBlobStore
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.clock import format_time
from bifrost_store.core.meter import metering
from bifrost_store.core.query import Query, Range
from bifrost_store.documents import SPECS
from bifrost_store.errors import ThrottledError
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, execution, touched
from bifrost_store.testing.fault_proxy import Answer, DropAfter, DropBefore, FaultProxy, Reaction, SeenRequest
from tests.contract.harness import TableHarness, TableStore, through
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]


@dataclass(slots=True)
class Scales(Reaction):
    """Lets requests pass, and weighs the answers."""

    answered_bytes: int = 0

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        if request.method != "HEAD":
            self.answered_bytes += len(answer.body or b"")  # type: ignore[arg-type]
        return answer


@dataclass(frozen=True, slots=True)
class Scene:
    """A backend and blobs, and what stands between them and their service."""

    store: TableStore
    tables: FaultProxy
    backend: Backend
    blob_proxy: FaultProxy
    blobs: AzureBlobStore


@pytest.fixture
async def scene(table_harness: TableHarness, clock: SettableClock) -> AsyncIterator[Scene]:
    """Yield an empty store behind proxies. The SDKs repeat what fails, at once."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(table_harness.open_empty(clock))
        options = {"retry_total": 3, "retry_backoff_factor": 0, "read_timeout": 10}
        tables, backend = await stack.enter_async_context(store.proxied(**options))
        blob_proxy = await stack.enter_async_context(FaultProxy(f"http://127.0.0.1:{store.azurite.blob_port}"))
        where = through(store.azurite, tables=tables, blobs=blob_proxy)
        at_once = ExponentialRetry(initial_backoff=0, increment_base=0, random_jitter_range=0)
        client = BlobServiceClient.from_connection_string(where, retry_policy=at_once, **METERED)
        await stack.enter_async_context(client)
        yield Scene(store, tables, backend, blob_proxy, AzureBlobStore(client))


def always(_: SeenRequest) -> bool:
    return True


async def test_requests_and_bytes_of_tables_are_those_that_passed(scene: Scene) -> None:
    """Every request, and every byte of every body in both directions, is what the proxy forwarded."""
    scales = Scales()
    scene.tables.react(scales, when=always)
    with metering() as meter:
        created = await scene.backend.create(execution())
        await scene.backend.replace(touched(created), created.etag)
        await scene.backend.get(created.key)
        await scene.backend.get(config("missing").key)
        await scene.backend.query(Query("execution", ORGANIZATION, limit=10))
        await scene.backend.delete(created.key)
        await scene.backend.ping()

    assert meter.requests.total() == len(scene.tables.seen)
    assert meter.requests["table_metadata"] == 2  # of ping, and whether index rows are written
    assert meter.sent_bytes == sum(len(request.body) for request in scene.tables.seen) > 1000
    assert meter.received_bytes == scales.answered_bytes > 1000
    assert meter.retries == 0


async def test_requests_and_bytes_of_blobs_are_those_that_passed(scene: Scene) -> None:
    """The same of blobs: a payload counts once on its way there and once on its way back; a copy stays in the service."""
    scales = Scales()
    scene.blob_proxy.react(scales, when=always)
    with metering() as meter:
        await scene.blobs.put(EXECUTION_DATA, "a/result.json", b"x" * 100_000)
        await scene.blobs.read(EXECUTION_DATA, "a/result.json")
        await scene.blobs.read(EXECUTION_DATA, "missing")
        assert [blob.size async for blob in scene.blobs.list(EXECUTION_DATA)] == [100_000]
        await scene.blobs.delete(EXECUTION_DATA, "a/result.json")

    assert meter.requests.total() == len(scene.blob_proxy.seen)
    assert meter.sent_bytes == sum(len(request.body) for request in scene.blob_proxy.seen) == 100_000
    assert meter.received_bytes == scales.answered_bytes > 100_000


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_what_the_sdk_repeats_is_counted(scene: Scene, times: int) -> None:
    """A read that fails for a while was sent once more for each failure."""
    scene.tables.react(Answer(503, "ServerBusy"), when=always, times=times)
    with metering() as meter:
        assert await scene.backend.get(config().key) is None

    assert (meter.requests, meter.retries) == ({"table": times + 1}, times)


async def test_what_the_blobs_sdk_repeats_is_counted(scene: Scene) -> None:
    """Blobs are sent again by their own SDK; each time the whole payload goes over the line."""
    scene.blob_proxy.react(Answer(503, "ServerBusy"), when=always, times=1)
    with metering() as meter:
        await scene.blobs.put(EXECUTION_DATA, "a", b"x" * 1000)

    assert (meter.requests, meter.retries, meter.sent_bytes) == ({"blob": 2}, 1, 2000)


@pytest.mark.parametrize("reaction", [DropBefore(), Answer(503, "ServerBusy"), Answer(500, "InternalError")])
async def test_what_the_write_loop_repeats_is_counted(scene: Scene, reaction: Reaction) -> None:
    """A write is sent once by the SDK; that the library sent it again, after looking what had become of it, is counted."""
    scene.tables.react(reaction, times=2)
    with metering() as meter:
        await scene.backend.create(config())

    assert meter.retries == 2
    assert sum(request.is_write for request in scene.tables.seen) == 3
    assert meter.requests.total() == len(scene.tables.seen)


async def test_a_write_whose_answer_was_lost_is_not_repeated(scene: Scene) -> None:
    """It is looked for, found, and was sent once; the lost answer brought nothing."""
    scene.tables.react(DropAfter(), times=1)
    with metering() as meter:
        await scene.backend.create(config())

    assert (meter.retries, sum(request.is_write for request in scene.tables.seen)) == (0, 1)


async def test_a_lost_race_is_a_repeated_write(scene: Scene) -> None:
    """A conditional write that found another native etag is sent again against the one just read."""
    read = await scene.store.backend.create(config())
    assert await scene.store.backend.apply(read, over=read.etag.native)
    with metering() as meter:
        await scene.backend.replace(touched(read), read.etag)

    assert meter.retries == 1


async def test_a_failure_counts_with_all_it_cost(scene: Scene) -> None:
    """A read that the service kept refusing was sent four times, three of them again."""
    scene.tables.react(Answer(429, headers={"Retry-After": "0"}), when=always)
    with metering() as meter, pytest.raises(ThrottledError):
        await scene.backend.get(config().key)

    assert (meter.requests, meter.retries) == ({"table": 4}, 3)
    assert meter.received_bytes > 0


async def test_a_count_reads_a_thousand_rows_at_a_time_and_of_each_what_it_needs(scene: Scene) -> None:
    """405 runs are one request, whatever page the query speaks of, and of each a few columns go over the line."""
    mapping = Mappings(SPECS).by_kind["execution"]
    started = "2025-11-13T12:00:00.000000Z"
    records = [execution(n, status="Success", durationMs=n, startedAt=started, errorMessage="x" * 2000) for n in range(405)]
    for start in range(0, len(records), MAX_TRANSACTION):
        rows = [mapping.encode(record)[0] for record in records[start : start + MAX_TRANSACTION]]
        await innermost(scene.store.backend).account.write(mapping.table, [Insert(row) for row in rows])
    with metering() as meter:
        (found,) = await scene.backend.aggregate(
            Query("execution", ORGANIZATION, limit=1), group_by=("status",), sum_of=("durationMs",), histogram_of="durationMs"
        )

    assert (found.count, found.sums, sum(found.histogram.values())) == (405, (sum(range(405)),), 405)
    assert meter.requests == {"table": 1}
    assert meter.received_bytes < 405 * 1000


async def test_a_count_of_a_window_leaves_other_days_in_the_service(scene: Scene) -> None:
    """Of 60 days of runs, those of an hour are counted from the rows of three days."""
    mapping = Mappings(SPECS).by_kind["execution"]
    days = [datetime(2025, 3, 1, 10, 30, tzinfo=UTC) + timedelta(days=number - 30) for number in range(60)]
    rows = [mapping.encode(execution(n, completedAt=format_time(day), durationMs=1))[0] for n, day in enumerate(days)]
    await innermost(scene.store.backend).account.write(mapping.table, [Insert(row) for row in rows])
    scene.tables.clear()
    scales = Scales()
    scene.tables.react(scales, when=always)
    hour = Range("completedAt", "2025-03-01T10:00:00.000000Z", "2025-03-01T11:00:00.000000Z")
    (found,) = await scene.backend.aggregate(Query("execution", ORGANIZATION, (hour,)), sum_of=("durationMs",))

    assert (found.count, found.sums) == (1, (1,))
    assert len(scene.tables.seen) == 1
    assert 0 < scales.answered_bytes < 4 * 400
