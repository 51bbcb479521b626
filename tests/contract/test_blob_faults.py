"""Writes of blobs whose answers are lost, and what later sendings are answered: the SDK sends them again by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from azure.storage.blob.aio import BlobServiceClient, LinearRetry

from bifrost_store.blobs.azure import METERED, AzureBlobStore, TransportOfOneSending
from bifrost_store.blobs.protocol import EXECUTION_DATA, BlobStore
from bifrost_store.errors import (
    AccessDeniedError,
    BackendUnavailableError,
    DocumentTooLargeError,
    OutcomeUnknownError,
    StoreError,
    ThrottledError,
)
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.fault_proxy import Answer, DropAfter, FaultProxy, Late, Reaction, SeenRequest
from tests.contract.harness import TableHarness, through

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]

OLD, NEW = b"old", b"new"
WRITES: dict[str, Callable[[BlobStore], Awaitable[object]]] = {
    "put": lambda blobs: blobs.put(EXECUTION_DATA, "e/a", NEW),
    "copy": lambda blobs: blobs.copy(EXECUTION_DATA, "e/source", "e/a"),
    "delete": lambda blobs: blobs.delete(EXECUTION_DATA, "e/a"),
}
REFUSALS: dict[str, tuple[Answer, type[StoreError]]] = {
    "throttled": (Answer(429, "TooManyRequests"), ThrottledError),
    "busy": (Answer(503, "ServerBusy"), ThrottledError),
    "denied": (Answer(403, "AuthorizationFailure"), AccessDeniedError),
    "too large": (Answer(413, "RequestBodyTooLarge"), DocumentTooLargeError),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A sound store, and one that goes through a proxy and sends again at once, twice."""

    sound: BlobStore
    proxy: FaultProxy
    broken: AzureBlobStore

    async def content(self) -> bytes | None:
        return await self.sound.get(EXECUTION_DATA, "e/a")


@pytest.fixture
async def scene(table_harness: TableHarness, clock: SettableClock) -> AsyncIterator[Scene]:
    """Blobs of an account, among them one to write over and one to copy."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(table_harness.open_empty(clock))
        proxy = await stack.enter_async_context(FaultProxy(f"http://127.0.0.1:{table_harness.azurite.blob_port}"))
        where = through(table_harness.azurite, tables=proxy, blobs=proxy)
        retries = LinearRetry(backoff=0, retry_total=2, random_jitter_range=0)
        options: dict[str, Any] = {**METERED, "retry_policy": retries, "transport": TransportOfOneSending()}
        client = await stack.enter_async_context(BlobServiceClient.from_connection_string(where, **options))
        await store.blobs.put(EXECUTION_DATA, "e/a", OLD)
        await store.blobs.put(EXECUTION_DATA, "e/source", NEW)
        yield Scene(store.blobs, proxy, AzureBlobStore(client))


@pytest.mark.parametrize("answer", REFUSALS)
@pytest.mark.parametrize("write", WRITES)
async def test_an_unknown_fate_stays_unknown(scene: Scene, write: str, answer: str) -> None:
    """A write of a blob whose first answer is lost and whose next sending is refused is not told as refused: it arrives later."""
    late = Late()
    scene.proxy.react(late, times=1)
    scene.proxy.react(REFUSALS[answer][0])
    with pytest.raises(OutcomeUnknownError) as caught:
        await WRITES[write](scene.broken)
    assert (caught.value.backend, caught.value.operation) == ("blob", write)
    assert await scene.content() == OLD
    for request in late.kept:
        await scene.proxy.deliver(request)

    assert await scene.content() == (None if write == "delete" else NEW)


@pytest.mark.parametrize("answer", REFUSALS)
@pytest.mark.parametrize("write", WRITES)
async def test_a_refusal_alone_is_told_as_such(scene: Scene, write: str, answer: str) -> None:
    """A write of a blob that is refused, however often, is no unknown outcome."""
    refusal, expected = REFUSALS[answer]
    scene.proxy.react(refusal)
    with pytest.raises(StoreError) as caught:
        await WRITES[write](scene.broken)

    assert type(caught.value) is expected
    assert await scene.content() == OLD


@pytest.mark.parametrize("write", WRITES)
async def test_a_lost_answer_alone_is_made_good(scene: Scene, write: str) -> None:
    """A write of a blob whose answer is lost is sent again, and is success; a deletion still says that the blob was there."""
    scene.proxy.react(DropAfter(), times=1)

    assert await WRITES[write](scene.broken) in (None, True)
    assert await scene.content() == (None if write == "delete" else NEW)


@pytest.mark.parametrize("body", [b"not gzip", b"[" * 200_000, b"\xff\xfe", b""])
async def test_answers_that_are_none(scene: Scene, body: bytes) -> None:
    """An answer that cannot be read is an error of ours; of a write it is a lost one."""

    class Garbage(Reaction):
        async def before(self, request: SeenRequest) -> web.Response:
            headers = {"Content-Encoding": "gzip"} if body == b"not gzip" else {}
            return web.Response(body=body, content_type="application/xml", headers=headers)

    scene.proxy.react(Garbage(), when=lambda _: True)
    for call in WRITES.values():
        with pytest.raises(StoreError) as caught:
            await call(scene.broken)
        assert type(caught.value) in (OutcomeUnknownError, BackendUnavailableError)
    with pytest.raises(StoreError):
        await scene.broken.get(EXECUTION_DATA, "e/a")
    with pytest.raises(StoreError):
        [blob async for blob in scene.broken.list(EXECUTION_DATA)]
