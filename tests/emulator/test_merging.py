"""Aggregates and groups in the emulator: items that agree in all that a query reads are evaluated once, and nobody can tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.emulator import Options
from bifrost_store.emulator.clock import Clock
from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.hashing import MAX_EPK, MIN_EPK, EpkRange
from bifrost_store.emulator.containers.items import Key
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.query import merging, rowpages
from bifrost_store.emulator.query.queries import condition_holds
from bifrost_store.emulator.query.rowpages import RowPage, RowReader
from bifrost_store.emulator.requests.pages import PageSize
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.sql.values import lookup, sort_key
from bifrost_store.emulator.store import indexes
from bifrost_store.emulator.wire import jsontext
from tests.thorough import examples

_BODY: Final = {"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}, "indexingPolicy": {}, "defaultTtl": -1}


@contextmanager
def filled(items: list[dict[str, Any]], *, sorts_undefined: bool = True) -> Iterator[tuple[Engine, Container]]:
    """An engine in memory with a container of these items, to which ids are given; indexes are made for so few."""
    engine = Engine(None, Clock(), Options(sorts_undefined=sorts_undefined), condition_holds)
    with mock.patch.object(indexes, "MIN_ITEMS", 1):
        container = engine.add_container(engine.add("dbs", None, "d", {"id": "d"}), _BODY, None)
        with engine.writing(container) as writer:
            for number, item in enumerate(items):
                body = jsontext.load_object(json.dumps({"pk": "k", **item, "id": str(number)}).encode())
                values = container.partition_key.of_item(body)
                writer.create(Key(values, container.partition_key.epk(values)), body)
        yield engine, container
    engine.close()


def pages(engine: Engine, container: Container, text: str, size: int = 100, *, key: str | None = None) -> list[RowPage]:
    """Return all pages of a query."""
    scope = Scope(EpkRange(MIN_EPK, MAX_EPK), tuple(container.ranges))
    if key is not None:
        epk = container.partition_key.epk((key,))
        scope = Scope(container.partition_key.range_of((key,)), tuple(container.ranges), Key((key,), epk))
    found: list[RowPage] = []
    while not found or found[-1].position is not None:
        reader = RowReader(engine, container, scope, parse(text), {})
        found.append(reader.page(PageSize(size), found[-1].position if found else None))
    return found


def outcome(engine: Engine, container: Container, text: str, size: int, key: str | None) -> list[RowPage] | str:
    """Return all pages of a query, or the error."""
    try:
        return pages(engine, container, text, size, key=key)
    except SqlError as error:
        return error.message


scalars = st.one_of(
    st.sampled_from(
        [None, True, False, 0, 1, -1, 2, 7, 2.5, 0.1, 0.2, -0.0, 1e300, 2**53, 2**53 + 2, 2**62, "", "a", "b", 'é\0"\\']
    )
)
values = st.one_of(scalars, scalars, st.sampled_from([[], [1], [1, "a"], {}, {"x": 1}, {"x": 1, "y": 2}, {"y": 2, "x": 1}]))
names = ["a", "b", "n", "odd name", 'q"', "é"]
documents = st.fixed_dictionaries(
    {"pk": st.sampled_from(["k", "k", "other"])},
    optional=dict.fromkeys(names, values)
    | {"ttl": st.just(1000), "o": st.one_of(values, st.dictionaries(st.sampled_from("xy"), values))},
)
paths = st.sampled_from(
    [
        "c.a",
        "c.b",
        "c.n",
        "c.n",
        "c['odd name']",
        "c['q\"']",
        "c['é']",
        "c.o",
        "c.o.x",
        "c.o.y",
        "c.a[0]",
        "c.o.x[0]",
        "c.id",
        "c._ts",
        "c._etag",
        "c.pk",
    ]
)
literals = st.sampled_from(["1", "2.5", "'a'", "''", "true", "null", "undefined", "[1]", "(0 / 0)", "9007199254740992"])
plain = st.one_of(
    st.builds("{} {} {}".format, paths, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), literals),
    st.builds("{} IN ({}, {})".format, paths, literals, literals),
    st.builds("{} BETWEEN {} AND {}".format, paths, literals, literals),
    st.builds("{}({})".format, st.sampled_from(["IS_DEFINED", "NOT IS_DEFINED", "IS_NUMBER", "IS_NULL", "IS_STRING"]), paths),
    st.builds("{} LIKE '{}'".format, paths, st.sampled_from(["a%", "%", "a", "_"])),
    st.builds("STARTSWITH({}, '{}')".format, paths, st.sampled_from(["", "a"])),
    paths,
    st.builds("LENGTH({}) = 1".format, paths),
)
conditions = st.recursive(
    plain, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "AND", "OR"]), inner), max_leaves=4
)
arguments = st.one_of(
    st.just("1"), paths, paths, st.builds("{} + 1".format, paths), st.builds("(IS_NUMBER({0}) ? {0} : 0)".format, paths)
)
calls = st.builds(
    "{}({})".format, st.sampled_from(["COUNT", "SUM", "SUM", "AVG", "MIN", "MAX", "COUNTIF", "MAKELIST", "MAKESET"]), arguments
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query that counts or groups."""
    where = draw(st.one_of(st.just(""), conditions.map(" WHERE {}".format)))
    keys = draw(st.lists(paths, max_size=2, unique=True))
    found = draw(st.lists(calls, min_size=0 if keys else 1, max_size=3))
    if not keys and len(found) == 1 and draw(st.booleans()):
        return f"SELECT VALUE {found[0]} FROM c{where}"
    columns = [f"{column} AS x{number}" for number, column in enumerate([*keys, *found])]
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join(columns)} FROM c{where}{group}"


