"""Faults between the SDK and Cosmos DB that other technologies do not know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.emulator.wire.auth import EMULATOR_KEY
from bifrost_store.errors import (
    AccessDeniedError,
    BackendTimeoutError,
    BackendUnavailableError,
    CorruptDocumentError,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
    ThrottledError,
)
from bifrost_store.testing.bulk import create_all, everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, execution, touched
from bifrost_store.testing.fault_proxy import DropBefore, Freeze, Reaction, SeenRequest
from bifrost_store.testing.strict import exactly
from tests.contract.cosmos_harness import CosmosHarness, Refusal, Scene

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cosmos_only")]


def always(_: SeenRequest) -> bool:
    """Pick every request."""
    return True


def is_about_documents(request: SeenRequest) -> bool:
    """Pick what is no metadata."""
    return "/docs" in request.path


READS: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "get": lambda backend: backend.get(config().key),
    "query": lambda backend: backend.query(Query("execution", ORGANIZATION)),
    "aggregate": lambda backend: backend.aggregate(Query("execution", ORGANIZATION), group_by=("status",)),
    "scan": everything,
    "purge_expired": lambda backend: backend.purge_expired(kind="execution"),
    "ping": lambda backend: backend.ping(),
}
FAULTS: dict[str, tuple[Callable[[], Reaction], type[StoreError]]] = {
    "dropped": (DropBefore, BackendUnavailableError),
    "frozen": (Freeze, BackendTimeoutError),
    "throttled": (lambda: Refusal(429, 3200, 7000), ThrottledError),
    "busy": (lambda: Refusal(503), ThrottledError),
    "broken": (lambda: Refusal(500), BackendUnavailableError),
    "late": (lambda: Refusal(408), BackendTimeoutError),
    "gateway": (lambda: Refusal(502), BackendUnavailableError),
    "late gateway": (lambda: Refusal(504), BackendTimeoutError),
    "denied": (lambda: Refusal(403), AccessDeniedError),
    "unknown key": (lambda: Refusal(401), AccessDeniedError),
    "moving": (lambda: Refusal(410, 1002), BackendUnavailableError),
    "moved": (lambda: Refusal(410), BackendUnavailableError),
    "meeting": (lambda: Refusal(449), BackendUnavailableError),
    "behind": (lambda: Refusal(404, 1002), BackendUnavailableError),
    "missing container": (lambda: Refusal(404, 1003), NotProvisionedError),
}


MAY_BE_DONE = frozenset({"dropped", "busy", "broken", "late", "gateway", "late gateway", "moving", "moved"})
"""Writes that are answered so may have been carried out."""
OF_PARTITIONS = frozenset({"moving", "moved", "meeting", "behind"})
"""Only who holds documents answers so."""


@pytest.mark.parametrize(
    ("operation", "failure", "is_warm"),
    [
        pytest.param(operation, failure, is_warm, id=f"{operation}-{failure}-{'warm' if is_warm else 'cold'}")
        for operation in READS
        for failure in FAULTS
        for is_warm in ([True, False] if operation == "get" else [True])
        if operation != "ping" or failure not in OF_PARTITIONS
    ],
)
async def test_reads_meet_faults(
    cosmos_harness: CosmosHarness, clock: SettableClock, operation: str, failure: str, is_warm: bool
) -> None:
    """A read that fails raises the fault's error, naming the operation, and no key; the same handle works afterwards."""
    make, expected = FAULTS[failure]
    patience = 1.0 if failure == "frozen" else 10
    async with cosmos_harness.open_empty(clock) as store, store.proxied(read_timeout=patience) as scene:
        if is_warm:
            await READS[operation](scene.broken)
        scene.proxy.react(make(), when=is_about_documents if failure in OF_PARTITIONS else always)
        with pytest.raises(StoreError) as caught:
            await READS[operation](scene.broken)
        requests = len(scene.proxy.seen)
        scene.proxy.clear()
        await READS[operation](scene.broken)

    assert type(caught.value) is expected
    assert (caught.value.backend, caught.value.operation) == ("cosmos", operation)
    assert EMULATOR_KEY not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert requests < 60
    assert sum(scene.waits) < 200


@pytest.mark.parametrize("operation", ["create", "replace", "delete", "apply", "batch"])
@pytest.mark.parametrize("failure", sorted(set(FAULTS) - {"frozen"}))
async def test_writes_meet_faults(cosmos_scene: Scene, operation: str, failure: str) -> None:
    """The same for writes, of which none is then stored, while reading goes on; what may have been done is told as unknown."""
    make, expected = FAULTS[failure]
    if failure in MAY_BE_DONE:
        expected = OutcomeUnknownError
    stored = await cosmos_scene.store.backend.create(config("stored"))
    writes: dict[str, Callable[[Backend], Awaitable[object]]] = {
        "create": lambda backend: backend.create(config()),
        "replace": lambda backend: backend.replace(touched(stored), stored.etag),
        "delete": lambda backend: backend.delete(stored.key),
        "apply": lambda backend: backend.apply(touched(stored).tombstone(stored.version.next())),
        "batch": lambda backend: backend.batch([Create(config(key)) for key in "ab"]),
    }
    cosmos_scene.proxy.react(make())
    with pytest.raises(StoreError) as caught:
        await writes[operation](cosmos_scene.broken)

    assert type(caught.value) is expected
    assert (caught.value.backend, caught.value.operation) == ("cosmos", operation)
    assert EMULATOR_KEY not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert (await everything(cosmos_scene.store.backend)).keys() == {stored.key}
    assert exactly(await cosmos_scene.store.backend.get(stored.key)) == exactly(stored)


