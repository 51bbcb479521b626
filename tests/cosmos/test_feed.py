"""What is special to the feeds of Cosmos DB: physical partitions, splits, and containers that are made again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.cosmos.layout import CONTAINER_OF, CONTAINERS
from bifrost_store.core.feed import WHOLE
from bifrost_store.core.meter import count_requests
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM, Scope
from bifrost_store.documents import SPECS
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.errors import BackendUnavailableError, InvalidContinuationTokenError, NotProvisionedError
from bifrost_store.testing.examples import config, execution, touched
from bifrost_store.testing.feeds import Positions, beginning, by_key, drained, tips
from bifrost_store.wrappers.checked import CheckedBackend

DATABASE = "bifrost"
STRONG = pytest.mark.cosmos_emulator(consistency="Strong", is_serverless=True)
FOUR = pytest.mark.cosmos_emulator(consistency="Strong", is_serverless=True, partitions=4)
pytestmark = pytest.mark.anyio

SCOPES = [Scope.organization(f"o-{number}") for number in range(12)]


@pytest.fixture
async def backend(cosmos_emulator: CosmosEmulator) -> AsyncIterator[CheckedBackend]:
    opened = CosmosBackend.from_connection_string(cosmos_emulator.connection_string, SPECS, database=DATABASE)
    await opened.provision()
    yield CheckedBackend(opened, SPECS)
    await opened.aclose()


async def write(backend: CheckedBackend, name: str) -> set[Key]:
    """Store a record in each scope and return their keys."""
    return {(await backend.create(config(name, scope=scope))).key for scope in SCOPES}


async def read(backend: CheckedBackend, places: Positions) -> list[Record]:
    assert backend.feed is not None
    items = await drained(backend.feed, "entities", places, limit=5)
    return [item for item in items if isinstance(item, Record)]


@FOUR
async def test_each_partition_is_a_range(backend: CheckedBackend) -> None:
    """Together the ranges are all of the feed, and each change is in one of them."""
    assert backend.feed is not None
    ranges = await backend.feed.ranges("entities")
    assert (4, "", "FF") == (len(ranges), ranges[0].low, ranges[-1].high)
    assert [part.high for part in ranges[:-1]] == [part.low for part in ranges[1:]]

    keys = await write(backend, "a")
    items = await read(backend, await beginning(backend.feed, "entities"))
    assert (keys, len(keys)) == ({item.key for item in items}, len(items))


@STRONG
@pytest.mark.parametrize("start", ["beginning", "tip", "middle"])
async def test_a_position_survives_splits(backend: CheckedBackend, cosmos_emulator: CosmosEmulator, start: str) -> None:
    """From before two splits a reader that knows nothing of them is told everything once, and drained at the end."""
    assert backend.feed is not None
    keys = await write(backend, "a")
    places = await (tips if start == "tip" else beginning)(backend.feed, "entities")
    if start == "middle":
        page = await backend.feed.items("entities", WHOLE, limit=5)
        keys -= {item.key for item in page.items if isinstance(item, Record)}
        places = {WHOLE: page.position}
    if start == "tip":
        keys = set()
    cosmos_emulator.split(DATABASE, "entities", "0")
    cosmos_emulator.split(DATABASE, "entities", "2")
    keys |= await write(backend, "b")

    items = await read(backend, places)
    assert (keys, len(keys)) == ({item.key for item in items}, len(items))
    assert [] == await read(backend, places)
    assert await write(backend, "c") == {item.key for item in await read(backend, places)}


@STRONG
async def test_a_position_is_cut_at_a_split(backend: CheckedBackend, cosmos_emulator: CosmosEmulator) -> None:
    """Narrowed to each of the new ranges it leads on in each alone, and each change is told in one of them."""
    assert backend.feed is not None
    await write(backend, "a")
    (position,) = (await tips(backend.feed, "entities")).values()
    assert position is not None
    cosmos_emulator.split(DATABASE, "entities", "0")
    keys = await write(backend, "b")
    ranges = await backend.feed.ranges("entities")
    assert 2 == len(ranges)

    items = await read(backend, {part: backend.feed.narrowed("entities", position, part) for part in ranges})
    assert (keys, len(keys)) == ({item.key for item in items}, len(items))
    with pytest.raises(InvalidContinuationTokenError, match="range"):
        await backend.feed.items("entities", ranges[0], position)
    narrow = backend.feed.narrowed("entities", position, ranges[0])
    with pytest.raises(InvalidContinuationTokenError, match="range"):
        backend.feed.narrowed("entities", narrow, ranges[1])


@FOUR
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**20))
async def test_nothing_is_skipped_whatever_splits(backend: CheckedBackend, cosmos_emulator: CosmosEmulator, seed: int) -> None:
    """Writes, pages and splits in any order: every change is told, in order per scope, and little twice."""
    assert backend.feed is not None
    random, versions, told = Random(seed), dict[Key, Record](), list[Record]()
    places = await tips(backend.feed, "entities")
    for _ in range(40):
        action = random.choice(["write", "write", "write", "read", "split", "narrow"])
        if action == "write":
            record = config(f"{seed}-{random.randrange(3)}", scope=random.choice(SCOPES))
            stored = await backend.get(record.key)
            changed = await (backend.create(record) if stored is None else backend.replace(touched(stored), stored.etag))
            versions[changed.key] = changed
        elif action == "read":
            part = random.choice(list(places))
            page = await backend.feed.items("entities", part, places[part], limit=random.randint(1, 4))
            places[part] = page.position
            told += [item for item in page.items if isinstance(item, Record)]
        elif action == "split" and len(places) < 9 and random.random() < 0.4:
            cosmos_emulator.split(DATABASE, "entities", random.choice(await range_ids(cosmos_emulator)))
        elif action == "narrow":
            for part in await backend.feed.ranges("entities"):
                wide = next((known for known in places if known != part and known.covers(part)), None)
                if wide is not None:
                    places[part] = backend.feed.narrowed("entities", places[wide] or "", part)
            present = set(await backend.feed.ranges("entities"))
            places = {part: place for part, place in places.items() if part in present}
    told += await read(backend, places)

    last = {item.key: item.version for item in told}
    assert {key: record.version for key, record in versions.items()} == last
    revisions: dict[Key, int] = {}
    for item in told:
        assert item.version.revision > revisions.get(item.key, 0)
        revisions[item.key] = item.version.revision


async def range_ids(emulator: CosmosEmulator) -> list[str]:
    async with CosmosClient(emulator.endpoint, emulator.key) as client:
        container = client.get_database_client(DATABASE).get_container_client("entities")
        headers: dict[str, str] = {}
        found = [each async for each in client.client_connection._ReadPartitionKeyRanges(container.container_link)]
        assert headers == {}
        return [each["id"] for each in found]


@STRONG
@pytest.mark.parametrize("is_noticed", [True, False])
async def test_a_container_that_was_made_again(backend: CheckedBackend, cosmos_emulator: CosmosEmulator, is_noticed: bool) -> None:
    """Its changes are none that a position of the old one leads to: that is refused, and nothing is left out silently."""
    assert backend.feed is not None
    await write(backend, "a")
    position = await backend.feed.tip("entities", WHOLE)
    async with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        database = client.get_database_client(DATABASE)
        layout = CONTAINERS[CONTAINER_OF["entities"]]
        await database.delete_container(layout.name)
        if is_noticed:
            with pytest.raises(NotProvisionedError):
                await backend.feed.items("entities", WHOLE, position)
        await database.create_container(layout.name, PartitionKey(layout.partition_key))

    other = CosmosBackend.from_connection_string(cosmos_emulator.connection_string, SPECS, database=DATABASE)
    keys = await write(CheckedBackend(other, SPECS), "b")
    await other.aclose()
    with pytest.raises((InvalidContinuationTokenError, BackendUnavailableError)):
        await backend.feed.items("entities", WHOLE, position)
    with pytest.raises(InvalidContinuationTokenError, match="another store"):
        await backend.feed.items("entities", WHOLE, position)
    assert keys == {item.key for item in await read(backend, {WHOLE: None})}


@STRONG
async def test_a_poll_is_one_request(backend: CheckedBackend) -> None:
    """Once the container is known, a page costs one request, and so does one that brings nothing."""
    assert backend.feed is not None
    await write(backend, "a")
    page = await backend.feed.items("entities", WHOLE, limit=3)
    with count_requests() as requests:
        page = await backend.feed.items("entities", WHOLE, page.position)
        page = await backend.feed.items("entities", WHOLE, page.position)
    assert {"cosmos": 2} == requests
    assert page.is_drained


@STRONG
async def test_a_page_of_the_library_s_own(backend: CheckedBackend) -> None:
    """It has no items, and its position leads on."""
    assert backend.feed is not None
    for number in range(3):
        await backend.create(Record(Key("control", SYSTEM, f"c-{number}"), {}))
    await backend.create(config())

    page = await backend.feed.items("entities", WHOLE, limit=2)
    assert ((), False) == (page.items, page.is_drained)
    assert [config().key] == list(by_key(await drained(backend.feed, "entities", {WHOLE: page.position}, limit=1)))


@STRONG
async def test_an_unreadable_document_is_named(backend: CheckedBackend, cosmos_emulator: CosmosEmulator) -> None:
    """It hides no other item, and the error names it."""
    assert backend.feed is not None
    await backend.create(execution(1))
    async with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        container = client.get_database_client(DATABASE).get_container_client("executions")
        await container.create_item({"id": "odd", "scope": "GLOBAL", "type": "execution"})
    await backend.create(execution(2))

    page = await backend.feed.items("executions", WHOLE)
    assert [execution(1).key, execution(2).key] == [item.key for item in page.items if isinstance(item, Record)]
    (error,) = page.unreadable
    assert "'odd'" in str(error)


@STRONG
async def test_age_and_lag(backend: CheckedBackend) -> None:
    """A page tells how many transactions come after it, and how old its last item is in whole seconds."""
    assert backend.feed is not None
    for number in range(6):
        await backend.create(config(f"c-{number}"))

    page = await backend.feed.items("entities", WHOLE, limit=2)
    assert 4 == page.lag_items
    assert 0 <= page.lag_seconds < 60
    assert 0 == replace(await backend.feed.items("entities", WHOLE, page.position, limit=4)).lag_items
