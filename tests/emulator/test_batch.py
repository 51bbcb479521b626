"""Transactional batches: all or nothing, whatever fails and whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Answer, Wire

BATCH = {"x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True"}
DOCS = "/dbs/d/colls/c/docs"


def batch(wire: Wire, *operations: Any, key: Any = None) -> Answer:
    """Send a batch."""
    return wire.send("POST", DOCS, list(operations), BATCH, key=key or ["k"])


def create(item_id: str, **more: Any) -> dict[str, Any]:
    """Return an operation that creates an item."""
    return {"operationType": "Create", "resourceBody": {"id": item_id, "pk": "k", **more}}


@pytest.fixture(autouse=True)
def _container(wire: Wire) -> None:
    wire.make_container()


def test_every_operation_sees_the_ones_before(wire: Wire) -> None:
    """Create, read, replace, patch, upsert and delete work on each other's results, under one LSN and one time."""
    answer = batch(
        wire,
        create("a", n=1),
        {"operationType": "Replace", "id": "a", "resourceBody": {"id": "a", "pk": "k", "n": 2}},
        {"operationType": "Patch", "id": "a", "resourceBody": {"operations": [{"op": "incr", "path": "/n", "value": 3}]}},
        {"operationType": "Read", "id": "a"},
        {"operationType": "Upsert", "resourceBody": {"id": "b", "pk": "k"}},
        {"operationType": "Delete", "id": "b"},
        create("c"),
    )
    assert answer.status == 200
    assert [each["statusCode"] for each in answer.json] == [201, 200, 200, 200, 201, 204, 201]
    assert answer.json[3]["resourceBody"]["n"] == 5
    assert "resourceBody" not in answer.json[5]
    assert answer.charge == pytest.approx(sum(each["requestCharge"] for each in answer.json), abs=0.05)
    feed = wire.send("GET", DOCS, headers={"A-IM": "Incremental Feed"}).json["Documents"]
    assert [item["id"] for item in feed] == ["a", "c"]
    assert len({item["_lsn"] for item in feed}) == 1


@pytest.mark.parametrize(
    ("failing", "status", "sub_status"),
    [
        (create("taken"), 409, 0),
        ({"operationType": "Read", "id": "missing"}, 404, 0),
        ({"operationType": "Delete", "id": "missing"}, 404, 0),
        ({"operationType": "Delete", "id": "taken", "ifMatch": '"other"'}, 412, 0),
        ({"operationType": "Replace", "id": "missing", "resourceBody": {"id": "missing", "pk": "k"}}, 404, 0),
        ({"operationType": "Create", "resourceBody": {"id": "x", "pk": "other"}}, 400, 1001),
        ({"operationType": "Create", "resourceBody": {"pk": "k"}}, 400, 0),
        ({"operationType": "Patch", "id": "taken", "resourceBody": {"operations": []}}, 400, 0),
        ({"operationType": "Patch", "id": "taken", "resourceBody": {"operations": [{"op": "remove", "path": "/x"}]}}, 400, 0),
        ({"operationType": "Nonsense"}, 400, 0),
        ({}, 400, 0),
    ],
)
def test_one_failure_undoes_all(wire: Wire, failing: Any, status: int, sub_status: int) -> None:
    """The failing operation has its own status, every other 424, and nothing is left of them."""
    wire.create({"id": "taken", "pk": "k"})
    before = wire.send("GET", f"{DOCS}/taken", key=["k"]).headers["lsn"]
    answer = batch(wire, create("one"), failing, create("two"))
    assert (answer.status, answer.sub_status) == (207, sub_status)
    assert [each["statusCode"] for each in answer.json] == [424, status, 424]
    after = wire.send("GET", DOCS)
    assert [item["id"] for item in after.json["Documents"]] == ["taken"]
    assert after.headers["lsn"] == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({}, 400),
        ([1], 400),
        ([create(str(n)) for n in range(101)], 400),
        ([create(str(n), x="x" * 30_000) for n in range(100)], 413),
        ([create(str(n)) for n in range(100)], 200),
    ],
    ids=["empty", "object", "number", "101", "3 MB", "100"],
)
def test_how_large_a_batch_may_be(wire: Wire, body: Any, status: int) -> None:
    """One to a hundred operations and 2 MB."""
    assert wire.send("POST", DOCS, body, BATCH, key=["k"]).status == status


def test_a_batch_that_kept_an_item_too_long_fails(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Expired items are not there for batches either."""
    wire.make_container({"id": "t", "defaultTtl": 5})
    docs = "/dbs/d/colls/t/docs"
    wire.send("POST", docs, {"id": "a", "pk": "k"}, key=["k"])
    cosmos_emulator.clock.advance(7)
    assert wire.send("POST", docs, [{"operationType": "Read", "id": "a"}], BATCH, key=["k"]).json[0]["statusCode"] == 404
    assert wire.send("POST", docs, [create("a")], BATCH, key=["k"]).status == 200


SERVER = [sys.executable, "-m", "bifrost_store.emulator", "--port", "0"]


def test_a_killed_server_leaves_whole_batches(tmp_path: Path) -> None:
    """Killed in the middle of many batches, the file holds every acknowledged one, and none in part."""
    data = tmp_path / "data.db"
    process = subprocess.Popen([*SERVER, "--data", str(data)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    port = int(json.loads(process.stdout.readline())["endpoint"].rstrip("/").rpartition(":")[2])
    process.stdout.close()
    acknowledged: list[int] = []
    enough = threading.Event()
    writer = threading.Thread(target=_write_batches, args=(port, acknowledged, enough))
    writer.start()
    enough.wait(20)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    writer.join()
    with CosmosEmulator(data=data) as emulator, Wire(emulator) as wire:
        found = wire.query("SELECT VALUE c.batch FROM c", key=["k"], headers={"x-ms-max-item-count": "-1"}).json["Documents"]
    counts = {number: found.count(number) for number in found}
    assert set(counts.values()) == {10}
    assert set(acknowledged) <= set(counts)
    assert len(counts) <= len(acknowledged) + 1


def _write_batches(port: int, acknowledged: list[int], enough: threading.Event) -> None:
    there = CosmosEmulator(port=port)
    with Wire(there) as wire:
        wire.make_container()
        for number in range(2000):
            try:
                answer = batch(wire, *[create(f"{number}-{index}", batch=number) for index in range(10)])
            except OSError:
                return
            except Exception as error:  # noqa: BLE001 - http.client's own, of a half-sent answer
                assert "http" in type(error).__module__
                return
            assert answer.status == 200
            acknowledged.append(number)
            if number == 60:
                enough.set()
