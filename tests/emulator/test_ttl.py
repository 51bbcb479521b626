"""Time to live, to the second, by a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Wire

DOCS = "/dbs/d/colls/c/docs"
NOW = 1_800_000_000.9


@pytest.fixture(autouse=True)
def _standing_clock(cosmos_emulator: CosmosEmulator) -> None:
    cosmos_emulator.clock.stop()
    cosmos_emulator.clock.set(NOW)


def is_there(wire: Wire, item_id: str = "a") -> bool:
    """Return whether an item is found, by its id and by everything else alike."""
    seen = {
        wire.send("GET", f"{DOCS}/{item_id}", key=["k"]).status == 200,
        item_id in wire.query("SELECT VALUE c.id FROM c", key=["k"]).json["Documents"],
        wire.query("SELECT VALUE COUNT(1) FROM c WHERE c.id = @id", [{"name": "@id", "value": item_id}], key=["k"]).json[
            "Documents"
        ]
        == [1],
        item_id in [item["id"] for item in wire.send("GET", DOCS).json["Documents"]],
        item_id in _feed(wire),
    }
    assert len(seen) == 1
    return bool(seen.pop())


def _feed(wire: Wire) -> list[str]:
    answer = wire.send("GET", DOCS, headers={"A-IM": "Incremental Feed"})
    return [] if answer.status == 304 else [item["id"] for item in answer.json["Documents"]]


@pytest.mark.parametrize(
    ("default", "ttl", "lifetime"),
    [
        (None, None, None),
        (None, -1, None),
        (None, 10, None),
        (-1, None, None),
        (-1, -1, None),
        (-1, 10, 10),
        (20, None, 20),
        (20, -1, None),
        (20, 10, 10),
        (20, 30, 30),
    ],
)
def test_who_decides_how_long_an_item_lives(
    wire: Wire, cosmos_emulator: CosmosEmulator, default: int | None, ttl: int | None, lifetime: int | None
) -> None:
    """The table of "Time to live in Azure Cosmos DB": an item lives its whole seconds and is gone, everywhere, within one more."""
    wire.make_container({} if default is None else {"defaultTtl": default})
    wire.create({"id": "a", "pk": "k"} | ({} if ttl is None else {"ttl": ttl}))
    clock = cosmos_emulator.clock
    if lifetime is None:
        clock.advance(10**9)
        assert is_there(wire)
        return
    clock.advance(lifetime)
    assert is_there(wire)
    clock.advance(1)
    assert not is_there(wire)


def test_every_write_starts_the_time_anew(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Replace, upsert and patch give an item its whole time again."""
    wire.make_container({"defaultTtl": 10})
    wire.create({"id": "a", "pk": "k"})
    writes: list[tuple[str, str, Any, dict[str, str]]] = [
        ("PUT", f"{DOCS}/a", {"id": "a", "pk": "k"}, {}),
        ("POST", DOCS, {"id": "a", "pk": "k"}, {"x-ms-documentdb-is-upsert": "True"}),
        ("PATCH", f"{DOCS}/a", {"operations": [{"op": "set", "path": "/n", "value": 1}]}, {}),
    ]
    for method, path, body, headers in writes:
        cosmos_emulator.clock.advance(9)
        answer = wire.send(method, path, body, headers, key=["k"])
        assert (answer.status, answer.json["_ts"]) == (200, int(cosmos_emulator.clock.now()))
    cosmos_emulator.clock.advance(9)
    assert is_there(wire)


def test_an_expired_item_is_gone_for_writes(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Replace, patch and delete find nothing; create and upsert make a new item, which has a resource id of its own."""
    wire.make_container({"defaultTtl": 1, "uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/u"]}]}})
    old = wire.create({"id": "a", "pk": "k", "u": 1}).json
    cosmos_emulator.clock.advance(5)
    for method, body in (
        ("PUT", {"id": "a", "pk": "k"}),
        ("DELETE", None),
        ("PATCH", {"operations": [{"op": "add", "path": "/x", "value": 1}]}),
    ):
        assert wire.send(method, f"{DOCS}/a", body, key=["k"]).status == 404
    assert wire.create({"id": "b", "pk": "k", "u": 1}).status == 201
    new = wire.send("POST", DOCS, {"id": "a", "pk": "k", "u": 2}, {"x-ms-documentdb-is-upsert": "True"}, key=["k"])
    assert new.status == 201
    assert new.json["_rid"] != old["_rid"]


def test_a_container_may_change_its_mind(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """A new default counts for items that are there; without one, nothing expires."""
    path = wire.make_container({"defaultTtl": 5})
    wire.create({"id": "a", "pk": "k"})
    body = wire.send("GET", path).json
    cosmos_emulator.clock.advance(10)
    assert not is_there(wire)
    del body["defaultTtl"]
    assert wire.send("PUT", path, body).status == 200
    assert is_there(wire)
    wire.send("PUT", path, {**body, "defaultTtl": 60})
    assert is_there(wire)
    cosmos_emulator.clock.advance(51)
    assert not is_there(wire)


def test_what_is_expired_is_removed_some_time(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """The purge runs with later writes, shows nowhere, and spares what lives."""
    wire.make_container({"defaultTtl": 5})
    for index in range(20):
        wire.create({"id": str(index), "pk": "k"} | ({"ttl": -1} if index == 0 else {}))
    cosmos_emulator.clock.advance(100)
    wire.create({"id": "new", "pk": "k"})
    assert wire.send("GET", "/dbs/d/colls/c").headers["x-ms-resource-usage"].split(";")[1] == "documentsCount=2"
    assert is_there(wire, "0")
    assert is_there(wire, "new")


@pytest.mark.parametrize("ttl", [0, -2, 2147483648, "10", 1.5, True])
def test_what_a_default_may_be(wire: Wire, ttl: Any) -> None:
    """-1 or a positive whole number of seconds."""
    wire.send("POST", "/dbs", {"id": "d"})
    body = {"id": "c", "partitionKey": {"paths": ["/pk"]}, "defaultTtl": ttl}
    assert wire.send("POST", "/dbs/d/colls", body).status == 400
