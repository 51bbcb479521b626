"""Recordings on Cosmos DB over a network that fails: the real SDK, the real requests, and every line once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from bifrost_store import GLOBAL, StoreSettings, open_store
from bifrost_store.testing.fault_proxy import Answer, DropAfter, DropBefore, FaultProxy, SeenRequest
from tests.contract.cosmos_harness import CosmosServer
from tests.realtime.cutting import CuttingProxy
from tests.recording.test_stores import messages
from tests.thorough import is_thorough

pytestmark = [pytest.mark.anyio, pytest.mark.long]
LINES = 6000 if is_thorough() else 300
Fail = Callable[[str], AbstractAsyncContextManager["Faulty"]]


class Faulty(NamedTuple):
    """A way to a server that fails."""

    endpoint: str
    has_failed: Callable[[], bool]
    heal: Callable[[], None]


@asynccontextmanager
async def cut_connections(endpoint: str) -> AsyncIterator[Faulty]:
    """Connections are cut in the middle of whatever they carry."""
    async with CuttingProxy(int(urlsplit(endpoint).port or 0), seed=11, pause=0.15) as proxy:

        def heal() -> None:
            proxy.pause = None

        yield Faulty(f"http://127.0.0.1:{proxy.port}", lambda: proxy.cuts > 2, heal)


def failing(*reactions: Answer | DropAfter | DropBefore, share: float) -> Fail:
    """Meet a share of the writes with one of *reactions*."""

    @asynccontextmanager
    async def fail(endpoint: str) -> AsyncIterator[Faulty]:
        chance = random.Random(3)
        async with FaultProxy(endpoint) as proxy:
            for reaction in reactions:
                proxy.react(reaction, when=lambda request: _appends(request) and chance.random() < share / len(reactions))

            yield Faulty(proxy.url, lambda: sum(map(_appends, proxy.seen)) > 5, proxy.clear)

    return fail


def _appends(request: SeenRequest) -> bool:
    return request.is_write and "execution_data" in request.path


FAULTS: dict[str, Fail] = {
    "connections are cut": cut_connections,
    "answers are lost": failing(DropAfter(), DropBefore(), share=0.5),
    "a storm of 429": failing(Answer(429, "TooManyRequests", {"x-ms-retry-after-ms": "20"}), share=0.9),
    "the service fails": failing(Answer(503, "ServiceUnavailable"), DropAfter(), share=0.6),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_line_is_stored_once_and_in_order(cosmos_server: CosmosServer, tmp_path: Path, fault: str) -> None:
    """Whatever the network does meanwhile; the workflow waits for nothing."""
    if cosmos_server.emulator is None:
        pytest.skip("faults can be had of the project's emulator alone")

    def settings(endpoint: str) -> StoreSettings:
        text = cosmos_server.connection_string.replace(cosmos_server.endpoint.rstrip("/"), endpoint.rstrip("/"))
        return StoreSettings(
            backend="cosmos",
            cosmos_connection_string=text,
            cosmos_database=database,
            blob_folder=str(tmp_path),
        )

    database, count = f"recording-{uuid4().hex[:12]}", 0
    async with open_store(settings(cosmos_server.endpoint)) as there, FAULTS[fault](cosmos_server.endpoint) as faulty:
        await there.provision()
        run = await there.executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U")
        async with open_store(settings(faulty.endpoint)) as store, store.execution_data.recording(run, capture=False) as recording:
            while count < LINES or not faulty.has_failed():
                recording.info(f"line {count}")
                count += 1
                await asyncio.sleep(0.005)
            faulty.heal()
            assert await recording.flush(seconds=60)
        assert [f"line {number}" for number in range(count)] == await messages(there, run)
