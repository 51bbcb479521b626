"""What queries mean: undefined and null, strict types, order, projection, aggregates - table by table."""

from __future__ import annotations

from typing import Any

import pytest
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

pytestmark = pytest.mark.anyio

ITEMS: list[dict[str, Any]] = [
    {"id": "undefined"},
    {"id": "null", "x": None},
    {"id": "false", "x": False},
    {"id": "true", "x": True},
    {"id": "one", "x": 1, "tags": ["a", "b"], "s": "Hello"},
    {"id": "two", "x": 2, "tags": ["b"], "s": "hello world"},
    {"id": "text 1", "x": "1", "s": "é"},
    {"id": "text a", "x": "a"},
    {"id": "array", "x": [1, 2]},
    {"id": "object", "x": {"y": 1}},
]


@pytest.fixture(autouse=True)
async def _items(container: ContainerProxy) -> None:
    for item in ITEMS:
        await container.create_item({"pk": "k", "kind": "item", **item})


async def rows(container: ContainerProxy, text: str, **parameters: Any) -> list[Any]:
    """Return all rows of a query within the partition."""
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    return [row async for row in container.query_items(text, parameters=given, partition_key="k")]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("c.x = 1", ["one"]),
        ("c.x = '1'", ["text 1"]),
        ("c.x = null", ["null"]),
        ("c.x != 1", ["two"]),
        ("NOT (c.x = 1)", ["two"]),
        ("c.x > 0", ["one", "two"]),
        ("c.x >= '1'", ["text 1", "text a"]),
        ("c.x = [1, 2]", ["array"]),
        ("c.x = {'y': 1}", ["object"]),
        ("c.x", ["true"]),
        ("c.x = 1 OR c.nothing = 1", ["one"]),
        ("c.x = 1 AND c.nothing = 1", []),
        ("NOT (c.x = 2 AND c.nothing = 1)", ["one"]),
        ("c.x IN (1, '1', null)", ["null", "one", "text 1"]),
        ("c.x BETWEEN 1 AND 2", ["one", "two"]),
        ("IS_DEFINED(c.x)", ["array", "false", "null", "object", "one", "text 1", "text a", "true", "two"]),
        ("NOT IS_DEFINED(c.x)", ["undefined"]),
        ("IS_NULL(c.x)", ["null"]),
        ("IS_STRING(c.x)", ["text 1", "text a"]),
        ("IS_NUMBER(c.x) OR IS_BOOL(c.x)", ["false", "one", "true", "two"]),
        ("STARTSWITH(c.s, 'hello')", ["two"]),
        ("STARTSWITH(c.s, 'hello', true)", ["one", "two"]),
        ("CONTAINS(c.s, 'o w')", ["two"]),
        ("ENDSWITH(c.s, 'world')", ["two"]),
        ("LOWER(c.s) = 'hello'", ["one"]),
        ("ARRAY_CONTAINS(c.tags, 'a')", ["one"]),
        ("EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'b')", ["one", "two"]),
        ("c.s LIKE 'h%'", ["two"]),
        ("c.s LIKE '_ello%'", ["one", "two"]),
        ("c['x'] = 2", ["two"]),
        ("c.x.y = 1", ["object"]),
        ("c.x[1] = 2", ["array"]),
        ("c.x % 2 = 0", ["two"]),
        ("(c.nothing ?? 1) = 1", sorted(item["id"] for item in ITEMS)),
        ("(c.x = 1 ? true : false)", ["one"]),
        ("(c.id || '!') = 'one!'", ["one"]),
    ],
)
async def test_which_items_a_condition_keeps(container: ContainerProxy, condition: str, expected: list[str]) -> None:
    """Comparisons across types are undefined, and only what is exactly true is kept."""
    found = await rows(container, f"SELECT VALUE c.id FROM c WHERE {condition}")
    assert sorted(found) == expected


async def test_parameters_are_typed(container: ContainerProxy) -> None:
    """A parameter compares as its JSON type; one that is not given is undefined."""
    text = "SELECT VALUE c.id FROM c WHERE c.x = @x"
    assert await rows(container, text, x=1) == ["one"]
    assert await rows(container, text, x="1") == ["text 1"]
    assert await rows(container, text, x=None) == ["null"]
    assert await rows(container, text) == []
    among = "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(@all, c.x)"
    assert sorted(await rows(container, among, all=[1, "a"])) == ["one", "text a"]