async def test_a_refused_connection(cosmos_scene: Scene) -> None:
    """With nobody listening, reads and writes are unavailable, retryable, and say what to check."""
    await cosmos_scene.proxy.__aexit__(None, None, None)
    for call in (
        cosmos_scene.broken.get(config().key),
        cosmos_scene.broken.create(config()),
        cosmos_scene.broken.ping(),
        cosmos_scene.broken.query(Query("config", ORGANIZATION)),
    ):
        with pytest.raises(BackendUnavailableError, match="endpoint") as caught:
            await call
        assert caught.value.is_retryable
    assert await everything(cosmos_scene.store.backend) == {}


UNREADABLE = [
    b"",
    b"{",
    b"[]",
    b'{"value": 5}',
    b'{"Documents": 5}',
    b"<html>busy</html>",
    b"\x00",
    b"null",
    b'{"\xff\xfe',
    b"not gzip",
]
DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize("body", [*UNREADABLE, DEEP], ids=lambda body: repr(body[:12]))
@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])
async def test_answers_that_are_none(cosmos_scene: Scene, body: bytes, is_warm: bool) -> None:
    """An answer that is no answer of the service, from a portal or a broken gateway, is an error of ours."""

    class Garbage(Reaction):
        async def before(self, request: SeenRequest) -> web.Response:
            headers = {"Content-Encoding": "gzip"} if body == b"not gzip" else {}
            return web.Response(body=body, content_type="application/json", headers=headers)

    if is_warm:
        await cosmos_scene.broken.get(config().key)
    cosmos_scene.proxy.react(Garbage(), when=always)
    for operation in ("get", "query", "aggregate", "scan", "purge_expired"):
        with pytest.raises(StoreError) as caught:
            await READS[operation](cosmos_scene.broken)
        assert (caught.value.backend, caught.value.operation) == ("cosmos", operation)
        assert body != DEEP or not is_warm or type(caught.value) is CorruptDocumentError
    with pytest.raises(OutcomeUnknownError if is_warm else StoreError):
        await cosmos_scene.broken.create(config())
    with pytest.raises(OutcomeUnknownError if is_warm else StoreError):
        await cosmos_scene.broken.batch([Create(config(key)) for key in "ab"])


PASSING = ["dropped", "busy", "broken", "late", "moving", "moved", "meeting", "behind"]


@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.parametrize("times", [1, 2])
async def test_passing_faults_are_waited_out(cosmos_scene: Scene, failure: str, times: int) -> None:
    """A write that fails for a while is sent again and takes effect once."""
    proxy, broken = cosmos_scene.proxy, cosmos_scene.broken
    proxy.react(FAULTS[failure][0](), times=times)
    created = await broken.create(config())
    proxy.react(FAULTS[failure][0](), times=times)
    replaced = await broken.replace(touched(created), created.etag)
    proxy.react(FAULTS[failure][0](), times=times)
    results = await broken.batch([Create(config(key)) for key in "ab"])

    assert replaced.version.revision == 2
    assert exactly(await cosmos_scene.store.backend.get(created.key)) == exactly(replaced)
    stored = await everything(cosmos_scene.store.backend)
    assert [exactly(stored[one.key]) for one in results if isinstance(one, Record)] == [exactly(one) for one in results]  # type: ignore[arg-type]
    deleted = await broken.delete(created.key)
    assert deleted is not None
    assert (deleted.is_tombstone, deleted.version.revision) == (True, 3)


QUERYING = ["query", "aggregate", "scan", "purge_expired"]


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        # The service says the other two of single documents alone.
        *[("get", failure) for failure in PASSING],
        *[(operation, failure) for operation in QUERYING for failure in PASSING if failure not in ("moved", "meeting")],
    ],
)
async def test_reads_are_repeated_once(cosmos_scene: Scene, operation: str, failure: str) -> None:
    """A read that fails once is sent again, by the SDK or by us."""
    await create_all(cosmos_scene.store.backend, [execution(number) for number in range(3)])
    expected = await READS[operation](cosmos_scene.store.backend)
    await READS[operation](cosmos_scene.broken)
    cosmos_scene.proxy.react(FAULTS[failure][0](), when=is_about_documents, times=1)

    assert await READS[operation](cosmos_scene.broken) == expected


@pytest.mark.parametrize("operation", ["get", *QUERYING])
async def test_half_an_answer_is_asked_for_again(cosmos_scene: Scene, operation: str) -> None:
    """A page or document that ends in its middle is read again."""
    store = cosmos_scene.store
    await create_all(store.backend, [execution(number) for number in range(3)])
    await store.backend.create(config())
    async with store.opened() as broken:
        expected = await READS[operation](store.backend)
        await READS[operation](broken)
        cosmos_scene.emulator.faults.add(operation="Read", kind="docs", path=store.database, drop="half")
        cosmos_scene.emulator.faults.add(operation="SqlQuery", kind="docs", path=store.database, drop="half")

        assert await READS[operation](broken) == expected


async def test_writes_are_sent_once(cosmos_scene: Scene) -> None:
    """However a write fails, the SDK sends nothing behind our back but what was answered 503."""
    for status, times in ((403, 1), (400, 1), (413, 1), (500, 1), (408, 1), (503, 2)):
        cosmos_scene.proxy.clear()
        cosmos_scene.proxy.react(Refusal(status))
        with pytest.raises(StoreError):
            await cosmos_scene.broken.create(config())
        # Between two sendings of ours there is a look at what became of the first.
        runs = "".join("w" if request.is_write else "r" for request in cosmos_scene.proxy.seen).split("r")
        assert {run for run in runs if run} == {"w" * times}, status
