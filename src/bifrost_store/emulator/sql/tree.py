"""What each rule of the grammar becomes in the syntax tree."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from lark import Token, Transformer

from bifrost_store.emulator import numbers
from bifrost_store.emulator.sql.errors import SqlError, UnsupportedError
from bifrost_store.emulator.sql.syntax import (
    ArrayLiteral,
    Between,
    Call,
    Chain,
    Coalesce,
    Collection,
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
    OrderItem,
    Parameter,
    Path,
    Query,
    Selection,
    SelectItem,
    SelectList,
    SelectStar,
    SelectValue,
    Source,
    Span,
    Subquery,
    Unary,
)
from bifrost_store.emulator.sql.values import UNDEFINED

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def _span(token: Token) -> Span:
    return cast("int", token.start_pos), cast("int", token.end_pos)


_PRECEDENCES = tuple(
    frozenset(level.split()) for level in ("* / %", "+ -", "<< >> >>>", "< <= > >=", "= != <>", "&", "^", "|", "||")
)
"""Binary operators from the tightest to the loosest, as in Microsoft's grammar."""


def _bound(operands: list[Node], operators: list[str], level: frozenset[str]) -> tuple[list[Node], list[str]]:
    """Bind the operators of one precedence to their operands; return what is left between them."""
    bound, left, run = [operands[0]], list[str](), list[tuple[str, Node]]()
    for operator, operand in zip(operators, operands[1:], strict=True):
        if operator in level:
            run.append((operator, operand))
            continue
        if run:
            bound[-1], run = Chain(bound[-1], tuple(run)), []
        left.append(operator)
        bound.append(operand)
    if run:
        bound[-1] = Chain(bound[-1], tuple(run))
    return bound, left


def _text(token: Token) -> str:
    """Read a string literal: JSON's escapes in either kind of quotes."""
    inner = token[1:-1]
    if "\\" not in inner and inner.isprintable():
        return str(inner)
    quoted = _ESCAPE.sub(lambda found: "'" if found[1] == "'" else found[0], inner)
    if token[0] == "'":
        quoted = re.sub(r'(\\.)|"', lambda found: found[1] or '\\"', quoted, flags=re.DOTALL)
    try:
        return str(json.loads(f'"{quoted}"', strict=False))
    except ValueError:
        raise SqlError("SC1011", "Syntax error, the string literal has an invalid escape sequence.", *_span(token)) from None


def _number(token: Token) -> float:
    text = str(token)
    try:
        return numbers.read(str(int(text, 16)) if text[:2].lower() == "0x" else text)
    except ValueError:
        raise SqlError("SC1012", f"Syntax error, invalid numeric value token '{token[:80]}'.", *_span(token)) from None


_CONSTANTS = {"NaN": Literal(numbers.NAN), "Infinity": Literal(numbers.INFINITY)}
"""Names that stand for numbers."""