async def test_order_over_all_types(container: ContainerProxy) -> None:
    """Null, false, true, numbers, texts; what has no such property comes first or not at all."""
    found = await rows(container, "SELECT VALUE c.id FROM c WHERE NOT (IS_ARRAY(c.x) OR IS_OBJECT(c.x)) ORDER BY c.x")
    assert [item_id for item_id in found if item_id != "undefined"] == ["null", "false", "true", "one", "two", "text 1", "text a"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("c.x, c.s", {"x": 1, "s": "Hello"}),
        ("c.x, c.nothing", {"x": 1}),
        ("c.x AS y", {"y": 1}),
        ("c.x + 1, c.x * 2", {"$1": 2, "$2": 2}),
        ("VALUE {'a': c.x, 'b': [c.s]}", {"a": 1, "b": ["Hello"]}),
        ("VALUE c.tags[0]", "a"),
        ("VALUE ARRAY_LENGTH(c.tags)", 2),
        ("VALUE CONCAT(c.s, '-', c.id)", "Hello-one"),
        ("VALUE SUBSTRING(c.s, 1, 3)", "ell"),
        ("VALUE IIF(c.x = 1, 'yes', 'no')", "yes"),
        ("VALUE 'quoted \\u0041'", "quoted A"),
        ("VALUE 7 / 2", 3.5),
        ("VALUE ARRAY(SELECT VALUE UPPER(t) FROM t IN c.tags)", ["A", "B"]),
        ("VALUE (SELECT VALUE COUNT(1) FROM t IN c.tags)", 2),
    ],
)
async def test_what_a_row_looks_like(container: ContainerProxy, selection: str, expected: Any) -> None:
    """Undefined properties are left out, unnamed expressions are numbered."""
    assert await rows(container, f"SELECT {selection} FROM c WHERE c.id = 'one'") == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT VALUE COUNT(1) FROM c", [10]),
        ("SELECT VALUE COUNT(c.x) FROM c", [9]),
        ("SELECT VALUE SUM(c.x) FROM c WHERE IS_NUMBER(c.x)", [3]),
        ("SELECT VALUE AVG(c.x) FROM c WHERE IS_NUMBER(c.x)", [1.5]),
        ("SELECT VALUE MIN(c.x) FROM c WHERE IS_NUMBER(c.x)", [1]),
        ("SELECT VALUE MAX(c.s) FROM c", ["é"]),
        ("SELECT VALUE SUM(c.x) FROM c", []),
        ("SELECT COUNT(1) AS n, MAX(c.x) AS m FROM c WHERE IS_NUMBER(c.x)", [{"n": 2, "m": 2}]),
        ("SELECT DISTINCT VALUE c.kind FROM c", ["item"]),
        ("SELECT c.kind, COUNT(1) AS n FROM c GROUP BY c.kind", [{"kind": "item", "n": 10}]),
        (
            "SELECT IS_NUMBER(c.x) AS b, COUNT(1) AS n FROM c WHERE c.id IN ('one', 'two') GROUP BY IS_NUMBER(c.x)",
            [{"b": True, "n": 2}],
        ),
        (
            "SELECT (c.x < 5 ? FLOOR(c.x / 4) : 9) AS b, SUM(c.x) AS s FROM c WHERE IS_NUMBER(c.x) GROUP BY (c.x < 5 ? FLOOR(c.x / 4) : 9)",
            [{"b": 0, "s": 3}],
        ),
        ("SELECT VALUE t FROM c JOIN t IN c.tags WHERE c.id = 'one'", ["a", "b"]),
        ("SELECT TOP 1 VALUE c.id FROM c ORDER BY c.id DESC", ["undefined"]),
        ("SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 1 LIMIT 2", ["false", "null"]),
    ],
)
async def test_rows_of_many_items(container: ContainerProxy, text: str, expected: list[Any]) -> None:
    """Aggregates skip undefined, and a value of a wrong type makes a sum undefined."""
    assert await rows(container, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT",
        "SELECT * FROM c WHERE",
        "SELECT * FROM c;",
        "SELECT * FROM c WHERE c.x = ",
        "SELECT c.x AS a, c.s AS a FROM c",
        "SELECT * FROM c WHERE nothing(c.x)",
        "SELECT COUNT(1) FROM c GROUP BY 1",
        "SELECT COUNT(1) FROM c GROUP BY (SELECT VALUE c.x)",
        "SELECT * FROM c ORDER BY c.x + 1",
        "SELECT * FROM c ORDER BY c.x, c.s",
        "SELECT * FROM c WHERE d.x = 1",
    ],
)
async def test_what_is_refused(container: ContainerProxy, text: str) -> None:
    """A query that is wrong, or that no index serves, is 400."""
    with pytest.raises(CosmosHttpResponseError) as caught:
        await rows(container, text)
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("order", "expected"), [("c.a, c.b DESC", [4, 3, 2, 1]), ("c.a DESC, c.b", [1, 2, 3, 4]), ("c.a, c.b", [3, 4, 1, 2])]
)
async def test_several_properties_need_a_composite_index(container: ContainerProxy, order: str, expected: list[int]) -> None:
    """The directions of a composite index, and all of them inverted, serve ORDER BY."""
    for number, (a, b) in enumerate([(2, 1), (2, 2), (1, 1), (1, 2)], start=1):
        await container.create_item({"id": f"n{number}", "pk": "sorted", "a": a, "b": b, "number": number})
    text = f"SELECT VALUE c.number FROM c ORDER BY {order}"
    assert [row async for row in container.query_items(text, partition_key="sorted")] == expected


async def test_pages(container: ContainerProxy) -> None:
    """Pages joined are the whole, also from a token."""
    query = container.query_items("SELECT VALUE c.id FROM c ORDER BY c.id", partition_key="k", max_item_count=4)
    pages: Any = query.by_page()
    first = [row async for row in await anext(pages)]
    rest = [row async for page in query.by_page(pages.continuation_token) async for row in page]
    assert first + rest == sorted(item["id"] for item in ITEMS)


async def test_across_partitions(container: ContainerProxy) -> None:
    """Sorted, counted and limited across partitions, through the SDK."""
    for index in range(5):
        await container.create_item({"id": f"p{index}", "pk": f"other{index}", "n": index})
    for text, expected in (
        ("SELECT VALUE c.n FROM c WHERE IS_DEFINED(c.n) ORDER BY c.n DESC", [4, 3, 2, 1, 0]),
        ("SELECT TOP 2 VALUE c.n FROM c WHERE IS_DEFINED(c.n) ORDER BY c.n", [0, 1]),
        ("SELECT VALUE COUNT(1) FROM c", [15]),
        ("SELECT VALUE SUM(c.n) FROM c", [10]),
    ):
        assert [row async for row in container.query_items(text)] == expected
