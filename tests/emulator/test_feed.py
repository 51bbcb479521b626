"""The change feed in latest-version mode: every start, order and collapse, keys and ranges, and through the SDK."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from itertools import chain
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Answer, Wire

DOCS = "/dbs/d/colls/c/docs"


def poll(wire: Wire, since: str | None = None, **headers: str) -> Answer:
    """Ask for changes."""
    more = {} if since is None else {"If-None-Match": since}
    return wire.send("GET", DOCS, headers={"A-IM": "Incremental Feed", **more, **headers})


def ids(answer: Answer) -> list[str]:
    """Return the ids of the changes, none for 304."""
    return [] if answer.status == 304 else [item["id"] for item in answer.json["Documents"]]


def drain(wire: Wire, since: str | None = None, **headers: str) -> Iterator[list[str]]:
    """Yield pages until nothing is new."""
    while (answer := poll(wire, since, **headers)).status == 200:
        yield ids(answer)
        since = answer.headers["etag"]


def test_where_a_feed_begins(wire: Wire) -> None:
    """From the beginning, from now, and from where an earlier answer ended."""
    wire.make_container()
    empty = poll(wire)
    assert (empty.status, empty.body) == (304, b"")
    wire.create({"id": "a", "pk": "k"})
    now = poll(wire, "*")
    assert now.status == 304
    wire.create({"id": "b", "pk": "k"})
    assert ids(poll(wire)) == ["a", "b"]
    assert ids(poll(wire, empty.headers["etag"])) == ["a", "b"]
    assert ids(poll(wire, now.headers["etag"])) == ["b"]
    assert poll(wire, poll(wire).headers["etag"]).status == 304


def test_a_feed_begins_at_a_time(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """If-Modified-Since leaves out what was written before that second, on every page."""
    wire.make_container()
    clock = cosmos_emulator.clock
    for item_id in "abc":
        wire.create({"id": item_id, "pk": "k"})
        clock.advance(60)
    since = formatdate(clock.now() - 130, usegmt=True)
    pages = list(drain(wire, **{"If-Modified-Since": since, "x-ms-max-item-count": "1"}))
    assert pages == [["b"], ["c"]]
    assert poll(wire, **{"If-Modified-Since": "yesterday"}).status == 400


def test_an_item_appears_once_at_its_last_write(wire: Wire) -> None:
    """Writes collapse, a patch shows the whole item, and a deleted item leaves nothing."""
    wire.make_container()
    for item_id in "abc":
        wire.create({"id": item_id, "pk": "k", "n": 1})
    patch = {"operations": [{"op": "set", "path": "/n", "value": 2}]}
    wire.send("PATCH", f"{DOCS}/a", patch, key=["k"])
    wire.send("DELETE", f"{DOCS}/b", key=["k"])
    changes = poll(wire).json["Documents"]
    assert [(item["id"], item["n"]) for item in changes] == [("c", 1), ("a", 2)]
    assert [item["_lsn"] for item in changes] == sorted(item["_lsn"] for item in changes)


def test_a_transaction_is_never_cut(wire: Wire) -> None:
    """Items of one batch come on one page, even if it gets longer than asked for."""
    wire.make_container()
    wire.create({"id": "first", "pk": "k"})
    operations = [{"operationType": "Create", "resourceBody": {"id": f"b{n}", "pk": "k"}} for n in range(5)]
    wire.send("POST", DOCS, operations, {"x-ms-cosmos-is-batch-request": "True"}, key=["k"])
    wire.create({"id": "last", "pk": "k"})
    pages = list(drain(wire, **{"x-ms-max-item-count": "2"}))
    assert [len(page) for page in pages] == [6, 1]


@pytest.mark.cosmos_emulator(partitions=4)
def test_ranges_share_the_feed(wire: Wire) -> None:
    """Each change is in the feed of one physical partition; a hash range narrows it to one key."""
    path = wire.make_container()
    for index in range(40):
        wire.create({"id": str(index), "pk": f"k{index % 10}"})
    ranges = wire.send("GET", f"{path}/pkranges").json["PartitionKeyRanges"]
    found = [ids(poll(wire, **{"x-ms-documentdb-partitionkeyrangeid": each["id"]})) for each in ranges]
    assert sorted(chain.from_iterable(found), key=int) == [str(index) for index in range(40)]
    assert sum(map(bool, found)) > 1


@pytest.mark.parametrize("since", ["abc", '"1', "-1", '"' + "9" * 30 + '"', "W/1"])
def test_a_bad_continuation_is_refused(wire: Wire, since: str) -> None:
    """What is no position of the feed is 400, or read as the number it is."""
    wire.make_container()
    assert poll(wire, since).status in (400, 304)


def test_other_modes_are_refused(wire: Wire) -> None:
    """All versions and deletes need a backup that the emulator does not keep."""
    wire.make_container()
    assert wire.send("GET", DOCS, headers={"A-IM": "Full-Fidelity Feed"}).status == 400


async def _pages(container: ContainerProxy, **options: Any) -> tuple[list[str], str]:
    """Return all changes, and the token that continues behind them; a hook sees the server's etag in its place."""
    found = [item["id"] async for item in container.query_items_change_feed(**options)]
    return found, container.client_connection.last_response_headers["etag"]


@pytest.mark.anyio
@pytest.mark.cosmos_emulator(partitions=3)
async def test_the_sdk_reads_on(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """Whole container, partition key and feed range go on from their tokens, over a split as well."""
    database = await client.create_database("d")
    container = await database.create_container("c", PartitionKey("/pk"))
    for index in range(30):
        await container.create_item({"id": str(index), "pk": f"k{index % 6}"})
    everything, token = await _pages(container, start_time="Beginning", max_item_count=4)
    assert sorted(everything, key=int) == [str(index) for index in range(30)]
    of_key, key_token = await _pages(container, start_time="Beginning", partition_key="k1")
    assert of_key == ["1", "7", "13", "19", "25"]
    ranges = [each async for each in container.read_feed_ranges()]
    by_range = [await _pages(container, start_time="Beginning", feed_range=each) for each in ranges]
    assert sorted(chain.from_iterable(found for found, _ in by_range), key=int) == sorted(everything, key=int)
    cosmos_emulator.split("d", "c", "1")
    await container.upsert_item({"id": "new", "pk": "k1"})
    for start in (token, key_token, *(range_token for found, range_token in by_range if "1" in found)):
        # The poll that meets the split may end before the children are read; it loses nothing.
        first, behind = await _pages(container, continuation=start)
        assert first + (await _pages(container, continuation=behind))[0] == ["new"]
