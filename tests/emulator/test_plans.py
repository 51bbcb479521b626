"""Queries over several physical partitions: where a plan sends the client, and that no answer is added up that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from bifrost_store.emulator import CosmosEmulator
from bifrost_store.emulator.containers.hashing import effective_partition_key
from tests.emulator.support import CROSS, Answer, Wire

DOCS = "/dbs/d/colls/c/docs"
EVERY_FEATURE = (
    "NonValueAggregate,Aggregate,Distinct,MultipleOrderBy,OffsetAndLimit,OrderBy,Top,CompositeAggregate,GroupBy,"
    "MultipleAggregates,DCount,CountIf,NonStreamingOrderBy"
)
PYTHON_FEATURES = "Aggregate,CompositeAggregate,Distinct,MultipleOrderBy,OffsetAndLimit,OrderBy,Top,NonStreamingOrderBy,CountIf"


def plan(wire: Wire, text: str, features: str = EVERY_FEATURE, parameters: Any = None) -> Answer:
    """Ask for the plan of a query."""
    headers = {**CROSS, "x-ms-cosmos-is-query-plan-request": "True", "x-ms-cosmos-supported-query-features": features}
    return wire.send("POST", DOCS, {"query": text, "parameters": parameters or []}, headers)


def point(*values: Any, kind: str = "Hash") -> dict[str, Any]:
    """Return the range of one partition key."""
    epk = effective_partition_key(values, kind=kind, version=2)
    return {"min": epk, "max": epk, "isMinInclusive": True, "isMaxInclusive": True}


WHOLE = {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}
NOWHERE = {"min": "", "max": "", "isMinInclusive": True, "isMaxInclusive": True}


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("c.pk = 'a'", ["a"]),
        ("'a' = c.pk AND c.n > 1", ["a"]),
        ("c.pk = @p", ["x"]),
        ("c.pk = 5", [5]),
        ("c.pk = null", [None]),
        ("c.pk = true", [True]),
        ("c.pk IN ('a', 'b', 1, true)", ["a", "b", 1, True]),
        ("c.pk = 'a' OR c.pk = 'b' AND c.n = 1", ["a", "b"]),
        ("(c.pk = 'a' OR c.pk = 'b') AND c.pk IN ('b', 'c')", ["b"]),
        ("c.pk = 'a' AND c.pk = 'b'", []),
        ("c.pk = 'a' OR c.n = 1", None),
        ("c.pk > 'a'", None),
        ("NOT (c.pk = 'a')", None),
        ("c.pk != 'a'", None),
        ("c.pk = c.n", None),
        ("c.pk NOT IN ('a')", None),
        ("LOWER(c.pk) = 'a'", None),
        ("c.pk = undefined", []),
        ("c.other.pk = 'a'", None),
    ],
)
def test_a_plan_goes_where_the_filter_points(wire: Wire, condition: str, keys: list[Any] | None) -> None:
    """The ranges of a plan are those of the partition keys that the filter allows; the whole where it allows any."""
    wire.make_container()
    answer = plan(wire, f"SELECT * FROM c WHERE {condition} ORDER BY c.n", parameters=[{"name": "@p", "value": "x"}])
    if keys is None:
        wanted = [WHOLE]
    else:
        wanted = sorted([point(key) for key in keys], key=lambda one: str(one["min"])) or [NOWHERE]
    assert answer.json["queryRanges"] == wanted


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [("c.a = 'x' AND c.b = 1", [point("x", 1, kind="MultiHash")]), ("c.b = 1", [WHOLE]),
     ("c.a = 'x'", [{**WHOLE, "min": point("x", kind="MultiHash")["min"], "max": point("x", kind="MultiHash")["min"] + "FF"}])],
)  # fmt: skip
def test_a_plan_of_a_hierarchical_key(wire: Wire, condition: str, wanted: list[Any]) -> None:
    """The first levels of a hierarchical key narrow a plan as well."""
    wire.make_container({"partitionKey": {"paths": ["/a", "/b"], "kind": "MultiHash", "version": 2}})
    assert plan(wire, f"SELECT * FROM c WHERE {condition} ORDER BY c.n").json["queryRanges"] == wanted


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("SELECT c.g, COUNT(1) AS n FROM c GROUP BY c.g", ["GroupBy"]),
        ("SELECT COUNT(1) AS n, MAX(c.g) AS m FROM c", ["MultipleAggregates", "NonValueAggregate"]),
        ("SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.g FROM c)", ["DCount"]),
        ("SELECT VALUE MIN(c.g) FROM c", []),
    ],
)
def test_a_plan_needs_what_it_needs(wire: Wire, text: str, lacking: list[str]) -> None:
    """A client that says that it lacks a feature gets no plan that needs it, but a 400 that names each."""
    wire.make_container()
    assert plan(wire, text).status == 200
    answer = plan(wire, text, PYTHON_FEATURES)
    assert answer.status == (400 if lacking else 200)
    for name in lacking:
        assert f"Query contained {name}, which the calling client does not support." in answer.json["message"]


@pytest.mark.cosmos_emulator(partitions=3)
@pytest.mark.parametrize(
    "inner",
    ["SELECT DISTINCT VALUE c.g FROM c", "SELECT VALUE COUNT(1) FROM c",
     "SELECT c.g FROM c GROUP BY c.g", "SELECT VALUE x FROM (SELECT DISTINCT VALUE c.g FROM c) AS x"],
)  # fmt: skip
@pytest.mark.parametrize("outer", ["SELECT VALUE COUNT(1)", "SELECT VALUE x", "SELECT DISTINCT VALUE x", "SELECT VALUE MAX(x)"])
def test_nothing_is_added_up_that_cannot_be(cosmos_emulator: CosmosEmulator, outer: str, inner: str) -> None:
    """A subquery that looks at all items is right within a partition, right on a lenient server, and else refused."""
    with Wire(cosmos_emulator) as wire, CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        wire.make_container()
        for number in range(30):
            wire.create({"id": f"{number}", "pk": f"p{number}", "g": number % 2})
        container = client.get_database_client("d").get_container_client("c")
        try:
            found = list(container.query_items(f"{outer} FROM ({inner}) AS x", enable_cross_partition_query=True))
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of the answer
            assert "400" in str(getattr(error, "status_code", error))
        else:
            pytest.fail(f"answered with {found}")


@pytest.mark.cosmos_emulator(partitions=3)
def test_what_reads_no_item_is_answered_once(wire: Wire) -> None:
    """A query over a list of its own has its rows once, however many partitions there are."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    for text, wanted in (
        ("SELECT VALUE x FROM x IN (SELECT VALUE [2, 9])", [2, 9]),
        ("SELECT VALUE COUNT(1) FROM x IN (SELECT VALUE [2, 9])", [2]),
        ("SELECT VALUE 1", [1]),
        ("SELECT VALUE x FROM (SELECT VALUE 5) AS x", [5]),
    ):
        assert wire.query(text).json["Documents"] == wanted
    first = wire.query("SELECT VALUE x FROM x IN (SELECT VALUE [2, 9])", None, {"x-ms-max-item-count": "1"})
    more = {"x-ms-max-item-count": "1", "x-ms-continuation": first.headers["x-ms-continuation"]}
    assert first.json["Documents"] + wire.query("SELECT VALUE x FROM x IN (SELECT VALUE [2, 9])", None, more).json["Documents"] == [
        2,
        9,
    ]


