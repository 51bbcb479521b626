"""`Query` compiled to Cosmos DB's SQL: the names are those that specs declare, every value is a parameter."""

# ruff: noqa: S608 - what is put together here are constants of this module and names that specs declare, quoted.

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bifrost_store.backends.cosmos.documents import ENVELOPE, stored_name, stored_sort_key
from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.core.clock import format_time
from bifrost_store.core.doubles import JSON_TEXT, MAX_EXACT_INTEGER
from bifrost_store.core.histogram import compile_bucket
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, FilterValue, In, Query, Range
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL, Scope

PRESENT: Final = "(NOT IS_DEFINED(c.meta.expiresAt) OR c.meta.expiresAt > @now)"
"""``never`` is greater than any time."""
_HALF: Final = 4_294_967_296
"""Sums are made of upper and lower 32 bits, so that they stay exact in the service's 64-bit floats."""

NO_BUCKET: Final = -1


@dataclass(slots=True)
class Statement:
    """A query's text under construction, and its parameters."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[dict[str, Any]] = field(default_factory=list)
    columns: str = "*"
    order: str = ""

    def bind(self, value: object, name: str | None = None) -> str:
        """Add a parameter and return its name in the text."""
        name = name or f"@p{len(self.parameters)}"
        self.parameters.append({"name": name, "value": value})
        return name

    @property
    def text(self) -> str:
        """The query as the service takes it."""
        return f"SELECT {self.columns} FROM c WHERE {' AND '.join(self.conditions)}{self.order}"


def compile_page(query: Query, position: Sequence[str] | None, now: datetime) -> Statement:
    """Return what selects, in order, the documents after *position* that the `pushed` filters let through."""
    statement = compile_filters(query, now)
    if position is not None:
        scope, sort_key = (query.scope, position[0]) if query.scope is not None else (Scope(position[0]), position[1])
        statement.conditions.append(f"c.sortKey > {statement.bind(stored_sort_key(scope, sort_key))}")
    statement.order = " ORDER BY c.sortKey"
    return statement


def columns_of(fields: Iterable[str]) -> str:
    """Return what selects of documents all that tells of their records, with these fields of the body alone."""
    return ", ".join([*(f"c.{name}" for name in (*sorted(ENVELOPE), "_etag")), *map(path_of, sorted(fields))])


def compile_filters(query: Query, now: datetime) -> Statement:
    """Return what selects the documents that the filters let through, but for those that are not `pushed`."""
    statement = Statement()
    if query.scope is not None:
        statement.conditions.append(f"c.scope = {statement.bind(query.scope.value, '@scope')}")
    statement.conditions.append(f"c.type = {statement.bind(query.kind, '@type')}")
    statement.bind(format_time(now), "@now")
    statement.conditions.append(PRESENT)
    for condition in query.filters:
        if is_pushed(condition, query.scope):
            statement.conditions.append(_condition(condition, query, statement))
    return statement


def is_pushed(condition: Filter, scope: Scope | None) -> bool:
    """Return whether the service can apply *condition* exactly: ids are escaped and sort keys bear their scope there."""
    if condition.field == ID:
        return not isinstance(condition, Range)
    return condition.field != SORT_KEY or scope is not None


def path_of(name: str) -> str:
    """Return how a query names a field of bodies."""
    return f"c[{json.dumps(stored_name(name))}]"


def _condition(condition: Filter, query: Query, statement: Statement) -> str:
    match condition:
        case Eq(name, value):
            return _one_of(name, (value,), query, statement)
        case In(name, values):
            return _one_of(name, values, query, statement)
        case Range(name, ge, lt):
            return _range(name, ge, lt, query, statement)


def _one_of(name: str, values: Sequence[FilterValue], query: Query, statement: Statement) -> str:
    """Compile equality type for type, which is the service's own."""
    if name in (ID, SORT_KEY):
        texts = [_stored(name, value, query) for value in values if isinstance(value, str)]
        return _among("c.id" if name == ID else "c.sortKey", texts, statement)
    path = path_of(name)
    plain = [value for value in values if value is not None and not _is_encoded(value)]
    encoded = [json.dumps(value) for value in values if _is_encoded(value)]
    conditions = [_among(path, plain, statement)] if plain else []
    if encoded:
        conditions.append(_among(f'{path}["{JSON_TEXT}"]', encoded, statement))
    if None in values:
        conditions.append(f"NOT IS_DEFINED({path}) OR IS_NULL({path})")
    return f"({' OR '.join(conditions)})"


