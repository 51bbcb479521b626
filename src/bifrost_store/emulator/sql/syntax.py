"""The syntax tree of a query. Nodes are values: two that were written alike are equal, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import TypeAlias

from typing_extensions import override

from bifrost_store.emulator.sql.values import Value

Span: TypeAlias = tuple[int, int]
"""Start and end (exclusive) in the text of the query."""

_NOWHERE: Span = (0, 0)


class Node:
    """Anything in the tree."""

    __slots__ = ()

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below, subqueries among them."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant: null, a boolean, a number, a string or undefined."""

    value: Value
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """``@name``; the name is kept with its sign."""

    name: str
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """An alias of the FROM clause."""

    name: str
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Member(Node):
    """One step of a path by name: ``.name``."""

    name: str
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Index(Node):
    """One step of a path in brackets: ``[expression]``."""

    expression: Node
    span: Span = field(default=_NOWHERE, compare=False)

    @override
    def children(self) -> Iterator[Node]:
        yield self.expression


@dataclass(frozen=True, slots=True)
class Path(Node):
    """Steps into a value."""

    base: Node
    steps: tuple[Member | Index, ...]

    @property
    def span(self) -> Span:
        """From the base to the last step."""
        return getattr(self.base, "span", self.steps[0].span)[0], self.steps[-1].span[1]

    @override
    def children(self) -> Iterator[Node]:
        yield self.base
        yield from self.steps


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``NOT``, ``-``, ``+`` or ``~`` before an operand."""

    operator: str
    operand: Node

    @override
    def children(self) -> Iterator[Node]:
        yield self.operand


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """Operators of equal precedence, applied from the left: ``first op operand op operand …``."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    @override
    def children(self) -> Iterator[Node]:
        yield self.first
        for _, operand in self.rest:
            yield operand


@dataclass(frozen=True, slots=True)
class Logical(Node):
    """Operands joined by one of ``AND``, ``OR``."""

    operator: OneOf["AND", "OR"]
    operands: tuple[Node, ...]

    @override
    def children(self) -> Iterator[Node]:
        yield from self.operands


@dataclass(frozen=True, slots=True)
class Coalesce(Node):
    """The first operand that is not undefined: ``a ?? b``."""

    operands: tuple[Node, ...]

    @override
    def children(self) -> Iterator[Node]:
        yield from self.operands


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """``test ? then : otherwise``."""

    test: Node
    then: Node
    otherwise: Node

    @override
    def children(self) -> Iterator[Node]:
        yield from (self.test, self.then, self.otherwise)


@dataclass(frozen=True, slots=True)
class Between(Node):
    """``operand [NOT] BETWEEN low AND high``."""

    operand: Node
    low: Node
    high: Node
    is_negated: bool

    @override
    def children(self) -> Iterator[Node]:
        yield from (self.operand, self.low, self.high)


@dataclass(frozen=True, slots=True)
class In(Node):
    """``operand [NOT] IN (items)``."""

    operand: Node
    items: tuple[Node, ...]
    is_negated: bool

    @override
    def children(self) -> Iterator[Node]:
        yield self.operand
        yield from self.items


@dataclass(frozen=True, slots=True)
class Like(Node):
    """``operand [NOT] LIKE pattern [ESCAPE 'c']``."""

    operand: Node
    pattern: Node
    escape: str | None
    is_negated: bool

    @override
    def children(self) -> Iterator[Node]:
        yield from (self.operand, self.pattern)


@dataclass(frozen=True, slots=True)
class ArrayLiteral(Node):
    """``[items]``."""

    items: tuple[Node, ...]

    @override
    def children(self) -> Iterator[Node]:
        yield from self.items


@dataclass(frozen=True, slots=True)
class ObjectLiteral(Node):
    """``{"name": expression}``."""

    properties: tuple[tuple[str, Node], ...]

    @override
    def children(self) -> Iterator[Node]:
        for _, value in self.properties:
            yield value


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, an aggregate among them, with its name as it was written."""

    name: str
    arguments: tuple[Node, ...]
    span: Span = field(default=_NOWHERE, compare=False)

    @override
    def children(self) -> Iterator[Node]:
        yield from self.arguments


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """A query in an expression: its one value, whether it has rows, or its rows as an array."""

    kind: OneOf["SCALAR", "EXISTS", "ARRAY"]
    query: Query

    @override
    def children(self) -> Iterator[Node]:
        yield self.query


@dataclass(frozen=True, slots=True)
class Collection(Node):
    """What FROM and JOIN read: a name and constant steps from it."""

    name: str
    steps: tuple[Member | Index, ...]
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Source(Node):
    """One input of FROM: the collection itself under an alias, or with IN each of its elements."""

    alias: str | None
    collection: Collection | Query
    is_iterated: bool

    @override
    def children(self) -> Iterator[Node]:
        yield self.collection


@dataclass(frozen=True, slots=True)
class SelectStar(Node):
    """``*``."""

    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SelectValue(Node):
    """``VALUE expression``."""

    expression: Node

    @override
    def children(self) -> Iterator[Node]:
        yield self.expression


@dataclass(frozen=True, slots=True)
class SelectItem(Node):
    """``expression [AS alias]``."""

    expression: Node
    alias: str | None
    span: Span = field(default=_NOWHERE, compare=False)

    @override
    def children(self) -> Iterator[Node]:
        yield self.expression


@dataclass(frozen=True, slots=True)
class SelectList(Node):
    """``item, item, …``."""

    items: tuple[SelectItem, ...]

    def names(self) -> list[str]:
        """Return the items' property names: alias, last name of the path, or ``$1``, ``$2`` … for what has no name."""
        names: list[str] = []
        unnamed = 0
        for item in self.items:
            name = item.alias or _own_name(item.expression)
            if name is None:
                unnamed += 1
                name = f"${unnamed}"
            names.append(name)
        return names

    @override
    def children(self) -> Iterator[Node]:
        yield from self.items


def _own_name(expression: Node) -> str | None:
    if isinstance(expression, Name):
        return expression.name
    if isinstance(expression, Path):
        last = expression.steps[-1]
        if isinstance(last, Member):
            return last.name
        if isinstance(last.expression, Literal) and isinstance(last.expression.value, str):
            return last.expression.value
    return None


Selection: TypeAlias = SelectStar | SelectValue | SelectList


@dataclass(frozen=True, slots=True)
class OrderItem(Node):
    """One expression of ORDER BY; the direction is None where none was written, which is ascending."""

    expression: Node
    direction: OneOf["ASC", "DESC"] | None = None

    @property
    def is_descending(self) -> bool:
        """Whether the largest come first."""
        return self.direction == "DESC"

    @override
    def children(self) -> Iterator[Node]:
        yield self.expression


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A whole SELECT; `top`, `offset` and `limit` are literals or parameters."""

    selection: Selection
    is_distinct: bool = False
    top: Node | None = None
    sources: tuple[Source, ...] = ()
    where: Node | None = None
    group_by: tuple[Node, ...] = ()
    order_by: tuple[OrderItem, ...] = ()
    offset: Node | None = None
    limit: Node | None = None

    @override
    def children(self) -> Iterator[Node]:
        yield self.selection
        yield from self.sources
        for node in (self.top, self.where, *self.group_by, *self.order_by, self.offset, self.limit):
            if node is not None:
                yield node


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Yield *node* and everything below it with its depth, without recursion."""
    waiting = [(node, 1)]
    while waiting:
        current, depth = waiting.pop()
        yield current, depth
        waiting.extend((child, depth + 1) for child in current.children())
