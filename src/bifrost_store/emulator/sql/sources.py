"""FROM and JOIN: rows with one place per source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Final, TypeAlias

from bifrost_store.emulator.sql.errors import TimeLimitError
from bifrost_store.emulator.sql.expressions import Context, Scope, compile_expression
from bifrost_store.emulator.sql.rows import Getter, Row
from bifrost_store.emulator.sql.syntax import Name, Path, Query, Source
from bifrost_store.emulator.sql.values import UNDEFINED, Value

Reader: TypeAlias = Callable[[Row, Iterable[Value]], Iterator[Row]]
"""From the row around a query and the container's items to the rows of FROM."""

TIME_LIMIT_SECONDS: Final = 5.0
"""Of one operation ("Azure Cosmos DB service quotas", Microsoft)."""

_Expand: TypeAlias = Callable[[Row], Iterable[Value]]


def compile_sources(sources: tuple[Source, ...], outer: Scope, context: Context, *, is_outermost: bool) -> tuple[Reader, Scope]:
    """Return how rows are read, and the scope of the clauses that follow. Without sources there is one row."""
    if not sources:
        return (lambda row, _: iter((row,))), outer
    scope, joins = outer, list[_Expand]()
    for position, source in enumerate(sources):
        if position > 0 or not is_outermost:
            joins.append(_expansion(source, scope, context))
        scope = scope.bind(source.alias)
    if not is_outermost:
        return (lambda row, _: _joined(iter((row,)), joins, context.ends_at)), scope
    root = _root(sources[0], context)
    return (lambda _, items: _joined(root(items), joins, context.ends_at)), scope


def _root(source: Source, context: Context) -> Callable[[Iterable[Value]], Iterator[Row]]:
    """Return the first source as a function of the items. Its name stands for the container."""
    if isinstance(source.collection, Query):
        run = context.compile_query(source.collection, Scope(), context, True)
        if source.is_iterated:
            return lambda items: ([element] for value in run([], items) for element in _elements(value))
        return lambda items: ([value] for value in run([], items))
    if not source.collection.steps and not source.is_iterated:
        return lambda items: ([item] for item in items)
    expand = _expansion(source, Scope().bind(source.collection.name), context)
    return lambda items: ([value] for item in items for value in expand([item]))


def _expansion(source: Source, scope: Scope, context: Context) -> _Expand:
    """Return the values that a source adds for one row."""
    collection = source.collection
    if isinstance(collection, Query):
        run = context.compile_query(collection, scope, context, False)
        if source.is_iterated:
            return lambda row: (element for value in run(row, ()) for element in _elements(value))
        return lambda row: run(row, ())
    name = Name(collection.name, collection.span)
    getter = compile_expression(Path(name, collection.steps) if collection.steps else name, scope, context)
    return (lambda row: _elements(getter(row))) if source.is_iterated else _itself(getter)


def _elements(value: Value) -> Iterable[Value]:
    """Return what IN walks through: the elements of an array, nothing of anything else."""
    return value if type(value) is list else ()


def _itself(getter: Getter) -> _Expand:
    def expand(row: Row) -> Iterable[Value]:
        value = getter(row)
        return () if value is UNDEFINED else (value,)

    return expand


def _joined(rows: Iterator[Row], joins: list[_Expand], ends_at: float) -> Iterator[Row]:
    for expand in joins:
        rows = _product(rows, expand, ends_at)
    return rows


def _product(rows: Iterator[Row], expand: _Expand, ends_at: float) -> Iterator[Row]:
    """Yield each row with each value that it is joined with: of a few short lists there can be more than anybody can wait for."""
    for row in rows:
        for value in expand(row):
            if monotonic() > ends_at:
                raise TimeLimitError(TIME_LIMIT_SECONDS)
            yield [*row, value]
