"""Request charges by the documented model, and 429 above a limit."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from bifrost_store.emulator import CosmosEmulator
from bifrost_store.emulator.containers import charges
from tests.emulator.support import Answer, Wire

DOCS = "/dbs/d/colls/c/docs"


@pytest.mark.parametrize(
    ("kilobytes", "read", "write"), [(0.2, 1.0, 4.95), (1, 1.0, 4.95), (3, 1.09, 6.48), (64, 4.76, 22.67), (2048, 291.8, 1250.0)]
)
def test_prices_follow_the_table(kilobytes: float, read: float, write: float) -> None:
    """Between the documented sizes the price is on a line, and below 1 KB it is that of 1 KB."""
    assert charges.read(int(kilobytes * 1024)) == pytest.approx(read, abs=0.01)
    assert charges.write(int(kilobytes * 1024), 0) == pytest.approx(write, abs=0.01)


def test_what_operations_cost(wire: Wire) -> None:
    """Small items cost about what was recorded of the service: within 15 %, and a page of a query as the model says."""
    wire.make_container()
    item = {"id": "a", "pk": "k", "n": 1, "name": "x", "when": "2026-01-01", "flag": True}
    patch = {"operations": [{"op": "set", "path": "/n", "value": 3}]}
    found = {
        "create": wire.create(item).charge,
        "read": wire.send("GET", f"{DOCS}/a", key=["k"]).charge,
        "missing": wire.send("GET", f"{DOCS}/b", key=["k"]).charge,
        "conflict": wire.create(item).charge,
        "replace": wire.send("PUT", f"{DOCS}/a", {**item, "n": 2}, key=["k"]).charge,
        "patch": wire.send("PATCH", f"{DOCS}/a", patch, key=["k"]).charge,
        "412": wire.send("PUT", f"{DOCS}/a", item, {"If-Match": '"x"'}, key=["k"]).charge,
        "feed": wire.send("GET", DOCS, headers={"A-IM": "Incremental Feed"}).charge,
        "delete": wire.send("DELETE", f"{DOCS}/a", key=["k"]).charge,
    }
    recorded = {
        "create": 6.67,
        "read": 1,
        "missing": 1,
        "conflict": 1.57,
        "replace": 11.05,
        "patch": 11.42,
        "412": 1.24,
        "feed": 1,
        "delete": 6.67,
    }
    assert found == pytest.approx(recorded, rel=0.15)


@pytest.mark.cosmos_emulator(consistency="Strong")
def test_strong_reads_cost_twice_as_much(wire: Wire) -> None:
    """Items, items that are missing, and pages of queries; not writes, and not reads that ask for less."""
    wire.make_container()
    item = {"id": "a", "pk": "k"}
    weaker = {"x-ms-consistency-level": "Session"}
    query = {"query": "SELECT * FROM c", "parameters": []}
    as_query = {"x-ms-documentdb-isquery": "True", "Content-Type": "application/query+json"}
    written = wire.create(item).charge
    one, one_weaker = (wire.send("GET", f"{DOCS}/a", None, headers, key=["k"]).charge for headers in ({}, weaker))
    missing = wire.send("GET", f"{DOCS}/b", key=["k"]).charge
    page, page_weaker = (wire.send("POST", DOCS, query, as_query | headers, key=["k"]).charge for headers in ({}, weaker))

    assert written == pytest.approx(4.95 + 0.2 * 3, abs=0.21)
    assert (one, one_weaker, missing) == (2.0, 1.0, 2.0)
    assert page == pytest.approx(2 * page_weaker, abs=0.01)


def test_queries_pay_for_what_they_read(wire: Wire) -> None:
    """Projecting and adding up read whole items, all that the filter lets through; counting a whole partition reads none."""
    wire.make_container()
    for number in range(10):
        wire.create({"id": str(number), "pk": "k", "n": number, "text": "x" * 10_240})
    kilobytes = 0.02 * 10 * 10
    whole, columns, total, some, counted = (
        wire.query(f"SELECT {text}", key=["k"]).charge
        for text in (
            "* FROM c",
            "c.id FROM c",
            "VALUE SUM(c.n) FROM c WHERE c.n >= 0",
            "VALUE SUM(c.n) FROM c WHERE c.n < 5",
            "VALUE COUNT(1) FROM c",
        )
    )

    assert (whole, columns) == pytest.approx((2.3 + kilobytes, 2.3 + kilobytes), abs=0.05)
    assert (total, some, counted) == pytest.approx((2.2 + kilobytes, 2.2 + kilobytes / 2, 2.2), abs=0.05)


def test_indexing_less_costs_less(wire: Wire) -> None:
    """Terms count only where the policy indexes."""
    wire.make_container()
    wire.make_container({"id": "bare", "indexingPolicy": {"includedPaths": [{"path": "/n/?"}], "excludedPaths": [{"path": "/*"}]}})
    item = {"id": "a", "pk": "k", "n": 1, **{f"p{index}": index for index in range(50)}}
    indexed, bare = wire.create(item).charge, wire.create(item, "/dbs/d/colls/bare").charge
    assert indexed - bare == pytest.approx(51 * 0.2, abs=0.3)


@pytest.mark.cosmos_emulator(ru_limit=100)
def test_above_the_limit_is_429(wire: Wire, cosmos_emulator: CosmosEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second's units are served and not more; the answer says when there will be some, and then there are."""
    monkeypatch.setattr("bifrost_store.emulator.clock.time", SimpleNamespace(monotonic=lambda: 0.0, time=time.time))
    wire.make_container()
    answers = [wire.create({"id": "0", "pk": "k"})]
    while answers[-1].status == 201:
        answers.append(wire.create({"id": str(len(answers)), "pk": "k"}))
    *served, refused = answers
    assert 90 < sum(answer.charge for answer in served) < 110
    assert (refused.status, refused.sub_status, refused.charge) == (429, 3200, 0.38)
    assert refused.json["code"] == "TooManyRequests"
    wait = int(refused.headers["x-ms-retry-after-ms"])
    assert 0 < wait <= 1000
    cosmos_emulator.clock.advance(wait / 1000)
    assert wire.create({"id": "later", "pk": "k"}).status == 201
    assert wire.send("GET", "/dbs/d/colls/c").status == 200


