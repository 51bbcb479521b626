"""SELECT, FROM, JOIN, WHERE, GROUP BY, ORDER BY, DISTINCT, TOP, OFFSET LIMIT, aggregates and subqueries, by table."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.execute import bind_parameters, prepare
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.sql.values import UNDEFINED
from tests.emulator.sql.tables import run

FAMILIES: list[Any] = [
    {
        "id": "a",
        "n": 1,
        "kids": [{"name": "Ann", "grade": 1, "pets": [{"p": "x"}]}, {"name": "Bob", "grade": 8}],
        "tags": ["r", "g"],
    },
    {"id": "b", "n": 2, "kids": [{"name": "Cid", "grade": 5, "pets": [{"p": "y"}, {"p": "z"}]}], "tags": []},
    {"id": "c", "n": 3, "kids": "none", "odd name": {"order": 7}},
]

SELECTIONS: list[tuple[str, Any]] = [
    ("SELECT c.id FROM c", [{"id": "a"}, {"id": "b"}, {"id": "c"}]),
    ("SELECT f.id FROM families f WHERE f.n = 1", [{"id": "a"}]),
    ("SELECT f.id FROM families AS f WHERE f.n = 1", [{"id": "a"}]),
    ("select value c.id from c where c.n > 1", ["b", "c"]),
    ("SELECT VALUE c.missing FROM c", []),
    ("SELECT c.missing FROM c", [{}, {}, {}]),
    ("SELECT c.n AS x, c.id FROM c WHERE c.n = 1", [{"x": 1, "id": "a"}]),
    ("SELECT c.n + 1, c.n * 2, c.id FROM c WHERE c.n = 1", [{"$1": 2, "$2": 2, "id": "a"}]),
    ("SELECT c.tags[0], c['odd name'], c['odd name'].order FROM c WHERE c.n = 4", []),
    ("SELECT c['odd name']['order'] FROM c WHERE c.n = 3", [{"order": 7}]),
    ("SELECT c.kids[0].name FROM c WHERE c.n < 3", [{"name": "Ann"}, {"name": "Cid"}]),
    ("SELECT c.tags[0] FROM c WHERE c.n = 1", [{"$1": "r"}]),
    ("SELECT c FROM c WHERE c.n = 9", []),
    ("SELECT VALUE {'id': c.id, 'no': c.missing} FROM c WHERE c.n = 1", [{"id": "a"}]),
    ("SELECT 1", [{"$1": 1}]),
    ("SELECT VALUE 'x'", ["x"]),
    ("SELECT VALUE 1 FROM c", [1, 1, 1]),
    ("SELECT VALUE 1 WHERE false", []),
    ("SELECT VALUE c.id FROM c WHERE c.n", []),
    ("SELECT VALUE c.id FROM c WHERE true -- all of them", ["a", "b", "c"]),
    ("SELECT VALUE c.id -- a comment\nFROM c --another\n", ["a", "b", "c"]),
    ("SELECT VALUE '--' ", ["--"]),
]

SOURCES: list[tuple[str, Any]] = [
    ("SELECT VALUE k.name FROM k IN c.kids", ["Ann", "Bob", "Cid"]),
    ("SELECT VALUE k.name FROM c JOIN k IN c.kids WHERE c.n = 1", ["Ann", "Bob"]),
    ("SELECT c.id, t FROM c JOIN t IN c.tags", [{"id": "a", "t": "r"}, {"id": "a", "t": "g"}]),
    ("SELECT VALUE {k: k.name, p: p.p} FROM c JOIN k IN c.kids JOIN p IN k.pets",
     [{"k": "Ann", "p": "x"}, {"k": "Cid", "p": "y"}, {"k": "Cid", "p": "z"}]),
    ("SELECT VALUE CONCAT(k.name, t) FROM c JOIN k IN c.kids JOIN t IN c.tags", ["Annr", "Anng", "Bobr", "Bobg"]),
    ("SELECT * FROM c.kids", [FAMILIES[0]["kids"], FAMILIES[1]["kids"], "none"]),
    ("SELECT VALUE 1 FROM c.tags", [1, 1]),
    ("SELECT VALUE 1 FROM c JOIN c['odd name'] AS o", [1]),
    ("SELECT VALUE kids[0].name FROM c.kids", ["Ann", "Cid"]),
    ("SELECT VALUE first.name FROM c.kids[0] AS first", ["Ann", "Cid"]),
    ("SELECT VALUE x.order FROM c['odd name'] x", None),
    ("SELECT VALUE x['order'] FROM c['odd name'] x", [7]),
    ("SELECT VALUE k.name FROM c JOIN (SELECT VALUE k FROM k IN c.kids WHERE k.grade > 4) AS k", ["Bob", "Cid"]),
    ("SELECT VALUE k.name FROM c JOIN (SELECT VALUE k FROM k IN c.kids WHERE k.grade > 4) AS k", ["Bob", "Cid"]),
    ("SELECT VALUE COUNT(1) FROM c JOIN (SELECT VALUE t FROM t IN c.tags)", [2]),
    ("SELECT VALUE s.n FROM (SELECT c.n FROM c) AS s", [1, 2, 3]),
    ("SELECT VALUE r.id FROM c JOIN r IN [1]", None),
    ("SELECT VALUE x FROM c JOIN c.tags AS x WHERE c.n < 3", [["r", "g"], []]),
]  # fmt: skip

SUBQUERIES: list[tuple[str, Any]] = [
    ("SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'g')", ["a"]),
    ("SELECT VALUE c.id FROM c WHERE NOT EXISTS(SELECT VALUE k FROM k IN c.kids WHERE k.grade = 5)", ["a", "c"]),
    ("SELECT VALUE EXISTS(SELECT VALUE c.missing) FROM c WHERE c.n = 1", [False]),
    ("SELECT VALUE EXISTS(SELECT VALUE null)", [True]),
    ("SELECT VALUE ARRAY(SELECT VALUE k.name FROM k IN c.kids) FROM c", [["Ann", "Bob"], ["Cid"], []]),
    ("SELECT VALUE ARRAY(SELECT k.name, k.grade FROM k IN c.kids WHERE k.grade > 5) FROM c WHERE c.n = 1",
     [[{"name": "Bob", "grade": 8}]]),
    ("SELECT VALUE (SELECT VALUE COUNT(1) FROM k IN c.kids) FROM c", [2, 1, 0]),
    ("SELECT VALUE (SELECT VALUE SUM(k.grade) * c.n FROM k IN c.kids) FROM c WHERE c.n < 3", [9, 10]),
    ("SELECT VALUE (SELECT VALUE k.name FROM k IN c.kids WHERE k.grade = 1) FROM c", ["Ann"]),
    ("SELECT c.id, (SELECT VALUE AVG(k.grade) FROM k IN c.kids) AS g FROM c",
     [{"id": "a", "g": 4.5}, {"id": "b", "g": 5}, {"id": "c"}]),
    ("SELECT VALUE (SELECT VALUE 1 + 1)", [2]),
    ("SELECT VALUE ARRAY(SELECT DISTINCT VALUE x FROM x IN [1])", None),
    ("SELECT VALUE ARRAY(SELECT VALUE ARRAY(SELECT VALUE p.p FROM p IN k.pets) FROM k IN c.kids) FROM c WHERE c.n < 3",
     [[["x"], []], [["y", "z"]]]),
]  # fmt: skip

MIXED: list[Any] = [
    {"i": 0, "v": "b"}, {"i": 1, "v": 2}, {"i": 2}, {"i": 3, "v": None}, {"i": 4, "v": True}, {"i": 5, "v": [1]}, {"i": 6, "v": {}},
    {"i": 7, "v": "a"}, {"i": 8, "v": -1.5}, {"i": 9, "v": False}, {"i": 10, "v": 2},
]  # fmt: skip
ASCENDING = [2, 3, 9, 4, 8, 1, 10, 7, 0, 5, 6]

AGGREGATES: list[tuple[str, Any]] = [
    ("SELECT VALUE COUNT(1) FROM c", [11]),
    ("SELECT VALUE COUNT(c.v) FROM c", [10]),
    ("SELECT VALUE COUNT(c.zz) FROM c", [0]),
    ("SELECT VALUE COUNTIF(c.v = 2) FROM c", [2]),
    ("SELECT VALUE COUNTIF(c.v) FROM c", [1]),
    ("SELECT VALUE SUM(c.i) FROM c", [55]),
    ("SELECT VALUE SUM(c.v) FROM c", []),
    ("SELECT VALUE SUM(c.v) FROM c WHERE IS_NUMBER(c.v) OR NOT IS_DEFINED(c.v)", [2.5]),
    ("SELECT VALUE SUM(c.v) FROM c WHERE c.i = 3", []),
    ("SELECT VALUE SUM(c.zz) FROM c", [0]),
    ("SELECT VALUE AVG(c.i) FROM c", [5]),
    ("SELECT VALUE AVG(c.v) FROM c WHERE IS_NUMBER(c.v)", [0.8333333333333334]),
    ("SELECT VALUE AVG(c.v) FROM c", []),
    ("SELECT VALUE AVG(c.zz) FROM c", []),
    ("SELECT VALUE MIN(c.v) FROM c WHERE IS_PRIMITIVE(c.v) OR NOT IS_DEFINED(c.v)", [None]),
    ("SELECT VALUE MAX(c.v) FROM c WHERE IS_PRIMITIVE(c.v)", ["b"]),
    ("SELECT VALUE MAX(c.v) FROM c", []),
    ("SELECT VALUE MIN(c.zz) FROM c", []),
    ("SELECT VALUE MIN(c.v) FROM c WHERE c.i IN (0, 5)", []),
    ("SELECT VALUE MAX(c.v) FROM c WHERE c.i IN (0, 6)", []),
    ("SELECT COUNT(1), SUM(c.v) FROM c", [{"$1": 11}]),
    ("SELECT COUNT(1) AS n, MAX(c.i) AS most FROM c WHERE false", [{"n": 0}]),
    ("SELECT VALUE MAX(c.i) + MIN(c.i) FROM c", [10]),
    ("SELECT VALUE [{'item': {'sum': SUM(c.i), 'count': COUNT(c.i)}}] FROM c", [[{"item": {"sum": 55, "count": 11}}]]),
    ("SELECT VALUE [{'item': MAX(c.zz)}] FROM c", [[{}]]),
    ("SELECT VALUE COUNT(1) FROM c ORDER BY c.i", [11]),
    ("SELECT TOP 5 VALUE COUNT(1) FROM c", [11]),
]

SALES: list[Any] = [
    {"city": "X", "kind": 1, "n": 5}, {"city": "Y", "kind": 1, "n": 7}, {"city": "X", "kind": 2, "n": 1}, {"kind": 1, "n": 2},
    {"city": None, "kind": 1, "n": 3}, {"city": "X", "kind": 1, "n": 10},
]  # fmt: skip

GROUPS: list[tuple[str, Any]] = [
    ("SELECT c.city, COUNT(1) AS n FROM c GROUP BY c.city",
     [{"city": "X", "n": 3}, {"city": "Y", "n": 1}, {"n": 1}, {"city": None, "n": 1}]),
    ("SELECT VALUE c.city FROM c GROUP BY c.city", ["X", "Y", None]),
    ("SELECT c.city, c.kind, SUM(c.n) AS s FROM c WHERE c.city = 'X' GROUP BY c.city, c.kind",
     [{"city": "X", "kind": 1, "s": 15}, {"city": "X", "kind": 2, "s": 1}]),
    ("SELECT UPPER(c.city) AS u, MAX(c.n) FROM c WHERE IS_STRING(c.city) GROUP BY UPPER(c.city)",
     [{"u": "X", "$1": 10}, {"u": "Y", "$1": 7}]),
    ("SELECT LOWER(c.city) AS l FROM c WHERE IS_STRING(c.city) GROUP BY c.city", [{"l": "x"}, {"l": "y"}]),
    ("SELECT COUNT(1) AS n FROM c GROUP BY c.kind", [{"n": 5}, {"n": 1}]),
    ("SELECT (c.n < 4 ? c.n : FLOOR(c.n / 4) * 4) AS b, COUNT(1) AS n FROM c GROUP BY (c.n < 4 ? c.n : FLOOR(c.n / 4) * 4)",
     [{"b": 4, "n": 2}, {"b": 1, "n": 1}, {"b": 2, "n": 1}, {"b": 3, "n": 1}, {"b": 8, "n": 1}]),
    ("SELECT c.n > 4 AS large, c.kind + 1 AS k, COUNT(1) AS n FROM c GROUP BY c.n > 4, c.kind + 1",
     [{"large": True, "k": 2, "n": 3}, {"large": False, "k": 3, "n": 1}, {"large": False, "k": 2, "n": 2}]),
    ("SELECT 2 * FLOOR(c.n / 4) AS half, COUNT(1) AS n FROM c GROUP BY FLOOR(c.n / 4)",
     [{"half": 2, "n": 2}, {"half": 0, "n": 3}, {"half": 4, "n": 1}]),
    ("SELECT COUNT(1) AS n FROM c WHERE false GROUP BY c.kind", []),
    ("SELECT VALUE COUNT(1) FROM c GROUP BY c.kind OFFSET 1 LIMIT 1", [1]),
    ("SELECT VALUE {'k': c.kind, 'n': SUM(c.n) / COUNT(1)} FROM c GROUP BY c.kind", [{"k": 1, "n": 5.4}, {"k": 2, "n": 1}]),
    ("SELECT t, COUNT(1) AS n FROM c JOIN t IN ARRAY_CONCAT(c.a, c.a) GROUP BY t", None),
]  # fmt: skip

BOUNDS: list[tuple[str, Any]] = [
    ("SELECT TOP 2 VALUE c.i FROM c", [0, 1]),
    ("SELECT TOP 0 VALUE c.i FROM c", []),
    ("SELECT TOP 99 VALUE c.i FROM c WHERE c.i > 8", [9, 10]),
    ("SELECT VALUE c.i FROM c OFFSET 9 LIMIT 5", [9, 10]),
    ("SELECT VALUE c.i FROM c OFFSET 2 LIMIT 0", []),
    ("SELECT VALUE c.i FROM c ORDER BY c.i DESC OFFSET 1 LIMIT 2", [9, 8]),
    ("SELECT TOP 2 VALUE c.i FROM c ORDER BY c.i DESC", [10, 9]),
    ("SELECT TOP @n VALUE c.i FROM c", [0, 1, 2]),
    ("SELECT TOP 1 VALUE c.i FROM c OFFSET 2 LIMIT 5", [2]),
    ("SELECT TOP 5 VALUE c.i FROM c OFFSET 2 LIMIT 1", [2]),
    ("SELECT VALUE c.i FROM c OFFSET @n LIMIT @n", [3, 4, 5]),
    ("SELECT DISTINCT VALUE c.v FROM c WHERE c.v = 2", [2]),
    ("SELECT DISTINCT c.zz FROM c", [{}]),
    ("SELECT DISTINCT TOP 2 VALUE c.v FROM c WHERE IS_NUMBER(c.v)", [2, -1.5]),
    ("SELECT DISTINCT VALUE c.v FROM c WHERE IS_NUMBER(c.v) ORDER BY c.v OFFSET 1 LIMIT 5", [2]),
    ("SELECT DISTINCT VALUE {'a': c.zz} FROM c", [{}]),
    ("SELECT VALUE c.i FROM c WHERE c.i IN (@n, @m)", [3]),
    ("SELECT VALUE c[@p] FROM c WHERE c.i = @n", [None]),
    ("SELECT VALUE c.i FROM c WHERE c.v = @missing", []),
    ("SELECT VALUE @o.a", [[1]]),
]


def _check(query: str, wanted: list[Any] | None, items: list[Any]) -> None:
    if wanted is None:
        with pytest.raises(SqlError):
            parse(query)
    else:
        assert wanted == run(query, items, {"@n": 3, "@p": "v", "@o": {"a": [1]}})


@pytest.mark.parametrize(("query", "wanted"), [*SELECTIONS, *SOURCES, *SUBQUERIES], ids=str)
def test_rows(query: str, wanted: list[Any] | None) -> None:
    """A query over families gives these rows; None is an error of syntax or names."""
    if "[0], c['odd name']" in query:
        query = query.replace(".order", "['order']")
    _check(query, wanted, FAMILIES)


@pytest.mark.parametrize(("query", "wanted"), [*AGGREGATES, *BOUNDS], ids=str)
def test_aggregates_and_bounds(query: str, wanted: list[Any]) -> None:
    """Aggregates, DISTINCT, TOP and OFFSET LIMIT over values of every type."""
    _check(query, wanted, MIXED)


@pytest.mark.parametrize(("query", "wanted"), GROUPS, ids=str)
def test_groups(query: str, wanted: list[Any] | None) -> None:
    """GROUP BY has a group of its own for null and for undefined, in the order of the first items."""
    _check(query, wanted, SALES)


def test_order_by_orders_types() -> None:
    """ORDER BY puts undefined, null, booleans, numbers, strings, arrays and objects in this order, equals as they came."""
    assert ASCENDING == run("SELECT VALUE c.i FROM c ORDER BY c.v", MIXED)
    assert ASCENDING == run("SELECT VALUE c.i FROM c ORDER BY c.v ASC", MIXED)
    assert [6, 5, 0, 7, 1, 10, 8, 4, 9, 3, 2] == run("SELECT VALUE c.i FROM c ORDER BY c.v DESC", MIXED)
    assert ASCENDING[1:] == run("SELECT VALUE c.i FROM c ORDER BY c.v", MIXED, excludes_missing=True)


def test_order_by_several() -> None:
    """Later properties of ORDER BY decide among equals, each in its own direction; none is left out for a missing one."""
    items = [{"i": 0, "a": 1, "b": 1}, {"i": 1, "a": 1, "b": 2}, {"i": 2, "a": 0}, {"i": 3, "a": 0, "b": 9}, {"i": 4, "b": 5}]

    assert [4, 2, 3, 0, 1] == run("SELECT VALUE c.i FROM c ORDER BY c.a, c.b", items, excludes_missing=True)
    assert [1, 0, 3, 2, 4] == run("SELECT VALUE c.i FROM c ORDER BY c.a DESC, c.b DESC", items)
    assert [4, 3, 2, 1, 0] == run("SELECT VALUE c.i FROM c ORDER BY c.a ASC, c.b DESC", items)
    assert [0, 1, 2, 3, 4] == run("SELECT VALUE c.i FROM c ORDER BY c.zz, c.zz2", items)


def test_rows_are_lazy_unless_sorted() -> None:
    """Items are read one by one as rows are asked for, with ORDER BY too if they come sorted."""
    read: list[int] = []

    def items() -> Any:
        for number in range(100):
            read.append(number)
            yield {"n": number}

    assert {"n": 1} == next(prepare(parse("SELECT * FROM c WHERE c.n = 1"))(items()))
    assert 2 == len(read)
    assert {"n": 0} == next(prepare(parse("SELECT * FROM c ORDER BY c.n"), is_sorted=True)(items()))
    assert 3 == len(read)
    assert [{"n": 0}] == list(prepare(parse("SELECT TOP 1 * FROM c"))(items()))
    assert 4 == len(read)


def test_values_come_back_as_they_are() -> None:
    """Numbers, strings and the order of keys of an item pass through a query unchanged."""
    item = {"z": 1.0, "a": 2**63 - 1, "s": "\u0000\ud83d", "f": -0.0, "n": {"y": 1, "x": [1.50]}}
    row = run("SELECT * FROM c", [item])[0]

    assert item is row
    assert repr(item) == repr(run("SELECT c.z, c.a, c.s, c.f, c.n FROM c", [item])[0])


def test_scalar_subquery_of_several_rows() -> None:
    """A scalar subquery with more than one row is an error, when a row meets it."""
    with pytest.raises(SqlError, match="cardinality"):
        run("SELECT VALUE (SELECT VALUE k FROM k IN c.kids) FROM c", FAMILIES)


def test_parameters() -> None:
    """Parameters are bound by name; one without a value is undefined, one given twice or without a name an error."""
    assert {"@a": None, "@b": UNDEFINED} == bind_parameters([{"name": "@a", "value": None}, {"name": "@b"}])
    cases: list[list[Any]] = [[{"name": "@a"}, {"name": "@a"}], [{"name": "a"}], [{}], ["@a"], [{"name": 1}]]
    for wrong in cases:
        with pytest.raises(SqlError):
            bind_parameters(wrong)


@pytest.mark.parametrize("wrong", [-1, 1.5, "1", None, True, 2**32, UNDEFINED])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT TOP @n * FROM c", "SC2060"),
        ("SELECT * FROM c OFFSET @n LIMIT 1", "SC2062"),
        ("SELECT * FROM c OFFSET 1 LIMIT @n", "SC2061"),
    ],
)
def test_counts_are_integers(query: str, code: str, wrong: Any) -> None:
    """TOP, OFFSET and LIMIT take integers from 0 to 2^32 - 1."""
    with pytest.raises(SqlError) as caught:
        run(query, [], {"@n": wrong})

    assert code == caught.value.code


LISTS = {"c.a": "c.a", "(SELECT VALUE c.a)": "c.a", "(SELECT VALUE [3, 'x', c.n])": "[3, 'x', c.n]",
         "(SELECT VALUE c.lists[1])": "c.lists[1]", "(SELECT VALUE y.a FROM y IN c.rows)": "ARRAY_CONCAT(c.rows[0].a, c.rows[1].a)",
         "(SELECT VALUE c.n)": "[]", "(SELECT VALUE c.missing)": "[]"}  # fmt: skip
"""What IN walks through, and the same as an array."""


@pytest.mark.parametrize(("collection", "array"), LISTS.items())
@pytest.mark.parametrize(
    ("text", "by_array"),
    [
        ("SELECT VALUE x FROM c JOIN x IN {}", None),
        ("SELECT VALUE ARRAY(SELECT VALUE x FROM x IN {}) FROM c", "SELECT VALUE {} FROM c"),
        ("SELECT VALUE (SELECT VALUE COUNT(1) FROM x IN {}) FROM c", "SELECT VALUE ARRAY_LENGTH({}) FROM c"),
        ("SELECT VALUE (SELECT VALUE MIN(x) FROM x IN {}) FROM c", "SELECT VALUE ARRAY_MIN({}) FROM c"),
        ("SELECT VALUE EXISTS(SELECT 1 FROM x IN {} WHERE x > 2) FROM c", None),
        ("SELECT VALUE EXISTS(SELECT 1 FROM x IN {}) FROM c", "SELECT VALUE ARRAY_LENGTH({}) > 0 FROM c"),
    ],
)
def test_in_walks_through_any_array(collection: str, array: str, text: str, by_array: str | None) -> None:
    """IN walks through the elements of a path's array and of each array that a subquery gives; through nothing else."""
    items = [{"n": 5, "a": [1, 2, 9], "lists": [[], [7, 8]], "rows": [{"a": [1]}, {"a": [2, 3]}]}]
    (elements,) = run(f"SELECT VALUE {array} FROM c", items)
    found = run(text.format(collection), items)

    if by_array is not None:
        assert run(by_array.format(array), items) == found
    elif "JOIN" in text:
        assert elements == found
    else:
        assert [any(type(one) is int and one > 2 for one in elements)] == found


def test_in_without_a_container() -> None:
    """A query may walk through a list of its own, and read no item."""
    assert [2, 9] == run("SELECT VALUE x FROM x IN (SELECT VALUE [2, 9])", [{}, {}])
    assert [9] == run("SELECT VALUE x FROM x IN (SELECT VALUE [2, 9]) WHERE x > 5", [])
    assert [[1, 3], [2, 3]] == run("SELECT VALUE [x, y] FROM x IN (SELECT VALUE [1, 2]) JOIN y IN (SELECT VALUE [3])", [])
    assert [1] == run(
        "SELECT VALUE x.v FROM c JOIN x IN (SELECT VALUE ObjectToArray(c.o)) WHERE x.k = 'a'", [{"o": {"a": 1, "b": 2}}]
    )
    assert [] == run("SELECT VALUE x FROM x IN (SELECT VALUE y FROM y IN (SELECT VALUE [1, 'a', {'b': 1}]))", [])
    assert [3, 4] == run("SELECT VALUE x FROM x IN (SELECT VALUE c.a FROM c)", [{"a": [3]}, {"a": 1}, {"a": [4]}])
