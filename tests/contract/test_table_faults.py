"""Faults between the SDK and Table Storage that other technologies do not know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from azure.data.tables import EdmType, EntityProperty

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table.account import Put, Remove
from bifrost_store.core.meter import count_requests
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.errors import (
    AccessDeniedError,
    BackendTimeoutError,
    BackendUnavailableError,
    CorruptDocumentError,
    InvalidRequestError,
    NotProvisionedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
)
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, execution, touched
from bifrost_store.testing.fault_proxy import Answer, DropAfter, DropBefore, FaultProxy, Freeze, Reaction, SeenRequest
from bifrost_store.testing.operations import NOW, OPERATIONS, view
from bifrost_store.testing.repositories import repositories_over
from bifrost_store.testing.strict import exactly
from tests.contract.cosmos_harness import SHORT_SECONDS
from tests.contract.harness import TableHarness, TableStore, rows_of
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"


@dataclass(frozen=True, slots=True)
class Scene:
    """A sound store, and a handle on it that goes through a proxy."""

    store: TableStore
    proxy: FaultProxy
    broken: Backend


@pytest.fixture
async def scene(table_harness: TableHarness, clock: SettableClock) -> AsyncIterator[Scene]:
    """Yield an empty store behind a proxy."""
    async with opened(table_harness, clock) as one:
        yield one


@asynccontextmanager
async def opened(harness: TableHarness, clock: SettableClock, **options: Any) -> AsyncIterator[Scene]:
    """Open an empty store behind a proxy; *options* are the SDK's."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(harness.open_empty(clock))
        proxy, broken = await stack.enter_async_context(store.proxied(**options))
        yield Scene(store, proxy, broken)


def always(_: SeenRequest) -> bool:
    """Pick every request."""
    return True


READS: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "get": lambda backend: backend.get(config().key),
    "query": lambda backend: backend.query(Query("execution", ORGANIZATION)),
    "aggregate": lambda backend: backend.aggregate(Query("execution", ORGANIZATION)),
    "scan": everything,
    "purge_expired": lambda backend: backend.purge_expired(kind="execution"),
    "ping": lambda backend: backend.ping(),
}
FAULTS: dict[str, tuple[Reaction, type[StoreError]]] = {
    "dropped": (DropBefore(), BackendUnavailableError),
    "frozen": (Freeze(), BackendTimeoutError),
    "throttled": (Answer(429, headers={"Retry-After": "7"}), ThrottledError),
    "busy": (Answer(503, "ServerBusy"), ThrottledError),
    "broken": (Answer(500, "InternalError"), BackendUnavailableError),
    "gateway": (Answer(502), BackendUnavailableError),
    "late gateway": (Answer(504), BackendTimeoutError),
    "denied": (Answer(403, "AuthorizationFailure"), AccessDeniedError),
    "missing table": (Answer(404, "TableNotFound"), NotProvisionedError),
}


def _patience(failure: str) -> dict[str, float]:
    return {"read_timeout": SHORT_SECONDS} if failure == "frozen" else {}


@pytest.mark.parametrize("failure", FAULTS)
@pytest.mark.parametrize("operation", READS)
async def test_reads_meet_faults(table_harness: TableHarness, clock: SettableClock, operation: str, failure: str) -> None:
    """A read that fails raises the fault's error, naming the operation, and no key of the account."""
    reaction, expected = FAULTS[failure]
    async with opened(table_harness, clock, **_patience(failure)) as scene:
        scene.proxy.react(reaction, when=always)
        with pytest.raises(StoreError) as caught:
            await READS[operation](scene.broken)

    assert type(caught.value) is expected
    assert (caught.value.backend, caught.value.operation) == ("table", operation)
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_refused_connection(scene: Scene) -> None:
    """With nobody listening, reads and writes are unavailable, retryable, and say what to check."""
    await scene.proxy.__aexit__(None, None, None)
    for call in (scene.broken.get(config().key), scene.broken.create(config()), scene.broken.ping()):
        with pytest.raises(BackendUnavailableError, match="endpoint") as caught:
            await call
        assert caught.value.is_retryable
    assert await everything(scene.store.backend) == {}


