"""A processor over Cosmos DB while the service splits what it follows."""

# ruff: noqa: ASYNC110 - a test waits for what others do.

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
import anyio.lowlevel
import pytest

from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.changefeed import ChangeFeedProcessor, FeedItem, FeedTiming, leases_by_processor
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.examples import config, touched
from bifrost_store.wrappers.checked import CheckedBackend

pytestmark = [pytest.mark.anyio, pytest.mark.cosmos_emulator(consistency="Strong", is_serverless=True)]

SCOPES = [Scope.organization(f"o-{number}") for number in range(12)]
FAST = FeedTiming(look=0.1, expire=20.0, ranges=0.2)


@pytest.fixture
async def backend(cosmos_emulator: CosmosEmulator) -> AsyncIterator[CheckedBackend]:
    opened = CosmosBackend.from_connection_string(cosmos_emulator.connection_string, SPECS)
    await opened.provision()
    yield CheckedBackend(opened, SPECS)
    await opened.aclose()


async def test_splits_are_followed(backend: CheckedBackend, cosmos_emulator: CosmosEmulator) -> None:
    """Two processors share a container of one partition, then of three: each change is handled, in order per scope."""
    handled: list[tuple[Key, int]] = []

    async def handle(items: Sequence[FeedItem]) -> None:
        await anyio.lowlevel.checkpoint()
        handled.extend((item.key, item.version.revision) for item in items if isinstance(item, Record))

    async def write() -> None:
        for scope in SCOPES:
            key = config(scope=scope).key
            stored = await backend.get(key)
            await (backend.create(config(scope=scope)) if stored is None else backend.replace(touched(stored), stored.etag))

    async def ranges() -> set[str]:
        return {f"{lease.low}-{lease.high}" for lease in (await leases_by_processor(backend)).get("p", [])}

    async def until_handled() -> None:
        expected = {key: record.version.revision for key, record in (await everything(backend)).items()}
        while dict(handled) != expected:
            await anyio.sleep(0.02)

    processors = [
        ChangeFeedProcessor(
            backend, name="p", feed="entities", handler=handle, start="beginning", poll_seconds=0.05, limit=5, timing=FAST
        )
        for _ in range(2)
    ]
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for processor in processors:
                tasks.start_soon(processor.run)
            await write()
            await until_handled()
            assert {"-FF"} == await ranges()
            cosmos_emulator.split("bifrost", "entities", "0")
            cosmos_emulator.split("bifrost", "entities", "1")
            await write()
            while len(await ranges()) != 3:
                await anyio.sleep(0.05)
            await write()
            await until_handled()
            assert backend.feed is not None
            assert await ranges() == {str(part) for part in await backend.feed.ranges("entities")}
            for processor in processors:
                processor.stop()
    last: dict[Key, int] = {}
    for key, revision in handled:
        assert revision >= last.get(key, 0)
        last[key] = revision
