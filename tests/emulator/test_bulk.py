"""Bulk: batches by partition key range that are not atomic, with a result for each operation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bifrost_store.emulator import CosmosEmulator
from bifrost_store.emulator.containers.hashing import effective_partition_key
from tests.emulator.support import Answer, Wire

DOCS = "/dbs/d/colls/c/docs"


def bulk(wire: Wire, operations: list[Any], *, range_id: str | None = "0", goes_on: bool = True) -> Answer:
    """Send a batch that is not atomic."""
    headers = {
        "x-ms-cosmos-is-batch-request": "True",
        "x-ms-cosmos-batch-atomic": "False",
        "x-ms-cosmos-batch-continue-on-error": str(goes_on),
    }
    if range_id is not None:
        headers["x-ms-documentdb-partitionkeyrangeid"] = range_id
    return wire.send("POST", DOCS, operations, headers)


def operation(kind: str, item_id: str, key: Any = "k", **more: Any) -> dict[str, Any]:
    """Return one operation."""
    body = {"resourceBody": {"id": item_id, "pk": key}} if kind in ("Create", "Upsert", "Replace") else {}
    named = {"id": item_id} if kind in ("Read", "Replace", "Delete", "Patch") else {}
    return {"operationType": kind, "partitionKey": json.dumps([key]), **named, **body, **more}


def test_each_operation_has_its_own_result(wire: Wire) -> None:
    """Failures stand beside successes in the order of the operations; what succeeded stays."""
    wire.make_container()
    wire.create({"id": "old", "pk": "k"})
    operations = [
        operation("Create", "a"),
        operation("Create", "old"),
        operation("Upsert", "old"),
        operation("Read", "a"),
        operation("Read", "none", "other"),
        operation("Patch", "a", resourceBody={"operations": [{"op": "add", "path": "/n", "value": 1}]}),
        operation("Patch", "a", resourceBody=[{"op": "incr", "path": "/n", "value": 2}]),
        operation("Replace", "a", ifMatch='"stale"'),
        operation("Delete", "a"),
        operation("Nonsense", "a"),
        operation("Create", "a", [1]),
    ]
    answer = bulk(wire, operations)
    statuses = [result["statusCode"] for result in answer.json]
    assert (answer.status, statuses) == (207, [201, 409, 200, 200, 404, 200, 200, 412, 204, 400, 400])
    assert answer.json[6]["resourceBody"]["n"] == 3
    assert answer.headers["x-ms-item-count"] == str(len(operations))
    assert answer.charge == pytest.approx(sum(result["requestCharge"] for result in answer.json), abs=0.1)
    assert bulk(wire, [operation("Create", "b")]).status == 200


def test_without_going_on_the_rest_fails(wire: Wire) -> None:
    """After the first failure nothing more is tried, and 424 says so; what came before stays."""
    wire.make_container()
    answer = bulk(wire, [operation("Create", "a"), operation("Create", "a"), operation("Create", "b")], goes_on=False)
    assert [result["statusCode"] for result in answer.json] == [201, 409, 424]
    assert wire.send("GET", f"{DOCS}/a", key=["k"]).status == 200
    assert wire.send("GET", f"{DOCS}/b", key=["k"]).status == 404


def test_throttling_in_place(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Where the throughput ends within a batch, what is left over is 429 with a time to wait, and was not done."""
    wire.make_container()
    cosmos_emulator.clock.stop()
    cosmos_emulator.ru_limit = 20
    answer = bulk(wire, [operation("Create", f"{number}") for number in range(8)])
    statuses = [result["statusCode"] for result in answer.json]
    assert answer.status == 207
    assert statuses == sorted(statuses)
    assert {201, 429} == set(statuses)
    assert all(result["retryAfterMilliseconds"] > 0 for result in answer.json if result["statusCode"] == 429)
    cosmos_emulator.ru_limit = None
    assert len(wire.send("GET", DOCS).json["Documents"]) == statuses.count(201)


@pytest.mark.cosmos_emulator(partitions=2)
def test_keys_of_another_range(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """An operation whose key lies in another range is 410/1002; so is the whole batch when its range was split."""
    wire.make_container()
    low, high = wire.send("GET", "/dbs/d/colls/c/pkranges").json["PartitionKeyRanges"]
    keys = [f"k{number}" for number in range(20)]
    inside = [key for key in keys if effective_partition_key([key], kind="Hash", version=2) < low["maxExclusive"]]
    answer = bulk(wire, [operation("Create", key, key) for key in keys], range_id=low["id"])
    for key, result in zip(keys, answer.json, strict=True):
        assert (result["statusCode"], result.get("subStatusCode")) == ((201, None) if key in inside else (410, 1002))
    assert wire.control("POST", "split", {"database": "d", "container": "c", "range": high["id"]}).status == 200
    answer = bulk(wire, [operation("Create", "a")], range_id=high["id"])
    assert (answer.status, answer.sub_status) == (410, 1002)


@pytest.mark.parametrize(
    ("operations", "range_id"),
    [([], "0"), ([operation("Create", "a")], None), ("x", "0"), ([1], "0"), ([operation("Create", "a")] * 101, "0")],
)
def test_what_is_no_bulk(wire: Wire, operations: Any, range_id: str | None) -> None:
    """A batch that is none is refused as a whole."""
    wire.make_container()
    assert bulk(wire, operations, range_id=range_id).status == 400
    assert wire.send("GET", DOCS).json["Documents"] == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["Create", "Upsert", "Read", "Delete", "Replace"]), st.sampled_from("ab"), st.sampled_from("xy"))
    ),
)
def test_bulk_is_like_single_requests(wire: Wire, operations: list[tuple[str, str, str]]) -> None:
    """Whatever the operations, their results and what is left are those of the operations one by one."""
    wire.control("POST", "reset")
    wire.make_container()
    items: set[tuple[str, str]] = set()
    wanted = []
    for kind, item_id, key in operations:
        is_there = (item_id, key) in items
        match kind:
            case "Create":
                wanted.append(409 if is_there else 201)
            case "Upsert":
                wanted.append(200 if is_there else 201)
            case "Delete":
                wanted.append(204 if is_there else 404)
            case _:
                wanted.append(200 if is_there else 404)
        if kind in ("Create", "Upsert"):
            items.add((item_id, key))
        elif kind == "Delete":
            items.discard((item_id, key))
    if not operations:
        return
    answer = bulk(wire, [operation(kind, item_id, key) for kind, item_id, key in operations])
    assert [result["statusCode"] for result in answer.json] == wanted
    assert {(item["id"], item["pk"]) for item in wire.send("GET", DOCS).json["Documents"]} == items