def _is_encoded(value: FilterValue) -> bool:
    return isinstance(value, int) and not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER


def _stored(name: str, value: str, query: Query) -> str:
    if name == ID:
        return document_id(Key(query.kind, GLOBAL, value))
    assert query.scope is not None
    return stored_sort_key(query.scope, value)


def _among(path: str, values: Sequence[object], statement: Statement) -> str:
    if not values:
        return "false"
    names = [statement.bind(value) for value in values]
    return f"{path} = {names[0]}" if len(names) == 1 else f"{path} IN ({', '.join(names)})"


def _range(name: str, ge: str | None, lt: str | None, query: Query, statement: Statement) -> str:
    path = "c.sortKey" if name == SORT_KEY else path_of(name)
    conditions = [f"IS_STRING({path})"]
    for operator, bound in ((">=", ge), ("<", lt)):
        if bound is not None:
            conditions.append(f"{path} {operator} {statement.bind(_stored(name, bound, query) if name == SORT_KEY else bound)}")
    return " AND ".join(conditions)


def compile_aggregate(
    query: Query, group_by: Sequence[str], sum_of: Sequence[str], histogram_of: str | None, now: datetime
) -> Statement:
    """Return what selects a row for each group, and with *histogram_of* for each bucket in it.

    Columns: ``g0``, ``g1``, ... the groups' values; ``count``; for each sum ``h0`` and ``l0``, the sums of upper and lower 32
    bits, ``n0``, how many numbers those are of, and ``o0``, how many values are none that the service can add; ``b``, the
    bucket, `NO_BUCKET` where the field holds no whole number, and ``ob``, how many values are none that the service can compare.

    A group may be by any expression that names a property ("GROUP BY clause", Microsoft).
    """
    statement = compile_filters(query, now)
    groups = [path_of(name) for name in group_by]
    columns = [f"{path} AS g{number}" for number, path in enumerate(groups)]
    columns.append("COUNT(1) AS count")
    for number, path in enumerate(map(path_of, sum_of)):
        columns += _sum(path, number)
    if histogram_of is not None:
        path = path_of(histogram_of)
        groups.append(_bucket(path))
        columns += [f"{groups[-1]} AS b", f"{_count_encoded(path)} AS ob"]
    statement.columns = ", ".join(columns)
    statement.order = f" GROUP BY {', '.join(groups)}" if groups else ""
    return statement


def _sum(path: str, number: int) -> list[str]:
    upper = f"FLOOR({path} / {_HALF})"
    truth = f"(IS_BOOL({path}) ? ({path} ? 1 : 0) : 0)"
    return [
        f"SUM(IS_NUMBER({path}) ? ({_is_whole(path)} ? {upper} : 0) : 0) AS h{number}",
        f"SUM(IS_NUMBER({path}) ? ({_is_whole(path)} ? {path} - {upper} * {_HALF} : 0) : {truth}) AS l{number}",
        f"SUM(IS_NUMBER({path}) ? ({_is_whole(path)} ? 1 : 0) : (IS_BOOL({path}) ? 1 : 0)) AS n{number}",
        f"{_count_encoded(path)} AS o{number}",
    ]


def _is_whole(path: str) -> str:
    return f"FLOOR({path}) = {path}"


def _count_encoded(path: str) -> str:
    return f'SUM(IS_DEFINED({path}["{JSON_TEXT}"]) ? 1 : 0)'


def _bucket(path: str) -> str:
    """Compile `bucket_of`. Comparisons, and divisions and products by powers of two, are exact in 64-bit floats."""
    bucket = compile_bucket(
        lambda bound, below, rest: f"({path} < {bound} ? {below} : {rest})",
        lambda unit: path if unit == 1 else f"FLOOR({path} / {unit}) * {unit}",
    )
    truth = f"(IS_BOOL({path}) ? ({path} ? 1 : 0) : {NO_BUCKET})"
    return f"(IS_NUMBER({path}) ? ({_is_whole(path)} ? {bucket} : {NO_BUCKET}) : {truth})"


def sum_of_halves(upper: float, lower: float) -> int:
    """Return the sum whose halves are given."""
    return int(upper) * _HALF + int(lower)
