"""What waits in memory has limits: keys for the journal, writes under way, calls to a second store, connections."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.blobs.azure import AzureBlobStore
from bifrost_store.core.record import Key
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, OutcomeUnknownError
from bifrost_store.mirroring import mirror as mirror_module
from bifrost_store.testing.examples import config
from tests.unit.test_dual_writes import UNAVAILABLE, Pair

pytestmark = pytest.mark.anyio


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Two empty stores, and limits that are soon reached."""
    for limit in ("MAX_WRITES", "MAX_CALLS", "MAX_PENDING_KEYS"):
        monkeypatch.setattr(mirror_module, limit, 3)
    return Pair()


def answers_lost(pair: Pair) -> None:
    """Let the primary lose every answer, and take nothing for the journal."""

    async def before(operation: str, key: Key) -> None:
        if key.kind == "journal":
            raise UNAVAILABLE

    async def after(operation: str, key: Key) -> None:
        raise OutcomeUnknownError("lost")

    pair.primary.before, pair.primary.after = before, after


async def test_no_write_begins_while_too_many_keys_wait_for_the_journal(pair: Pair) -> None:
    """At the limit a write is refused before it is sent, reads go on; once the journal takes the keys, writes go on too."""
    answers_lost(pair)
    for number in range(3):
        with pytest.raises(OutcomeUnknownError):
            await pair.dual.create(config(f"key-{number}"))
    created = pair.primary.calls["create"]
    with pytest.raises(
        BackendUnavailableError, match=r"3 keys .* wait for the journal.* nothing of this was; reads go on"
    ) as raised:
        await pair.dual.create(config("one too many"))

    assert raised.value.is_retryable
    assert await pair.dual.get(config("one too many").key) is None
    assert await pair.dual.get(config("key-1").key) is not None
    assert pair.primary.calls["create"] <= created + 1, "the journal was asked again, nothing else"
    pair.primary.works()
    await pair.dual.create(config("one too many"))
    assert {config(f"key-{number}").key for number in range(3)} <= await pair.owed()
    assert pair.mirror.is_settled


async def test_a_write_waits_while_too_many_are_under_way(pair: Pair) -> None:
    """Those count whose callers gave up; a caller that waits may give up too, and one goes on when one ends."""
    go_on = anyio.Event()

    async def wait(operation: str, key: Key) -> None:
        await go_on.wait()

    pair.primary.before = wait
    given_up = [asyncio.create_task(pair.dual.create(config(f"key-{number}"))) for number in range(3)]
    await anyio.wait_all_tasks_blocked()
    for task in given_up:
        task.cancel()
    waiting = [asyncio.create_task(pair.dual.create(config(f"later-{number}"))) for number in range(2)]
    await anyio.wait_all_tasks_blocked()
    assert pair.primary.calls["create"] == 3
    waiting[0].cancel()
    await anyio.wait_all_tasks_blocked()
    assert waiting[0].cancelled()
    go_on.set()
    await waiting[1]

    await pair.mirror.drain()
    pair.primary.works()
    assert pair.primary.calls["create"] == 4
    assert await pair.is_equal()


async def test_calls_that_do_not_end_are_not_added_to(pair: Pair) -> None:
    """A secondary that does not even end when it is given up gets no more calls; what it misses is journaled at once."""
    go_on = anyio.Event()

    async def ignore(operation: str, key: Key) -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    pair.secondary.before = ignore
    pair.mirror._breaker.may_try = lambda: True  # type: ignore[method-assign]
    for number in range(5):
        await pair.dual.create(config(f"key-{number}"))

    assert pair.secondary.calls["apply"] == 3
    assert {config(f"key-{number}").key for number in range(5)} <= await pair.owed()
    go_on.set()
    await pair.mirror.drain()


MAX_CONNECTIONS = 100
"""That a client of an SDK holds, by aiohttp's default: what the README states."""


@pytest.mark.parametrize("what", ["tables", "blobs"])
async def test_connections_of_a_client_are_limited(what: str) -> None:
    """More calls at once than connections wait for one."""
    connections: list[asyncio.StreamWriter] = []
    closed = anyio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await closed.wait()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, backlog=500) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/acme"
        text = f"AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint={endpoint};BlobEndpoint={endpoint}"
        store: Any = (
            TableBackend.from_connection_string(text, SPECS) if what == "tables" else AzureBlobStore.from_connection_string(text)
        )
        call = store.ping if what == "tables" else (lambda: store.get("abc", "a"))
        calls = [asyncio.create_task(call()) for _ in range(MAX_CONNECTIONS + 50)]
        for _ in range(20_000):
            await anyio.lowlevel.checkpoint()
            if len(connections) > MAX_CONNECTIONS:
                break
        assert len(connections) == MAX_CONNECTIONS
        for task in calls:
            task.cancel()
        await asyncio.wait(calls)
        await store.aclose()
        closed.set()