@examples(150)
@given(
    st.lists(documents, max_size=12).flatmap(lambda items: st.just(items * 2)),
    queries(),
    st.sampled_from([1, 3, 100]),
    st.sampled_from(["k", None]),
)
def test_merging_changes_nothing(items: list[dict[str, Any]], text: str, size: int, key: str | None) -> None:
    """Rows, their order, pages, errors and what is charged for are those of a query over item by item."""
    with filled(items) as (engine, container):
        merged = outcome(engine, container, text, size, key)
        with mock.patch.object(rowpages, "merging_of", return_value=None):
            assert outcome(engine, container, text, size, key) == merged


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT VALUE COUNT(1) FROM c", [600]),
        ("SELECT VALUE COUNT(1) FROM c WHERE c.kind = 'run'", [400]),
        ("SELECT VALUE COUNT(c.n) FROM c WHERE c.kind = 'run' AND (NOT IS_DEFINED(c.o.x) OR c.o.x > 1)", [400]),
        ("SELECT c.kind, COUNT(1) AS n FROM c GROUP BY c.kind", [{"kind": "run", "n": 400}, {"kind": "log", "n": 200}]),
        ("SELECT VALUE SUM(c.n) FROM c", [1200]),
        ("SELECT VALUE AVG(c.n) FROM c WHERE c.o.x = 2", [2]),
        ("SELECT MIN(c.n) AS low, MAX(c.o.x) AS high FROM c WHERE LENGTH(c.kind) = 3", [{"low": 0, "high": 2}]),
        ("SELECT VALUE COUNT(1) FROM c WHERE c.id < '2'", [112]),
    ],
)
@pytest.mark.parametrize("key", ["k", None])
def test_what_agrees_is_evaluated_once(text: str, rows: list[Any], key: str | None) -> None:
    """However many items there are, no more of them are looked into than there are different ones."""
    items = [{"kind": "log" if number % 3 == 2 else "run", "n": number % 5, "o": {"x": 2}} for number in range(600)]
    with filled(items) as (engine, container):
        pages(engine, container, text, key=key)
        with (
            mock.patch.object(container, "document", side_effect=AssertionError),
            mock.patch.object(merging.Merging, "document", autospec=True, side_effect=merging.Merging.document) as looked_into,
        ):
            (page,) = pages(engine, container, text, key=key)

    assert rows == [json.loads(row) for row in page.rows]
    assert looked_into.call_count <= 10


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE COUNT(c) FROM c",
        "SELECT VALUE MAX(c._rid) FROM c",
        "SELECT VALUE MAX(c._ts) FROM c",
        "SELECT VALUE SUM(c.n / 3) FROM c",
        "SELECT VALUE SUM(c.n * 2251799813685248) FROM c",
        "SELECT VALUE MAKELIST(c.n) FROM c",
        "SELECT COUNT(1) AS n FROM c WHERE RAND() < 2 AND c.n >= 0",
        "SELECT VALUE COUNT(1) FROM c JOIN t IN c.tags",
        "SELECT VALUE COUNT(1) FROM c WHERE c._etag != 'x'",
        "SELECT VALUE COUNT(c['q\"']) FROM c",
        "SELECT VALUE COUNT(t) FROM c JOIN t IN c.tags",
        "SELECT VALUE COUNT(1) FROM c.tags",
        "SELECT VALUE COUNT(1) FROM (SELECT VALUE c.n FROM c)",
        "SELECT VALUE COUNT(1) FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags)",
    ],
)
def test_what_depends_on_each_item_is_evaluated_for_each(text: str) -> None:
    """A query for which items that agree are not alike reads all of them, and says what it always said."""
    with filled([{"n": number % 5, "tags": [1, 2], 'q"': number} for number in range(20)]) as (engine, container):
        with mock.patch.object(container, "document", side_effect=container.document) as looked_into:
            found = pages(engine, container, text)
        with mock.patch.object(rowpages, "merging_of", return_value=None):
            assert pages(engine, container, text) == found

    assert looked_into.call_count == 20


