"""Expressions compiled to closures: each takes the row, one value per alias, and gives the expression's value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bifrost_store.emulator import numbers
from bifrost_store.emulator.sql.aggregates import AGGREGATES, Aggregate, as_aggregate
from bifrost_store.emulator.sql.comparisons import between, compare_to_constant, is_in, like
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.functions import FUNCTIONS, Function
from bifrost_store.emulator.sql.operators import BINARY, UNARY, logical_not
from bifrost_store.emulator.sql.paths import member_path, static_path
from bifrost_store.emulator.sql.rows import Constant, Getter, Row
from bifrost_store.emulator.sql.syntax import (
    ArrayLiteral,
    Between,
    Call,
    Chain,
    Coalesce,
    Conditional,
    In,
    Index,
    Like,
    Literal,
    Logical,
    Member,
    Name,
    Node,
    ObjectLiteral,
    Parameter,
    Path,
    Query,
    Subquery,
    Unary,
    walk,
)
from bifrost_store.emulator.sql.values import UNDEFINED, Value

Run: TypeAlias = Callable[[Row, Iterable[Value]], Iterator[Value]]
"""A compiled query: its rows, from a row of the query around it and the container's items, which only the outermost reads."""


@dataclass(slots=True)
class Context:
    """What one execution knows beside the items.

    Attributes:
        parameters: Values by name, with the ``@``; a name that is missing is undefined.
        ticks: The current time, for functions that ask for it.
        ends_at: When the query has run for too long, on the monotonic clock.
        compile_query: How queries inside this one are compiled; the flag says that they read the container.
    """

    parameters: Mapping[str, Value]
    ticks: int
    ends_at: float
    compile_query: Callable[[Query, Scope, Context, bool], Run]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which place of the row each alias has, and where aggregates are to be put.

    Attributes:
        aggregates: Filled while a grouped selection is compiled: the aggregates that it needs and their arguments. Their
            results stand in the row's last place.
        rows: The scope in which those arguments are evaluated.
    """

    places: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    aggregates: list[tuple[Callable[[], Aggregate], Getter]] | None = None
    rows: Scope | None = None

    def bind(self, name: str | None) -> Scope:
        """Return the scope with one more place, which *name* names."""
        places = self.places if name is None else {**self.places, name: self.size}
        return Scope(places, self.size + 1)

    def grouped(self) -> Scope:
        """Return the scope of a selection over groups of such rows."""
        return Scope(self.places, self.size + 1, [], self)


def compile_expression(node: Node, scope: Scope, context: Context) -> Getter:
    """Return *node* as a function of the row. What depends on no row is computed here, once."""
    return _COMPILERS[type(node)](node, scope, context)


def constant_of(node: Node, parameters: Mapping[str, Value]) -> Constant | None:
    """Return the value of *node* if it depends on neither rows nor time, else None."""
    for part, _ in walk(node):
        if isinstance(part, Name | Query) or as_aggregate(part):
            return None
        if isinstance(part, Call) and _is_fleeting(FUNCTIONS[part.name.upper()]):
            return None
    getter = compile_expression(node, Scope(), Context(parameters, 0, math.inf, _no_subqueries))
    return getter if isinstance(getter, Constant) else None


def _is_fleeting(function: Function) -> bool:
    return function.is_timed or function.is_random


def _no_subqueries(query: Query, _: Scope, __: Context, ___: bool) -> Run:
    raise AssertionError(query)


def _folded(getter: Getter, *parts: Getter) -> Getter:
    """Replace *getter* by its value if all its parts are constants. A value that fails is left to fail with the first row."""
    if not all(isinstance(part, Constant) for part in parts):
        return getter
    try:
        return Constant(getter([]))
    except SqlError:
        return getter


def _literal(node: Literal, _: Scope, __: Context) -> Getter:
    return Constant(node.value)


def _parameter(node: Parameter, _: Scope, context: Context) -> Getter:
    return Constant(context.parameters.get(node.name, UNDEFINED))


def _name(node: Name, scope: Scope, _: Context) -> Getter:
    place = scope.places[node.name]
    return lambda row: row[place]


def _path(node: Path, scope: Scope, context: Context) -> Getter:
    steps = tuple(_step(step, context) for step in node.steps)
    if isinstance(node.base, Name):
        names = tuple(step for step in steps if type(step) is str)
        if len(names) == len(steps):
            return member_path(scope.places[node.base.name], names)
    getter = compile_expression(node.base, scope, context)
    return _folded(static_path(getter, steps), getter)


def _step(step: Member | Index, context: Context) -> str | int | None:
    """Return the name or position that a step has in every row; None leads nowhere."""
    if isinstance(step, Member):
        return step.name
    value = compile_expression(step.expression, Scope(), context)([])
    return value if type(value) is str else numbers.whole(value)


def _unary(node: Unary, scope: Scope, context: Context) -> Getter:
    compute, operand = UNARY[node.operator], compile_expression(node.operand, scope, context)
    return _folded(lambda row: compute(operand(row)), operand)


def _chain(node: Chain, scope: Scope, context: Context) -> Getter:
    first = compile_expression(node.first, scope, context)
    if len(node.rest) == 1:
        symbol, operand = node.rest[0]
        return _binary(symbol, first, compile_expression(operand, scope, context))
    rest = [(BINARY[symbol], compile_expression(operand, scope, context)) for symbol, operand in node.rest]

    def chained(row: Row) -> Value:
        value = first(row)
        for compute, operand in rest:
            value = compute(value, operand(row))
        return value

    return _folded(chained, first, *(operand for _, operand in rest))


def _binary(symbol: str, left: Getter, right: Getter) -> Getter:
    if isinstance(right, Constant) and not isinstance(left, Constant):
        specialized = compare_to_constant(symbol, left, right.value)
        if specialized is not None:
            return specialized
    compute = BINARY[symbol]
    return _folded(lambda row: compute(left(row), right(row)), left, right)


def _logical(node: Logical, scope: Scope, context: Context) -> Getter:
    operands = [compile_expression(operand, scope, context) for operand in node.operands]
    settles = node.operator == "OR"

    def combined(row: Row) -> Value:
        result: Value = not settles
        for operand in operands:
            value = operand(row)
            if value is settles:
                return settles
            if type(value) is not bool:
                result = UNDEFINED
        return result

    return _folded(combined, *operands)


def _coalesce(node: Coalesce, scope: Scope, context: Context) -> Getter:
    operands = [compile_expression(operand, scope, context) for operand in node.operands]

    def first_defined(row: Row) -> Value:
        for operand in operands:
            value = operand(row)
            if value is not UNDEFINED:
                return value
        return UNDEFINED

    return _folded(first_defined, *operands)


def _conditional(node: Conditional, scope: Scope, context: Context) -> Getter:
    test, then, otherwise = (compile_expression(part, scope, context) for part in (node.test, node.then, node.otherwise))
    return _folded(lambda row: then(row) if test(row) is True else otherwise(row), test, then, otherwise)


def _negated(getter: Getter, is_negated: bool) -> Getter:
    return (lambda row: logical_not(getter(row))) if is_negated else getter


def _between(node: Between, scope: Scope, context: Context) -> Getter:
    parts = [compile_expression(part, scope, context) for part in (node.operand, node.low, node.high)]
    return _folded(_negated(between(*parts), node.is_negated), *parts)


def _in(node: In, scope: Scope, context: Context) -> Getter:
    operand = compile_expression(node.operand, scope, context)
    items = [compile_expression(item, scope, context) for item in node.items]
    return _folded(_negated(is_in(operand, items), node.is_negated), operand, *items)


def _like(node: Like, scope: Scope, context: Context) -> Getter:
    operand, pattern = (compile_expression(part, scope, context) for part in (node.operand, node.pattern))
    return _folded(_negated(like(operand, pattern, node.escape), node.is_negated), operand, pattern)


def _array(node: ArrayLiteral, scope: Scope, context: Context) -> Getter:
    # Undefined elements stay what they are until a row leaves the query (`rows.clean`).
    items = [compile_expression(item, scope, context) for item in node.items]
    return _folded(lambda row: [item(row) for item in items], *items)


def _object(node: ObjectLiteral, scope: Scope, context: Context) -> Getter:
    parts = [(name, compile_expression(value, scope, context)) for name, value in node.properties]

    def build(row: Row) -> Value:
        return {name: value for name, getter in parts if (value := getter(row)) is not UNDEFINED}

    return _folded(build, *(getter for _, getter in parts))


def _call(node: Call, scope: Scope, context: Context) -> Getter:
    if as_aggregate(node):
        return _aggregate(node, scope, context)
    function = FUNCTIONS[node.name.upper()]
    compute = function.call
    arguments = [compile_expression(argument, scope, context) for argument in node.arguments]
    if function.is_random:
        return lambda _: compute()
    if function.is_timed:
        arguments.insert(0, Constant(context.ticks))
    if len(arguments) == 1:
        only = arguments[0]
        return _folded(lambda row: compute(only(row)), only)
    if len(arguments) == 2:
        first, second = arguments
        return _folded(lambda row: compute(first(row), second(row)), first, second)
    return _folded(lambda row: compute(*[argument(row) for argument in arguments]), *arguments)


def _aggregate(node: Call, scope: Scope, context: Context) -> Getter:
    assert scope.aggregates is not None, "aggregates were checked to stand in grouped selections"
    assert scope.rows is not None
    number, place = len(scope.aggregates), scope.size - 1
    scope.aggregates.append((AGGREGATES[node.name.upper()], compile_expression(node.arguments[0], scope.rows, context)))
    return lambda row: row[place][number]


def _subquery(node: Subquery, scope: Scope, context: Context) -> Getter:
    run = context.compile_query(node.query, scope, context, False)
    if node.kind == "EXISTS":
        return lambda row: any(True for _ in run(row, ()))
    if node.kind == "ARRAY":
        return lambda row: list(run(row, ()))

    def only(row: Row) -> Value:
        rows = run(row, ())
        value = next(rows, UNDEFINED)
        if next(rows, UNDEFINED) is not UNDEFINED:
            raise SqlError("SC2090", "The cardinality of a scalar subquery result set cannot be greater than one.")
        return value

    return only


_COMPILERS: dict[type[Node], Callable[[Any, Scope, Context], Getter]] = {
    ArrayLiteral: _array,
    Between: _between,
    Call: _call,
    Chain: _chain,
    Coalesce: _coalesce,
    Conditional: _conditional,
    In: _in,
    Like: _like,
    Literal: _literal,
    Logical: _logical,
    Name: _name,
    ObjectLiteral: _object,
    Parameter: _parameter,
    Path: _path,
    Subquery: _subquery,
    Unary: _unary,
}