@pytest.mark.cosmos_emulator(ru_limit=100, partitions=2)
def test_each_physical_partition_has_its_share(wire: Wire) -> None:
    """A hot key leaves the other partition's half untouched."""
    wire.make_container()
    by_range: dict[str, str] = {}
    for index in range(4):
        answer = wire.create({"id": "a", "pk": f"k{index}"})
        by_range[answer.headers["x-ms-documentdb-partitionkeyrangeid"]] = f"k{index}"
    hot, cold = by_range.values()
    assert [wire.create({"id": str(n), "pk": hot}).status for n in range(20)][-1] == 429
    assert wire.create({"id": "b", "pk": cold}).status == 201


@pytest.mark.anyio
async def test_the_sdk_waits_as_it_is_told(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """The SDK repeats a throttled request after the given time, and succeeds without its caller noticing."""
    database = await client.create_database("d")
    container = await database.create_container("c", PartitionKey("/pk"))
    cosmos_emulator.ru_limit = 10
    started = time.perf_counter()
    for index in range(4):
        await container.create_item({"id": str(index), "pk": "k"})
    assert time.perf_counter() - started > 0.3
    assert 429 in {entry.status for entry in cosmos_emulator.log}


@pytest.mark.anyio
async def test_the_sdk_gives_up_at_last(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """Throttled again and again, the SDK raises 429 after nine repetitions."""
    database = await client.create_database("d")
    container = await database.create_container("c", PartitionKey("/pk"))
    fault = cosmos_emulator.faults.add(operation="Create", kind="docs", status=429, retry_after_ms=1, times=None)
    with pytest.raises(CosmosHttpResponseError) as caught:
        await container.create_item({"id": "a", "pk": "k"})
    assert (caught.value.status_code, fault.struck) == (429, 10)


def test_a_log_adds_up(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """The log has every request with its charge, and their sum."""
    wire.make_container()
    cosmos_emulator.log.clear()
    answers: list[Answer] = [wire.create({"id": "a", "pk": "k"}), wire.send("GET", f"{DOCS}/a", key=["k"]), wire.query("SELECT 1")]
    assert [(entry.operation, entry.status) for entry in cosmos_emulator.log] == [("Create", 201), ("Read", 200), ("SqlQuery", 200)]
    assert cosmos_emulator.log.total_charge == pytest.approx(sum(answer.charge for answer in answers), abs=0.01)
