"""What storage is told of a query, and what an indexing policy says of its ORDER BY."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.execute import matches
from bifrost_store.emulator.sql.indexes import IndexUse, index_use
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.sql.policy import check_order_by, is_indexed, read_path
from bifrost_store.emulator.sql.values import UNDEFINED, lookup, sort_key
from tests.thorough import examples

DEFAULT_POLICY: dict[str, Any] = {
    "indexingMode": "consistent",
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}


def use(condition: str, **parameters: Any) -> IndexUse:
    return index_use(parse(f"SELECT * FROM c WHERE {condition}"), {f"@{name}": given for name, given in parameters.items()})


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("c.a = 1", {("a",): [1]}),
        ("1 = c.a", {("a",): [1]}),
        ("c.a = @p", {("a",): ["x"]}),
        ("c.a.b['c d'][0] = null", {("a", "b", "c d", 0): [None]}),
        ("c[@p] = 1", {("x",): [1]}),
        ("c.a = 1 AND c.b = 'y'", {("a",): [1], ("b",): ["y"]}),
        ("c.a IN (2, 1, @p)", {("a",): [1, 2, "x"]}),
        ("c.a = 1 OR c.a = 2", {("a",): [1, 2]}),
        ("(c.a = 1 AND c.b = 1) OR (c.a = 3 AND c.b = 2)", {("a",): [1, 3], ("b",): [1, 2]}),
        ("c.a = 1 OR c.b = 2", {}),
        ("c.a = 1 OR c.x", {}),
        ("c.flag", {("flag",): [True]}),
        ("NOT c.flag", {("flag",): [False]}),
        ("NOT IS_DEFINED(c.a)", {("a",): [UNDEFINED]}),
        ("c.a = [1]", {("a",): [[1]]}),
        ("c.a = -(1) + 3", {("a",): [2]}),
        ("c.a = LOWER('X')", {("a",): ["x"]}),
        ("c.a LIKE 'exact'", {("a",): ["exact"]}),
        ("c.a = c.b", {}),
        ("c.a + 1 = 2", {}),
        ("c.a NOT IN (1)", {}),
        ("c.ts = GetCurrentTimestamp()", {}),
        ("(SELECT VALUE 1) = c.a", {}),
        ("c = 1", {}),
        ("ABS(c.a) = 1", {}),
    ],
)
def test_equalities(condition: str, wanted: dict[Any, list[Any]]) -> None:
    """Conditions that name all the values of a path become their keys; others are left to the query."""
    filters = use(condition, p="x").filters

    assert {path: tuple(map(sort_key, found)) for path, found in wanted.items()} == {one.path: one.keys for one in filters}


@pytest.mark.parametrize(
    ("condition", "inside", "outside"),
    [
        ("c.a > 1", [2, 1.5, 1e300], [1, "1", True, None, UNDEFINED]),
        ("c.a >= 1", [1, 2], [0.5, "x"]),
        ("2 > c.a", [1, -5], [2, None]),
        ("c.a <= 'm'", ["", "a", "m"], ["n", 5]),
        ("c.a != 1", [0, 2], [1, "1", None]),
        ("c.a > false", [True], [False, 1]),
        ("c.a BETWEEN 1 AND 3", [1, 2, 3], [0, 4, "2"]),
        ("STARTSWITH(c.a, 'ab')", ["ab", "abc", "ab\U0010ffff"], ["a", "ac", 1]),
        ("c.a LIKE 'ab%'", ["ab", "abx"], ["b"]),
        ("IS_DEFINED(c.a)", [None, 1, {}], [UNDEFINED]),
        ("IS_STRING(c.a)", ["", "x"], [1, [], None]),
        ("IS_NUMBER(c.a)", [1, -1.5], ["1", True]),
        ("IS_PRIMITIVE(c.a)", [None, True, 1, "x"], [[], {}, UNDEFINED]),
        ("c.a > 1 OR c.a = 'x'", [2, "x"], [1, "y"]),
    ],
)
def test_ranges(condition: str, inside: list[Any], outside: list[Any]) -> None:
    """Conditions over a range become bounds of keys, of one type where the condition is."""
    (only,) = use(condition).filters

    for value in inside:
        assert _holds(only, value), value
    for value in outside:
        assert not _holds(only, value), value


def _holds(one: Any, value: Any) -> bool:
    key = sort_key(value)
    return any(
        (r.low < key or (r.includes_low and r.low == key)) and (key < r.high or (r.includes_high and r.high == key))
        for r in one.ranges
    )


@pytest.mark.parametrize(
    "condition",
    [
        "c.a = undefined",
        "c.a > @missing",
        "c.a BETWEEN 1 AND 'x'",
        "c.a BETWEEN 3 AND 1",
        "c.a > [1]",
        "STARTSWITH(c.a, 1)",
        "c.b = 1 AND c.a IN (undefined)",
    ],
)
def test_nothing_matches(condition: str) -> None:
    """A condition that no value meets is known beforehand."""
    assert use(condition).is_empty
    assert not matches(parse(f"SELECT * FROM c WHERE {condition}"), {"a": 1, "b": 1})


literals = st.sampled_from(["1", "2.5", "-1", "'a'", "'ab'", "''", "true", "false", "null", "undefined", "[1]", "{'a': 1}", "@p"])
paths = st.sampled_from(["c.a", "c.b", "c.o.a"])
comparisons = st.builds(
    lambda path, symbol, literal, flip: f"{literal} {symbol} {path}" if flip else f"{path} {symbol} {literal}",
    paths,
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    literals,
    st.booleans(),
)
conditions = st.recursive(
    st.one_of(
        comparisons,
        st.builds(lambda path, items: f"{path} IN ({', '.join(items)})", paths, st.lists(literals, min_size=1, max_size=3)),
        st.builds(lambda path, low, high: f"{path} BETWEEN {low} AND {high}", paths, literals, literals),
        st.builds(
            lambda name, path: f"{name}({path})", st.sampled_from(["IS_DEFINED", "IS_STRING", "NOT IS_DEFINED", "IS_NULL"]), paths
        ),
        st.builds(lambda path, prefix: f"STARTSWITH({path}, {prefix})", paths, literals),
        st.builds(
            lambda path, prefix: f"{path} LIKE '{prefix}'",
            paths,
            st.sampled_from(["a%", "a_", "%", "[a]b", "ab", "!%%' ESCAPE '!"]),
        ),
        paths,
        paths.map("NOT {}".format),
    ),
    lambda inner: st.builds(lambda left, symbol, right: f"({left} {symbol} {right})", inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=6,
)
leaves = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 2.5, -1, 2**70, "", "a", "ab", "b", "%"]), st.just([1]), st.just({"a": 1})
)
items = st.dictionaries(st.sampled_from(["a", "b"]), leaves).flatmap(
    lambda item: leaves.map(lambda leaf: {**item, "o": {"a": leaf}}) | st.just(item)
)


@examples(120)
@given(conditions, items, leaves)
def test_filters_never_lose_a_match(condition: str, item: dict[str, Any], parameter: Any) -> None:
    """An item that a query matches lies in the ranges of every filter."""
    query = parse(f"SELECT * FROM c WHERE {condition}")
    if matches(query, item, {"@p": parameter}):
        found = index_use(query, {"@p": parameter})

        assert not found.is_empty
        for one in found.filters:
            assert _holds(one, lookup(item, one.path)), one


@examples(200)
@given(conditions, items, leaves)
def test_exact_filters_give_matches_alone(condition: str, item: dict[str, Any], parameter: Any) -> None:
    """An item that lies in the ranges of every filter is one that the query matches, where the filters are said to be exact."""
    query = parse(f"SELECT * FROM c WHERE {condition}")
    found = index_use(query, {"@p": parameter})
    if found.is_exact and all(_holds(one, lookup(item, one.path)) for one in found.filters):
        assert matches(query, item, {"@p": parameter})


@pytest.mark.parametrize(
    ("condition", "is_exact"),
    [
        ("c.a = 1 AND c.b = 'x'", True),
        ("NOT IS_DEFINED(c.a) OR c.a > @p", True),
        ("c.a IN (1, null, 'x') AND IS_STRING(c.a) AND c.flag", True),
        ("c.a BETWEEN 1 AND 3 OR STARTSWITH(c.a, 'x')", True),
        ("c.a LIKE 'x' AND NOT c.flag", True),
        ("c.a = 1 OR c.b = 1", False),
        ("(c.a = 1 AND c.b = 1) OR c.a = 2", False),
        ("c.a = [1]", False),
        ("c.a > (0 / 0)", False),
        ("c.a LIKE 'x_'", False),
        ("c.a = 1 AND c.a = c.b", False),
        ("c.a NOT IN (1)", False),
    ],
)
def test_exact_filters(condition: str, is_exact: bool) -> None:
    """Filters are exact where each condition limits one path, by scalars."""
    assert is_exact == use(condition, p="x").is_exact


@pytest.mark.parametrize("allowed", [200, 50])
def test_filters_of_very_many_values_are_not_exact(allowed: int) -> None:
    """Where two lists of values are too long to be compared pair by pair, one of them has to do."""
    condition = f"c.a IN ({', '.join(map(str, range(allowed)))}) AND c.a IN ({', '.join(map(str, range(100)))})"

    assert (allowed == 50) == use(condition).is_exact


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT * FROM c ORDER BY c.a", ((("a",), False),)),
        ("SELECT * FROM c ORDER BY c.a DESC, c.b.c ASC", ((("a",), True), (("b", "c"), False))),
        ("SELECT * FROM root r ORDER BY r['x y']", ((("x y",), False),)),
        ("SELECT * FROM c.list AS l ORDER BY l.n", ((("list", "n"), False),)),
        ("SELECT * FROM c", ()),
        ("SELECT * FROM c ORDER BY LOWER(c.a)", None),
        ("SELECT VALUE t FROM c JOIN t IN c.tags ORDER BY t.n", None),
        ("SELECT VALUE t FROM t IN c.tags ORDER BY t.n", None),
        ("SELECT * FROM c ORDER BY c", None),
    ],
)
def test_order_paths(query: str, wanted: Any) -> None:
    """ORDER BY is given as paths from the item down, if all of it can be."""
    assert wanted == index_use(parse(query)).order_by


COMPOSITES = {
    **DEFAULT_POLICY,
    "compositeIndexes": [
        [{"path": "/a", "order": "ascending"}, {"path": "/b", "order": "descending"}],
        [{"path": "/a"}, {"path": "/b/c"}, {"path": '/"odd name"'}],
    ],
}


@pytest.mark.parametrize(
    ("order", "is_served"),
    [
        ("c.a", True),
        ("c.a DESC", True),
        ("c.a ASC, c.b DESC", True),
        ("c.a DESC, c.b ASC", True),
        ("c.a, c.b", False),
        ("c.a DESC, c.b DESC", False),
        ("c.b DESC, c.a", False),
        ("c.a, c.b.c", False),
        ("c.a, c.b.c, c['odd name']", True),
        ("c.a DESC, c.b.c DESC, c['odd name'] DESC", True),
        ("c.x, c.y", False),
    ],
)
def test_composite_indexes(order: str, is_served: bool) -> None:
    """Several properties need a composite index of just these, in just these directions or all inverted."""
    query = parse(f"SELECT * FROM c ORDER BY {order}")
    if is_served:
        check_order_by(query, COMPOSITES)
    else:
        with pytest.raises(SqlError, match="does not have a corresponding composite index"):
            check_order_by(query, COMPOSITES)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM c ORDER BY LOWER(c.a)", "could not be mapped to a document path"),
        ("SELECT * FROM c ORDER BY c.a + 1", "could not be mapped"),
        ("SELECT * FROM c ORDER BY 1", "could not be mapped"),
        ("SELECT VALUE t FROM c JOIN t IN c.tags ORDER BY t.n", "correlated collections"),
        ("SELECT * FROM c ORDER BY c._etag", "index path corresponding to the specified order-by item is excluded"),
    ],
)
def test_orders_that_no_index_serves(query: str, message: str) -> None:
    """ORDER BY takes indexed paths of the item."""
    with pytest.raises(SqlError, match=message):
        check_order_by(parse(query), DEFAULT_POLICY)


@pytest.mark.parametrize(
    ("path", "included", "excluded", "wanted"),
    [
        (("a",), ["/*"], [], True),
        (("a",), ["/*"], ["/a/?"], False),
        (("a", "b"), ["/*"], ["/a/?"], True),
        (("a", "b"), ["/*"], ["/a/*"], False),
        (("a", "b", "c"), ["/*", "/a/b/*"], ["/a/*"], True),
        (("a",), [], ["/*"], False),
        (("a",), ["/a/?"], ["/*"], True),
        (("id",), [], ["/*"], True),
        (("_ts",), [], ["/*"], True),
        (("odd name", "x"), ["/*"], ['/"odd name"/*'], False),
        (("a", "[]", "n"), ["/a/[]/n/?"], ["/*"], True),
    ],
)
def test_indexed_paths(path: tuple[str, ...], included: list[str], excluded: list[str], wanted: bool) -> None:
    """The most precise of the included and excluded paths decides."""
    policy = {"includedPaths": [{"path": one} for one in included], "excludedPaths": [{"path": one} for one in excluded]}

    assert wanted is is_indexed(path, policy)
    assert not is_indexed(path, {**policy, "indexingMode": "none"})


def test_policy_paths() -> None:
    """Paths of policies are read with their quotes and escapes."""
    assert ("a", "b c", "[]", "*") == read_path('/a/"b c"/[]/*')
    assert ("it's", 'x"y') == read_path("/'it\\'s'/\"x\\\"y\"/?")
    assert () == read_path("/")