UNREADABLE = [b"", b"{", b"[]", b'{"value": 5}', b"<html>busy</html>", b"\x00", b"null", b'{"\xff\xfe', b"not gzip"]
DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize("body", [*UNREADABLE, DEEP], ids=lambda body: repr(body[:12]))
async def test_answers_that_are_none(scene: Scene, body: bytes) -> None:
    """An answer that is no answer of the service, from a portal or a broken gateway, is an error of ours."""

    class Garbage(Reaction):
        async def before(self, request: SeenRequest) -> web.Response:
            headers = {"Content-Encoding": "gzip"} if body == b"not gzip" else {}
            return web.Response(body=body, content_type="application/json", headers=headers)

    scene.proxy.react(Garbage(), when=always)
    for operation in ("get", "query", "aggregate", "scan", "purge_expired"):
        with pytest.raises(StoreError) as caught:
            await READS[operation](scene.broken)
        assert caught.value.operation == operation
        assert body != DEEP or type(caught.value) is CorruptDocumentError
    with pytest.raises(OutcomeUnknownError):
        await scene.broken.create(config())


@pytest.mark.parametrize("failure", ["dropped", "frozen", "busy", "broken"])
@pytest.mark.parametrize("times", [1, 3])
async def test_passing_faults_are_waited_out(table_harness: TableHarness, clock: SettableClock, failure: str, times: int) -> None:
    """A write that fails for a while is sent again and takes effect once."""
    async with opened(table_harness, clock, **_patience(failure)) as scene:
        scene.proxy.react(FAULTS[failure][0], times=times)
        created = await scene.broken.create(config())
        scene.proxy.react(FAULTS[failure][0], times=times)
        replaced = await scene.broken.replace(touched(created), created.etag)
        scene.proxy.react(FAULTS[failure][0], times=times)

        assert replaced.version.revision == 2
        assert exactly(await scene.store.backend.get(created.key)) == exactly(replaced)
        assert await scene.broken.delete(created.key) is not None


async def test_the_sdk_repeats_reads(table_harness: TableHarness, clock: SettableClock) -> None:
    """Reads are sent again by the SDK, and each sending counts."""
    async with opened(table_harness, clock, retry_total=3, retry_backoff_factor=0.01, read_timeout=5) as scene:
        created = await scene.store.backend.create(config())
        scene.proxy.react(Answer(503), when=always, times=2)
        with count_requests() as counted:
            read = await scene.broken.get(created.key)

    assert exactly(read) == exactly(created)
    assert counted["table"] == 3


async def test_writes_are_sent_once(scene: Scene) -> None:
    """However a write fails, the SDK sends nothing behind our back."""
    scene.proxy.react(Answer(403), when=lambda request: request.is_write)
    with pytest.raises(AccessDeniedError):
        await scene.broken.create(config())

    assert [request.is_write for request in scene.proxy.seen] == [True]


class Meanwhile(Reaction):
    """Lets a write through, does something else, and loses the answer."""

    def __init__(self, call: Callable[[], Awaitable[object]]) -> None:
        self._call = call

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        await self._call()
        return await DropAfter().after(request, answer)


async def _current(scene: Scene, record: Record) -> Record:
    stored = await scene.store.backend.get(record.key)
    assert stored is not None
    return stored