@pytest.mark.cosmos_emulator(partitions=4)
def test_the_sdk_follows_narrow_plans(cosmos_emulator: CosmosEmulator) -> None:
    """The SDK asks just the partitions that a plan names, and finds all that is there."""
    with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        container = client.create_database("d").create_container("c", PartitionKey("/pk"))
        for number in range(20):
            container.create_item({"id": f"{number:02}", "pk": f"p{number % 5}", "n": number})
        for condition, keys in (
            ("c.pk = 'p1'", {1}),
            ("c.pk IN ('p1', 'p3')", {1, 3}),
            ("c.pk = 'p1' AND c.pk = 'p2'", set[int]()),
        ):
            cosmos_emulator.log.clear()
            found = container.query_items(
                f"SELECT VALUE c.n FROM c WHERE {condition} ORDER BY c.n", enable_cross_partition_query=True
            )
            assert list(found) == [number for number in range(20) if number % 5 in keys]
            asked = [entry for entry in cosmos_emulator.log if entry.operation == "SqlQuery" and entry.status == 200]
            assert len(asked) <= max(1, len(keys))
            count = container.query_items(f"SELECT VALUE COUNT(1) FROM c WHERE {condition}", enable_cross_partition_query=True)
            assert list(count) == [4 * len(keys)]


@pytest.mark.parametrize("size", [1, 3])
def test_rows_of_distinct_subqueries_come_once(wire: Wire, size: int) -> None:
    """Pages of a subquery that removes duplicates or counts off go on where they stopped, with nothing twice."""
    wire.make_container()
    for number in range(12):
        wire.create({"id": f"{number:02}", "pk": "k", "g": number % 5})
    for inner, wanted in (
        ("SELECT DISTINCT VALUE c.g FROM c", [0, 1, 2, 3, 4]),
        ("SELECT VALUE COUNT(1) FROM c", [12]),
    ):
        found: list[Any] = []
        headers = {"x-ms-max-item-count": str(size)}
        while True:
            answer = wire.query(f"SELECT VALUE x FROM ({inner}) AS x", None, headers, key=["k"])
            found += answer.json["Documents"]
            if "x-ms-continuation" not in answer.headers:
                break
            headers["x-ms-continuation"] = answer.headers["x-ms-continuation"]
        assert found == wanted
