"""The ranges of a plan hold every item that the filter lets through, whatever the filter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.containers.hashing import EpkRange
from bifrost_store.emulator.query.pinned import key_ranges, pinned_scope
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.store.catalog import Resource
from tests.emulator.sql.tables import run
from tests.thorough import examples

KEYS: list[Any] = ["a", "b", "", 1, 2.5, 0, True, False, None]
ITEMS = [
    {"id": "1", **({} if a == "absent" else {"a": a}), "b": b} for a in [*KEYS, "absent", [1], {"x": 1}] for b in (1, "1", True)
]

operands = st.sampled_from([*map(json.dumps, KEYS), "undefined", "NaN", "[1]", "{'x': 1}", "c.b", "@p"])
atoms = st.one_of(
    st.tuples(st.sampled_from(["c.a", "c.b", "c['a']"]), st.sampled_from(["=", "!=", "<", ">="]), operands).map(" ".join),
    st.tuples(operands, st.just("="), st.sampled_from(["c.a", "c.b"])).map(" ".join),
    st.tuples(
        st.sampled_from(["c.a", "c.b"]),
        st.sampled_from(["IN", "NOT IN"]),
        st.lists(operands, min_size=1, max_size=3).map(", ".join),
    ).map(lambda parts: f"{parts[0]} {parts[1]} ({parts[2]})"),
    st.sampled_from(["IS_DEFINED(c.a)", "c.a", "NOT c.a", "LOWER(c.a) = 'a'", "IS_NULL(c.a)", "IS_NULL(c.b)"]),
    st.tuples(st.lists(operands, max_size=3).map(", ".join), st.sampled_from(["c.a", "c.b", "c.a, true", "1"])).map(
        lambda parts: f"ARRAY_CONTAINS([{parts[0]}], {parts[1]})"
    ),
    st.sampled_from(["ARRAY_CONTAINS(@l, c.a)", "ARRAY_CONTAINS(@p, c.a)", "ARRAY_CONTAINS(c.a, 1)"]),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"NOT ({one})"),
    ),
    max_leaves=5,
)


def container(paths: list[str]) -> Container:
    """Return a container that holds nothing."""
    kind = "Hash" if len(paths) == 1 else "MultiHash"
    body = {"id": "c", "partitionKey": {"paths": paths, "kind": kind, "version": 2}, "indexingPolicy": {}}
    resource = Resource(2, "colls", 1, "AAAAAAAAAAA=", "c", body, "", 0)
    database = Resource(1, "dbs", 0, "AAAAAA==", "d", {}, "", 0)
    return Container(resource, database, None, [PhysicalRange("0", EpkRange("", "FF"))], 1)  # type: ignore[arg-type]


@examples(400)
@given(conditions, st.sampled_from([["/a"], ["/b"], ["/a", "/b"], ["/b", "/a"]]))
def test_no_item_lies_outside(condition: str, paths: list[str]) -> None:
    """Each item that the condition holds for lies in a range of the plan, and in the scope of the one key if there is one."""
    text, parameters = f"SELECT * FROM c WHERE {condition}", {"@p": "b", "@l": [1, "a", None, [1]]}
    where, query = container(paths), parse(text)
    ranges, scope = key_ranges(where, query, parameters), pinned_scope(where, query, parameters)
    assert list(ranges) == sorted(ranges)
    for item in run(text, ITEMS, parameters):
        key = where.partition_key
        epk = key.epk(key.of_item(item))
        assert any(one.low == epk if one.is_point else one.low <= epk < one.high for one in ranges), (item, ranges)
        assert scope is None or scope.epks.contains(epk)


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("ARRAY_CONTAINS([1, 2, 3], c.a)", [1, 2, 3]),
        ("ARRAY_CONTAINS(@l, c.a)", ["x", None]),
        ("ARRAY_CONTAINS([1, 2, 3], c.a) AND c.a = 4", []),
        ("ARRAY_CONTAINS([], c.a)", []),
        ("IS_NULL(c.a)", [None]),
    ],
)
def test_only_partitions_that_can_hold_items_are_asked(condition: str, keys: list[Any]) -> None:
    """Each key is a range of its own, as in the service's plans; none is the point before all of them."""
    where = container(["/a"])
    found = key_ranges(where, parse(f"SELECT * FROM c WHERE {condition}"), {"@l": ["x", None]})

    assert sorted(where.partition_key.epk([key]) for key in keys) or [""] == [one.low for one in found]
    assert all(one.is_point for one in found)
    assert max(len(keys), 1) == len(found)