@pytest.mark.parametrize("values", [[1, 2**53, 1, -(2**53)], [0.1, 0.2, 0.3, 0.1], [2**62, 2**62, 1, -(2**62)]])
def test_sums_are_rounded_at_every_item(values: list[float]) -> None:
    """What a sum of doubles is depends on their order: it is that of the items."""
    with filled([{"n": value} for value in values]) as (engine, container):
        (page,) = pages(engine, container, "SELECT VALUE SUM(c.n) FROM c")

    total = 0.0
    for value in values:
        total += value
    assert [total] == [json.loads(row) for row in page.rows]


def test_long_values_are_not_held_in_memory() -> None:
    """Where what a query reads is long, it is read item by item."""
    items = [{"text": "x" * 900 * (number % 3)} for number in range(9)]
    with (
        filled(items) as (engine, container),
        mock.patch.object(container, "document", side_effect=container.document) as looked_into,
    ):
        (page,) = pages(engine, container, "SELECT c.text, COUNT(1) AS n FROM c GROUP BY c.text")

    assert [{"text": "x" * 900 * number, "n": 3} for number in range(3)] == [json.loads(row) for row in page.rows]
    assert looked_into.call_count == len(items)


def test_a_query_of_no_rows_reads_nothing() -> None:
    """What no row is wanted of costs nothing, with and without groups."""
    with filled([{"n": 1}]) as (engine, container):
        (page,) = pages(engine, container, "SELECT COUNT(1) AS n FROM c GROUP BY c.n OFFSET 0 LIMIT 0")

    assert (0, 0, []) == (page.loaded, page.loaded_bytes, page.rows)


@examples(60)
@given(st.lists(documents, min_size=1, max_size=5), st.lists(st.sampled_from([*names, "o", "x", "y", 0]), min_size=1, max_size=3))
def test_indexes_sort_by_what_items_hold(items: list[dict[str, Any]], path: list[str | int]) -> None:
    """The key by which SQLite finds an item is that of the value which the item has there."""
    steps = tuple(path)
    with filled(items) as (engine, container):
        statement = f"SELECT {indexes.expression(steps)}, body FROM {container.table.name}"
        found = engine.database.execute(statement).fetchall()

    assert [sort_key(lookup(json.loads(body), steps)) for _, body in found] == [key for key, _ in found]
