"""Raw documents of a container's change feed, as an application's own trigger is given them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.cosmos.aio import CosmosClient

from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.cosmos.feed_items import read_feed_items
from bifrost_store.core.scope import SYSTEM
from bifrost_store.documents import SPECS
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.testing.examples import config, execution
from bifrost_store.testing.feeds import beginning, drained
from bifrost_store.wrappers.checked import CheckedBackend

pytestmark = [pytest.mark.anyio, pytest.mark.cosmos_emulator(consistency="Strong", is_serverless=True)]


@pytest.fixture
async def backend(cosmos_emulator: CosmosEmulator) -> AsyncIterator[CheckedBackend]:
    opened = CosmosBackend.from_connection_string(cosmos_emulator.connection_string, SPECS, database="bifrost")
    await opened.provision()
    yield CheckedBackend(opened, SPECS)
    await opened.aclose()


@pytest.mark.parametrize(("feed", "made", "names"), [("entities", config, ("a", "b")), ("executions", execution, (1, 2))])
async def test_documents_are_the_items_that_the_feed_gives(
    feed: Any, made: Any, names: tuple[Any, Any], backend: CheckedBackend, cosmos_emulator: CosmosEmulator
) -> None:
    """Records and tombstones; the library's own are left out, and what cannot be read is named."""
    first = await backend.create(made(names[0]))
    await backend.create(made(names[1]))
    await backend.delete(first.key)
    assert backend.feed is not None
    expected = await drained(backend.feed, feed, await beginning(backend.feed, feed))
    bad: dict[str, Any] = {"id": "bad", "scope": "GLOBAL", "type": "config", "meta": {"schema": "none"}}
    own: dict[str, Any] = {"id": "feed_lease-x", "scope": str(SYSTEM), "type": "feed_lease"}

    async with CosmosClient.from_connection_string(cosmos_emulator.connection_string) as client:
        container = client.get_database_client("bifrost").get_container_client(feed)
        await container.create_item(bad)
        await container.create_item(own)
        raw = [document async for document in container.query_items_change_feed(start_time="Beginning")]
    items, unreadable = read_feed_items(feed, json.loads(json.dumps(raw)))

    assert expected == items
    assert len(raw) == len(items) + 2
    (error,) = unreadable
    assert "bad" in str(error)
