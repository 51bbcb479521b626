"""What is not served is a 400 that names it; what has no effect is taken."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.emulator.requests.unserved import HEADERS, INDEXES, KINDS, PROPERTIES, VALUES, WITHOUT_EFFECT
from tests.emulator.support import Wire

DOCS = "/dbs/d/colls/c/docs"


@pytest.mark.parametrize("name", [*HEADERS, *VALUES])
def test_headers_that_are_not_served(wire: Wire, name: str) -> None:
    """A header that asks for what the server does not do is refused by name, and nothing is written; empty it asks nothing."""
    wire.make_container()
    answer = wire.send("POST", DOCS, {"id": "a", "pk": "k"}, {name: "something"}, key=["k"])
    assert answer.status == 400
    assert name in answer.json["message"]
    assert wire.send("GET", f"{DOCS}/a", key=["k"]).status == 404
    assert wire.send("POST", DOCS, {"id": "a", "pk": "k"}, {name: ""}, key=["k"]).status == 201


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, (served, _) in VALUES.items() for value in served])
def test_values_that_are_served(wire: Wire, name: str, value: str) -> None:
    """Of some headers there are values that ask for what the server does anyway."""
    wire.make_container()
    assert wire.send("POST", DOCS, {"id": "a", "pk": "k"}, {name: value.capitalize()}, key=["k"]).status == 201


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_headers_without_effect(wire: Wire, name: str) -> None:
    """Headers that can change nothing here are taken."""
    wire.make_container()
    assert wire.send("POST", DOCS, {"id": "a", "pk": "k"}, {name: "1"}, key=["k"]).status == 201


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/{}", "/{}/x", "/dbs/d/{}", "/dbs/d/colls/c/{}", "/dbs/d/colls/c/docs/a/{}"])
def test_kinds_that_are_not_served(wire: Wire, kind: str, path: str) -> None:
    """A path to what the server does not have is refused by name, wherever it stands."""
    wire.make_container()
    for method in ("GET", "POST"):
        answer = wire.send(method, path.format(kind), {} if method == "POST" else None)
        assert answer.status == 400
        assert f"/{kind}" in answer.json["message"]


def test_resource_tokens(wire: Wire) -> None:
    """Permissions can be stored; the tokens that they would give open nothing."""
    answer = wire.send("GET", "/dbs", headers={"authorization": "type%3Dresource%26ver%3D1%26sig%3Dx%3Dy%3B"})
    assert answer.status == 400
    assert "resource tokens" in answer.json["message"]


def test_binary_batches(wire: Wire) -> None:
    """Batches in Microsoft's binary format are refused by name."""
    wire.make_container()
    answer = wire.send("POST", DOCS, b"\x81\x01\x02", {"x-ms-cosmos-is-batch-request": "True"}, key=["k"])
    assert answer.status == 400
    assert "HybridRow" in answer.json["message"]


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        *(({name: {"anything": [1]}}, name) for name in PROPERTIES),
        *(({"indexingPolicy": {name: [{"path": "/v"}]}}, name) for name in INDEXES),
        ({"analyticalStorageTtl": -1}, "analyticalStorageTtl"),
        ({"indexingPolicy": {"automatic": False}}, "automatic"),
        ({"geospatialConfig": {"type": "Geometry"}}, "geospatialConfig"),
        (
            {"conflictResolutionPolicy": {"mode": "Custom", "conflictResolutionProcedure": "dbs/d/colls/c/sprocs/s"}},
            "conflictResolutionProcedure",
        ),
    ],
)
def test_properties_of_containers_that_are_not_served(wire: Wire, properties: dict[str, Any], name: str) -> None:
    """A container that is to do what the server does not do is refused by name, made anew or replaced."""
    path = wire.make_container()
    made = {"id": "other", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}, **properties}
    for answer in (wire.send("POST", "/dbs/d/colls", made), wire.send("PUT", path, {**made, "id": "c"})):
        assert answer.status == 400
        assert name in answer.json["message"]
    assert wire.send("GET", "/dbs/d/colls/other").status == 404


@pytest.mark.parametrize(
    "properties",
    [
        {
            "analyticalStorageTtl": 0,
            "vectorEmbeddingPolicy": {"vectorEmbeddings": []},
            "changeFeedPolicy": {"retentionDuration": 0},
        },
        {"indexingPolicy": {"indexingMode": "none", "automatic": False}},
        {"indexingPolicy": {"vectorIndexes": [], "spatialIndexes": [{"path": "/place/*", "types": ["Point"]}]}},
        {"conflictResolutionPolicy": {"mode": "LastWriterWins", "conflictResolutionPath": "/order"}},
    ],
)
def test_properties_of_containers_that_ask_for_nothing(wire: Wire, properties: dict[str, Any]) -> None:
    """What is 0, empty, or the same with one region is kept."""
    path = wire.make_container(properties)
    kept = wire.send("GET", path).json
    assert all(value == kept[name] or name == "indexingPolicy" for name, value in properties.items())
