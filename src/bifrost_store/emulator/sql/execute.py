"""Run a query over items: FROM, WHERE, GROUP BY, ORDER BY, SELECT, DISTINCT, OFFSET LIMIT and TOP, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TypeAlias

from bifrost_store.emulator.sql.aggregates import Aggregate, has_aggregate
from bifrost_store.emulator.sql.checks import check_count
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.expressions import Context, Run, Scope, compile_expression
from bifrost_store.emulator.sql.functions.registry import TICKS_PER_SECOND
from bifrost_store.emulator.sql.ordering import compile_order
from bifrost_store.emulator.sql.rows import Getter, Row, clean
from bifrost_store.emulator.sql.sources import TIME_LIMIT_SECONDS, compile_sources
from bifrost_store.emulator.sql.syntax import (
    ArrayLiteral,
    Literal,
    Node,
    ObjectLiteral,
    Parameter,
    Query,
    Selection,
    SelectList,
    SelectStar,
    SelectValue,
    Subquery,
    walk,
)
from bifrost_store.emulator.sql.values import UNDEFINED, Value, sort_key

Prepared: TypeAlias = Callable[[Iterable[Value]], Iterator[Value]]
"""A compiled query: from items to rows."""

_Stage: TypeAlias = Callable[[Iterator[Row]], Iterator[Row]]


def execute(
    query: Query,
    items: Iterable[Value],
    parameters: Mapping[str, Value] | None = None,
    *,
    now: Callable[[], float] = time.time,
    is_sorted: bool = False,
    excludes_missing: bool = False,
) -> Iterator[Value]:
    """Yield the rows of *query* over *items*; see `prepare`."""
    return prepare(query, parameters, now=now, is_sorted=is_sorted, excludes_missing=excludes_missing)(items)


def prepare(
    query: Query,
    parameters: Mapping[str, Value] | None = None,
    *,
    now: Callable[[], float] = time.time,
    is_sorted: bool = False,
    excludes_missing: bool = False,
    times: Callable[[], int] | None = None,
) -> Prepared:
    """Compile *query* for these parameters. The result may be run any number of times.

    Rows come lazily, one item read at a time, unless the query sorts or groups. Rows share their values with the items:
    neither may be changed. A query without FROM gives one row and reads no item.

    Args:
        parameters: Values by name, with the ``@``. What is missing is undefined.
        now: Seconds since 1970, asked once.
        is_sorted: The items come in the order of the query's ORDER BY already, so that rows stay lazy.
        excludes_missing: Leave out items without the property, if ORDER BY names just one.
        times: How many items the one stands for that was read last. Rows then raise `UnmergeableError` where such items cannot
            be taken together. For queries that group, and read nothing but the items themselves.

    Raises:
        SqlError: A parameter of TOP, OFFSET or LIMIT is no such number. While rows are read: division by zero, a scalar
            subquery with several rows, an invalid regular expression; TimeLimitError once joins go on for too long after this.
    """
    context = Context(parameters or {}, int(now() * TICKS_PER_SECOND), time.monotonic() + TIME_LIMIT_SECONDS, _compile)
    stages = _Stages(query, Scope(), context, is_outermost=True, times=times)
    if is_sorted:
        stages.order = None
    if excludes_missing and len(query.order_by) == 1:
        stages.exclude_missing(query.order_by[0].expression, context)
    run = stages.join()

    def rows(items: Iterable[Value]) -> Iterator[Value]:
        return run([], items)

    return _cleaning(rows) if _may_hold_undefined(query) else rows


def matches(
    query: Query, item: Value, parameters: Mapping[str, Value] | None = None, *, now: Callable[[], float] = time.time
) -> bool:
    """Tell whether *query* gives a row for the one *item*."""
    return any(True for _ in execute(query, (item,), parameters, now=now))


def bind_parameters(parameters: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    """Return a request's list of ``{"name", "value"}`` as a mapping. One without a value is undefined.

    Raises:
        SqlError: A parameter has no proper name or is given twice.
    """
    bound: dict[str, Value] = {}
    for parameter in parameters:
        name = parameter.get("name") if isinstance(parameter, Mapping) else None
        if type(name) is not str or not name.startswith("@"):
            raise SqlError("SC2100", f"Parameters need a name that begins with '@', not {name!r}.")
        if name in bound:
            raise SqlError("SC2100", f"The parameter '{name}' is given more than once.")
        bound[name] = parameter.get("value", UNDEFINED)
    return bound


def _compile(query: Query, scope: Scope, context: Context, is_outermost: bool) -> Run:
    return _Stages(query, scope, context, is_outermost=is_outermost).join()


class _Stages:
    """The stages of one query; each is a function from rows to rows, or None where the query has none."""

    def __init__(
        self, query: Query, outer: Scope, context: Context, *, is_outermost: bool, times: Callable[[], int] | None = None
    ) -> None:
        self.read, scope = compile_sources(query.sources, outer, context, is_outermost=is_outermost)
        self._scope = scope
        self.where = None if query.where is None else _filter(compile_expression(query.where, scope, context))
        self.order = compile_order(query.order_by, scope, context) if query.order_by else None
        self.group: Callable[[Row, Iterator[Row]], Iterator[Row]] | None = None
        if query.group_by or has_aggregate(query.selection):
            grouped = scope.grouped()
            self.select = _compile_selection(query.selection, grouped, context)
            keys = [compile_expression(key, scope, context) for key in query.group_by]
            self.group = partial(_groups, keys, grouped, times)
        else:
            self.select = _compile_selection(query.selection, scope, context)
        self._is_distinct = query.is_distinct
        self._first, self._last = _bounds(query, context)

    def exclude_missing(self, expression: Node, context: Context) -> None:
        """Leave out rows in which *expression* is undefined."""
        getter, where = compile_expression(expression, self._scope, context), self.where

        def defined(rows: Iterator[Row]) -> Iterator[Row]:
            return (row for row in (where(rows) if where else rows) if getter(row) is not UNDEFINED)

        self.where = defined

    def join(self) -> Run:
        """Return the stages as one function of the outer row and the items."""
        read, where, group, order, select = self.read, self.where, self.group, self.order, self.select
        first, last = self._first, self._last
        is_distinct = self._is_distinct

        def run(row: Row, items: Iterable[Value]) -> Iterator[Value]:
            rows = read(row, items)
            if where:
                rows = where(rows)
            if group:
                rows = group(row, rows)
            if order:
                rows = order(rows)
            values: Iterator[Value] = (value for row in rows if (value := select(row)) is not UNDEFINED)
            if is_distinct:
                values = _distinct(values)
            return values if last is None else islice(values, first, last)

        return run


def _filter(test: Getter) -> _Stage:
    return lambda rows: (row for row in rows if test(row) is True)


def _bounds(query: Query, context: Context) -> tuple[int, int | None]:
    """Return which rows OFFSET, LIMIT and TOP leave, as the bounds of a slice."""
    first = 0 if query.offset is None else count_of("OFFSET", query.offset, context.parameters)
    last = None if query.limit is None else first + count_of("LIMIT", query.limit, context.parameters)
    if query.top is not None:
        top = first + count_of("TOP", query.top, context.parameters)
        last = top if last is None else min(last, top)
    return first, last


def count_of(clause: str, node: Node, parameters: Mapping[str, Value]) -> int:
    """Return the number that TOP, OFFSET or LIMIT was given, as a literal or parameter."""
    assert isinstance(node, Literal | Parameter)
    value = node.value if isinstance(node, Literal) else parameters.get(node.name, UNDEFINED)
    if type(value) is float and value.is_integer():
        value = int(value)
    return check_count(clause, value)


def _compile_selection(selection: Selection, scope: Scope, context: Context) -> Getter:
    if isinstance(selection, SelectStar):
        place = scope.size - 1
        return lambda row: row[place]
    if isinstance(selection, SelectValue):
        return compile_expression(selection.expression, scope, context)
    assert isinstance(selection, SelectList)
    getters = (compile_expression(item.expression, scope, context) for item in selection.items)
    parts = list(zip(selection.names(), getters, strict=True))
    return lambda row: {name: value for name, getter in parts if (value := getter(row)) is not UNDEFINED}


def _groups(keys: list[Getter], scope: Scope, times: Callable[[], int] | None, outer: Row, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield one row per group: its first row, and behind it the results of the aggregates.

    Groups come in the order of their first rows. Without keys there is one group, even of no rows.
    """
    assert scope.aggregates is not None
    factories = [factory for factory, _ in scope.aggregates]
    arguments = [argument for _, argument in scope.aggregates]
    groups: dict[bytes, tuple[Row, list[Aggregate]]] = {}
    if not keys:
        groups[b""] = [*outer, *[UNDEFINED] * (scope.size - 1 - len(outer))], [factory() for factory in factories]
    for row in rows:
        key = b"".join([sort_key(getter(row)) for getter in keys])
        group = groups.get(key)
        if group is None:
            group = groups[key] = row, [factory() for factory in factories]
        for aggregate, argument in zip(group[1], arguments, strict=True):
            if times is None:
                aggregate.add(argument(row))
            else:
                aggregate.add_many(argument(row), times())
    for row, aggregates in groups.values():
        yield [*row, [aggregate.result() for aggregate in aggregates]]


def _distinct(values: Iterator[Value]) -> Iterator[Value]:
    seen: set[bytes] = set()
    for value in values:
        key = sort_key(value)
        if key not in seen:
            seen.add(key)
            yield value


def _may_hold_undefined(query: Query) -> bool:
    """Tell whether an array literal in the query may get an undefined element."""
    return any(isinstance(node, ArrayLiteral) and not all(map(_is_always_defined, node.items)) for node, _ in walk(query))


def _is_always_defined(node: Node) -> bool:
    if isinstance(node, Subquery):
        return node.kind != "SCALAR"
    if isinstance(node, Literal):
        return node.value is not UNDEFINED
    return isinstance(node, ObjectLiteral | ArrayLiteral)


def _cleaning(run: Prepared) -> Prepared:
    return lambda items: map(clean, run(items))