@pytest.mark.parametrize("record", [config(), execution()], ids=lambda record: record.key.kind)
async def test_an_answer_lost_and_the_record_changed_since(scene: Scene, record: Record) -> None:
    """Where our answer was lost and someone wrote on top, what happened cannot be told: OutcomeUnknownError."""
    created = await scene.store.backend.create(record)

    async def change() -> None:
        stored = await _current(scene, record)
        await scene.store.backend.replace(touched(stored, 5), stored.etag)

    scene.proxy.react(Meanwhile(change), times=1)
    with pytest.raises(OutcomeUnknownError) as caught:
        await scene.broken.replace(touched(created), created.etag)

    assert caught.value.key == str(record.key)
    assert caught.value.is_retryable is False
    assert (await _current(scene, record)).version.revision == 3


async def test_an_answer_lost_and_the_record_deleted_since(scene: Scene) -> None:
    """The same where it was deleted since, for create and replace."""

    async def delete() -> None:
        await scene.store.backend.delete(config().key)

    scene.proxy.react(Meanwhile(delete), times=1)
    with pytest.raises(OutcomeUnknownError):
        await scene.broken.create(config())
    created = await scene.store.backend.create(config())
    scene.proxy.react(Meanwhile(delete), times=1)
    with pytest.raises(OutcomeUnknownError):
        await scene.broken.replace(touched(created), created.etag)


async def test_a_batch_whose_answer_was_lost_and_one_record_changed_since(scene: Scene) -> None:
    """What is found of one operation holds for all: the batch was carried out, whoever wrote on top of its first record since."""

    async def change() -> None:
        stored = await _current(scene, config("a"))
        await scene.store.backend.replace(touched(stored, 5), stored.etag)

    scene.proxy.react(Meanwhile(change), times=1)
    results = await scene.broken.batch([Create(config("a")), Create(config("b"))])

    assert [one.key for one in results if isinstance(one, Record)] == [config("a").key, config("b").key]
    assert [(await _current(scene, config(key))).version.revision for key in "ab"] == [2, 1]


async def test_an_answer_lost_to_someone_elses_write(scene: Scene) -> None:
    """Where our write was refused, and that answer was lost, someone else's write is what we hear of."""
    created = await scene.store.backend.create(config())
    await scene.store.backend.replace(touched(created, 5), created.etag)
    scene.proxy.react(DropAfter(), times=1)

    with pytest.raises(PreconditionFailedError):
        await scene.broken.replace(touched(created), created.etag)


async def test_an_answer_lost_and_nobody_to_ask(scene: Scene) -> None:
    """Where the answer was lost and reading what happened fails too, it is OutcomeUnknownError; the write may be there."""
    scene.proxy.react(DropAfter(), times=1)
    scene.proxy.react(Answer(403), when=lambda request: not request.is_write)
    with pytest.raises(OutcomeUnknownError) as caught:
        await scene.broken.create(config())

    assert caught.value.__cause__ is not None
    assert await scene.store.backend.get(config().key) is not None


async def test_a_deletion_lost_and_repeated(scene: Scene) -> None:
    """A delete whose answer was lost is True once; asked again it is False."""
    await scene.store.backend.create(execution())
    scene.proxy.react(DropAfter(), times=1)

    assert await scene.broken.delete(execution().key) is not None
    assert await scene.broken.delete(execution().key) is None


async def test_a_long_wait_is_left_to_the_caller(scene: Scene) -> None:
    """A service that asks for more than two seconds is not waited for: the caller hears how long."""
    scene.proxy.react(Answer(429, headers={"x-ms-retry-after-ms": "2500"}), times=1)
    with pytest.raises(ThrottledError) as caught:
        await scene.broken.batch([Create(config("a")), Create(config("b"))])

    assert caught.value.retry_after_seconds == 2.5
    assert len(scene.proxy.seen) == 1


async def test_index_rows_may_fail(scene: Scene) -> None:
    """A failure of the rows for old code fails no write: the record is there, and repair completes the rest."""
    scene.proxy.react(Answer(500), skip=1)
    created = await scene.broken.create(execution())
    scene.proxy.clear()
    report = await innermost(scene.broken).repair.run()

    assert exactly(await scene.store.backend.get(created.key)) == exactly(created)
    assert report.repaired["index rows written"] == 3
    assert (await innermost(scene.broken).repair.run()).repaired == {}