class TreeBuilder(Transformer[Token, Query]):
    """Called by the parser for each rule, with what its parts became."""

    def start(self, parts: list[Any]) -> Query:
        return cast("Query", parts[0])

    def query(self, parts: list[Any]) -> Query:
        distinct, top, selection, sources, where, group_by, order_by, offset_limit = parts
        offset, limit = offset_limit or (None, None)
        return Query(selection, distinct is not None, top, sources or (), where, group_by or (), order_by or (), offset, limit)

    def top(self, parts: list[Node]) -> Node:
        return parts[0]

    def select_star(self, parts: list[Token]) -> Selection:
        return SelectStar(_span(parts[0]))

    def select_value(self, parts: list[Node]) -> Selection:
        return SelectValue(parts[0])

    def select_list(self, parts: list[SelectItem]) -> Selection:
        return SelectList(tuple(parts))

    def select_item(self, parts: list[Any]) -> SelectItem:
        expression, alias = parts
        return SelectItem(expression, alias and str(alias), _span(alias) if alias else getattr(expression, "span", (0, 0)))

    def from_(self, parts: list[Source]) -> tuple[Source, ...]:
        return tuple(parts)

    def aliased(self, parts: list[Any]) -> Source:
        collection, alias = parts
        if alias is None and isinstance(collection, Collection):
            # FROM c.children names what it reads by the last step.
            last = collection.steps[-1] if collection.steps else Member(collection.name)
            alias = last.name if isinstance(last, Member) else None
        return Source(alias and str(alias), collection, is_iterated=False)

    def iterated(self, parts: list[Any]) -> Source:
        return Source(str(parts[0]), parts[1], is_iterated=True)

    def path_collection(self, parts: list[Any]) -> Collection:
        return Collection(str(parts[0]), tuple(parts[1:]), _span(parts[0]))

    def query_collection(self, parts: list[Query]) -> Query:
        return parts[0]

    def where(self, parts: list[Node]) -> Node:
        return parts[0]

    def group_by(self, parts: list[Node]) -> tuple[Node, ...]:
        return tuple(parts)

    def order_by(self, parts: list[OrderItem]) -> tuple[OrderItem, ...]:
        return tuple(parts)

    def order_by_rank(self, parts: list[Any]) -> None:
        raise UnsupportedError("ORDER BY RANK", *_span(parts[0]))

    def order_item(self, parts: list[Any]) -> OrderItem:
        expression, direction = parts
        return OrderItem(expression, direction and direction.type)

    def offset_limit(self, parts: list[Node]) -> tuple[Node, Node]:
        return parts[0], parts[1]

    def conditional(self, parts: list[Node]) -> Node:
        return Conditional(*parts)

    def coalesce(self, parts: list[Node]) -> Node:
        return Coalesce(tuple(parts))

    def disjunction(self, parts: list[Node]) -> Node:
        return Logical("OR", tuple(parts))

    def conjunction(self, parts: list[Node]) -> Node:
        return Logical("AND", tuple(parts))

    def between(self, parts: list[Any]) -> Node:
        operand, negation, low, high = parts
        return Between(operand, low, high, negation is not None)

    def is_in(self, parts: list[Any]) -> Node:
        operand, negation, *items = parts
        return In(operand, tuple(items), negation is not None)

    def like(self, parts: list[Any]) -> Node:
        operand, negation, pattern, escape = parts
        if escape is not None and len(escape.value) != 1:
            raise SqlError("SC2070", "The ESCAPE clause of LIKE needs a string of one character.")
        return Like(operand, pattern, escape and escape.value, negation is not None)

    def operation(self, parts: list[Any]) -> Node:
        operands, operators = parts[::2], list(map(str, parts[1::2]))
        for level in _PRECEDENCES:
            if not level.isdisjoint(operators):
                operands, operators = _bound(operands, operators, level)
        return cast("Node", operands[0])

    def unary(self, parts: list[Any]) -> Node:
        *operators, operand = parts
        for operator in reversed(operators):
            operand = Unary(operator.upper(), operand)
        return cast("Node", operand)

    def postfix(self, parts: list[Any]) -> Node:
        return Path(parts[0], tuple(parts[1:]))

    def member(self, parts: list[Token]) -> Member:
        return Member(str(parts[0]), _span(parts[0]))

    def bracket(self, parts: list[Any]) -> Index:
        opening, expression, closing = parts
        return Index(expression, (opening.start_pos, closing.end_pos))

    constant_bracket = bracket

    def alias(self, parts: list[Token]) -> Node:
        return _CONSTANTS.get(str(parts[0])) or Name(str(parts[0]), _span(parts[0]))

    def parameter(self, parts: list[Token]) -> Node:
        return Parameter(str(parts[0]), _span(parts[0]))

    def string(self, parts: list[Token]) -> Literal:
        return Literal(_text(parts[0]))

    def number(self, parts: list[Token]) -> Literal:
        return Literal(_number(parts[0]), _span(parts[0]))

    def name(self, parts: list[Token]) -> Token:
        return parts[0]

    def true(self, _: list[Any]) -> Literal:
        return Literal(True)

    def false(self, _: list[Any]) -> Literal:
        return Literal(False)

    def null(self, _: list[Any]) -> Literal:
        return Literal(None)

    def undefined(self, _: list[Any]) -> Literal:
        return Literal(UNDEFINED)

    def array(self, parts: list[Any]) -> Node:
        return ArrayLiteral(tuple(part for part in parts if part is not None))

    def object(self, parts: list[Any]) -> Node:
        return ObjectLiteral(tuple(part for part in parts if part is not None))

    def property(self, parts: list[Any]) -> tuple[str, Node]:
        token, value = parts
        return _text(token) if token.type == "STRING" else str(token), value

    def scalar(self, parts: list[Query]) -> Node:
        return Subquery("SCALAR", parts[0])

    def exists(self, parts: list[Any]) -> Node:
        return Subquery("EXISTS", parts[1])

    def array_of(self, parts: list[Any]) -> Node:
        return Subquery("ARRAY", parts[1])

    def call(self, parts: list[Any]) -> Node:
        tokens = [part for part in parts if isinstance(part, Token)]
        arguments = tuple(part for part in parts if isinstance(part, Node))
        name = "".join(tokens[:-2])  # less the brackets; of a user-defined function it is udf.name
        return Call(name, arguments, (tokens[0].start_pos or 0, tokens[-1].end_pos or 0))

    def query_call(self, parts: list[Any]) -> Node:
        raise UnsupportedError(f"{parts[0].upper()}(subquery)", *_span(parts[0]))


# `from` is a keyword of Python.
setattr(TreeBuilder, "from", TreeBuilder.from_)