@pytest.mark.parametrize("answer", [Answer(403, "AuthorizationFailure"), Answer(404, "ResourceNotFound"), Answer(500)], ids=repr)
async def test_a_repair_without_progress_ends(scene: Scene, answer: Answer) -> None:
    """Index rows that cannot be written are tried a few times, and the record is named; the rest is repaired."""
    created = [await scene.store.backend.create(execution(number)) for number in (1, 2)]
    account = innermost(scene.store.backend).account
    rows = [row async for row in account.rows("Relationships", "PartitionKey eq 'GLOBAL'", {})]
    await account.write("Relationships", [Remove("GLOBAL", row.row_key) for row in rows])
    scene.proxy.react(answer)
    report = await innermost(scene.broken).repair.run()

    assert {error.key for error in report.unreadable} == {str(record.key) for record in created}
    assert sum(request.is_write for request in scene.proxy.seen) <= 2 * 5


async def test_what_the_sdk_cannot_send_is_no_lost_answer(scene: Scene) -> None:
    """An error of the library's own or of the SDK's, before anything has left, is told as a refusal that shows no content."""
    odd = replace(config(), extra={"Odd": {"type": "Edm.Int32", "value": 5_000_000_000}})
    for call in (lambda: scene.broken.create(odd), lambda: scene.broken.batch([Create(odd), Create(config("b"))])):
        with pytest.raises(InvalidRequestError, match="nothing was sent") as caught:
            await call()
        assert not caught.value.is_retryable
        assert "5000000000" not in f"{caught.value} {caught.value.__cause__!r}"
    assert [request for request in scene.proxy.seen if request.is_write] == []


async def test_a_whole_number_beyond_32_bits(scene: Scene) -> None:
    """A row of the old application that holds an Int64 is read, changed, and written back, its index rows too."""
    created = await scene.store.backend.create(execution(1))
    account = innermost(scene.store.backend).account
    (row,) = [row async for row in account.rows("Entities", "RowKey ge 'execution:' and RowKey lt 'execution;'", {})]
    await account.write("Entities", [Put({**row.properties, "DurationMs": EntityProperty(5_000_000_000, EdmType.INT64)})])
    read = await scene.broken.get(created.key)
    assert read is not None
    assert read.body["durationMs"] == 5_000_000_000
    replaced = await scene.broken.replace(touched(read), read.etag)

    assert exactly(await scene.store.backend.get(created.key)) == exactly(replaced)
    await innermost(scene.broken).repair.run()
    report = await innermost(scene.broken).repair.run()
    assert (report.repaired, report.unreadable) == ({}, [])


@pytest.mark.parametrize("name", ["create an execution", "complete an execution", "delete an execution", "rename a user"])
async def test_any_lost_answer_of_an_operation(table_harness: TableHarness, clock: SettableClock, name: str) -> None:
    """Whichever write's answer is lost, the operation succeeds, and leaves what it leaves undisturbed."""
    operation = OPERATIONS[name]
    clock.now = NOW
    lost, undisturbed, leaves = 0, None, {}
    while True:
        async with opened(table_harness, clock, read_timeout=10) as scene:
            await operation.before(repositories_over(scene.store.backend, scene.store.blobs, clock))
            if lost:
                scene.proxy.react(DropAfter(), skip=lost - 1, times=1)
            await operation.step(repositories_over(scene.broken, scene.store.blobs, clock))
            seen = await view(repositories_over(scene.store.backend, scene.store.blobs, clock))
            rows = await rows_of(table_harness.azurite)
            writes = sum(request.is_write for request in scene.proxy.seen)
        if undisturbed is None:
            undisturbed, leaves, count = seen, rows, writes
        assert (seen, rows) == (undisturbed, leaves), lost
        if lost == count:
            break
        lost += 1

    assert lost > 1
