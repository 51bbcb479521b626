"""What of a query an index can serve: ranges of `sort_key`s by path, and the paths that rows are sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from bifrost_store.emulator.sql.expressions import constant_of
from bifrost_store.emulator.sql.syntax import (
    Between,
    Call,
    Chain,
    Collection,
    In,
    Index,
    Like,
    Literal,
    Logical,
    Member,
    Name,
    Node,
    Parameter,
    Path,
    Query,
    Unary,
)
from bifrost_store.emulator.sql.values import ARRAY_RANK, RANKS, UNDEFINED, Value, prefix_bounds, sort_key, type_bounds

_MAX_PAIRS: Final = 10_000
ItemPath: TypeAlias = tuple[str | int, ...]
"""Property names and array positions from the item down, as `values.lookup` takes them."""


@dataclass(frozen=True, slots=True, order=True)
class KeyRange:
    """Sort keys from *low* to *high*, each inclusive or not."""

    low: bytes
    high: bytes
    includes_low: bool = True
    includes_high: bool = True

    def common(self, other: KeyRange) -> KeyRange | None:
        """Return the keys that lie in both, if there can be any."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        includes_low = all(one.includes_low for one in (self, other) if one.low == low)
        includes_high = all(one.includes_high for one in (self, other) if one.high == high)
        is_empty = low > high or (low == high and not (includes_low and includes_high))
        return None if is_empty else KeyRange(low, high, includes_low, includes_high)


@dataclass(frozen=True, slots=True)
class PathFilter:
    """A condition that every row meets: the sort key of the value at *path* lies in one of *ranges*, which are in order."""

    path: ItemPath
    ranges: tuple[KeyRange, ...]

    @property
    def keys(self) -> tuple[bytes, ...] | None:
        """The keys that the value may have, if the condition is an equality or IN."""
        is_exact = all(one.low == one.high and one.includes_low and one.includes_high for one in self.ranges)
        return tuple(one.low for one in self.ranges) if is_exact else None


@dataclass(frozen=True, slots=True)
class IndexUse:
    """What storage may do before the query runs over what it found.

    Attributes:
        filters: One for each path that is limited. Each alone may narrow the items; the query still has to be run over
            them. Filters without a range mean that nothing can match.
        order_by: Path and whether it descends, for every item of ORDER BY; None if one of them is no path of the item.
            Empty without ORDER BY.
        is_exact: Items that meet all filters match: the query need not look again.
    """

    filters: tuple[PathFilter, ...]
    order_by: tuple[tuple[ItemPath, bool], ...] | None
    is_exact: bool

    @property
    def is_empty(self) -> bool:
        """Whether no item can match."""
        return any(not one.ranges for one in self.filters)


def index_use(query: Query, parameters: Mapping[str, Value] | None = None) -> IndexUse:
    """Return what an index can do for *query*."""
    reader = _Reader(query, parameters or {})
    limits = {} if query.where is None else reader.by_path(query.where)
    filters = tuple(PathFilter(path, ranges) for path, ranges in limits.items())
    paths = [(reader.path(item.expression), item.is_descending) for item in query.order_by]
    order_by = tuple((path, is_descending) for path, is_descending in paths if path is not None)
    return IndexUse(filters, order_by if len(order_by) == len(paths) else None, reader.is_exact)


def item_path(node: Node, query: Query, parameters: Mapping[str, Value] | None = None) -> ItemPath | None:
    """Return the path of *node* from the item down, or None if it is an expression or belongs to another input."""
    return _Reader(query, parameters or {}).path(node)


class _Reader:
    """Reads conditions of one query.

    Attributes:
        is_exact: The filters that were read hold only where the conditions do.
    """

    def __init__(self, query: Query, parameters: Mapping[str, Value]) -> None:
        self._parameters = parameters
        self.is_exact = True
        self._root: str | None = None
        self._above: ItemPath = ()
        source = query.sources[0] if query.sources else None
        if source is not None and isinstance(source.collection, Collection) and not source.is_iterated:
            above = self._steps(source.collection.steps)
            if above is not None:
                self._root, self._above = source.alias, above

    def path(self, node: Node) -> ItemPath | None:
        """Return the path of *node* from the item down, if it is one."""
        base, steps = (node.base, node.steps) if isinstance(node, Path) else (node, ())
        if not isinstance(base, Name) or base.name != self._root:
            return None
        below = self._steps(steps)
        return None if not below else self._above + below

    def _steps(self, steps: tuple[Member | Index, ...]) -> ItemPath | None:
        path: list[str | int] = []
        for step in steps:
            if isinstance(step, Member):
                path.append(step.name)
                continue
            if not isinstance(step.expression, Literal | Parameter):
                return None
            constant = constant_of(step.expression, self._parameters)
            if constant is None or type(constant.value) not in (str, int):
                return None
            path.append(constant.value)
        return tuple(path)

    def by_path(self, node: Node) -> dict[ItemPath, tuple[KeyRange, ...]]:
        """Return, for each path, the ranges that lie in those of all its filters."""
        found: dict[ItemPath, tuple[KeyRange, ...]] = {}
        for one in self._filters(node):
            found[one.path] = self._common(found[one.path], one.ranges) if one.path in found else one.ranges
        return found

    def _common(self, first: tuple[KeyRange, ...], second: tuple[KeyRange, ...]) -> tuple[KeyRange, ...]:
        if len(first) * len(second) > _MAX_PAIRS:
            self.is_exact = False
            return min(first, second, key=len)
        pairs = [one.common(other) for one in first for other in second]
        return tuple(sorted({pair for pair in pairs if pair is not None}))

    def _filters(self, node: Node) -> Iterable[PathFilter]:
        """Yield conditions that hold wherever *node* is true."""
        if isinstance(node, Logical):
            if node.operator == "AND":
                for operand in node.operands:
                    yield from self._filters(operand)
            else:
                yield from self._alternatives(node.operands)
            return
        found = self._condition(node)
        if found is None:
            self.is_exact = False
        else:
            yield found

    def _alternatives(self, operands: tuple[Node, ...]) -> Iterable[PathFilter]:
        """Yield, for each path that every operand limits, the union of its ranges."""
        common: dict[ItemPath, list[KeyRange]] | None = None
        for operand in operands:
            own = self.by_path(operand)
            if len(own) != 1 or (common is not None and own.keys() != common.keys()):
                self.is_exact = False
            if common is None:
                common = {path: list(ranges) for path, ranges in own.items()}
            common = {path: [*ranges, *own[path]] for path, ranges in common.items() if path in own} if common else {}
        for path, ranges in (common or {}).items():
            yield PathFilter(path, tuple(sorted(set(ranges))))

    def _condition(self, node: Node) -> PathFilter | None:
        if isinstance(node, Chain):
            return self._comparison(node)
        if isinstance(node, In):
            return self._in(node)
        if isinstance(node, Between):
            return None if node.is_negated else self._between(node)
        if isinstance(node, Like):
            return None if node.is_negated else self._like(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Unary) and node.operator == "NOT":
            return self._negation(node.operand)
        path = self.path(node)
        return None if path is None else PathFilter(path, _ranges("=", True))

    def _negation(self, node: Node) -> PathFilter | None:
        if isinstance(node, Call) and node.name.upper() == "IS_DEFINED":
            path = self.path(node.arguments[0])
            return None if path is None else PathFilter(path, _key_range(UNDEFINED))
        path = self.path(node)
        return None if path is None else PathFilter(path, _ranges("=", False))

    def _comparison(self, node: Chain) -> PathFilter | None:
        if len(node.rest) != 1:
            return None
        (symbol, right), left = node.rest[0], node.first
        path, constant = self.path(left), constant_of(right, self._parameters)
        if path is None:
            symbol = _FLIPPED.get(symbol, symbol)
            path, constant = self.path(right), constant_of(left, self._parameters)
        if path is None or constant is None or symbol not in _COMPARISONS:
            return None
        self._note(constant.value)
        return PathFilter(path, _ranges(symbol, constant.value))

    def _in(self, node: In) -> PathFilter | None:
        path = self.path(node.operand)
        constants = [constant_of(item, self._parameters) for item in node.items]
        values = [constant.value for constant in constants if constant is not None]
        if path is None or node.is_negated or len(values) < len(constants):
            return None
        for value in values:
            self._note(value)
        ranges = {one for value in values for one in _ranges("=", value)}
        return PathFilter(path, tuple(sorted(ranges)))

    def _between(self, node: Between) -> PathFilter | None:
        path = self.path(node.operand)
        low, high = (constant_of(bound, self._parameters) for bound in (node.low, node.high))
        if path is None or low is None or high is None:
            return None
        self._note(low.value)
        self._note(high.value)
        rank = RANKS[type(low.value)]
        if rank != RANKS[type(high.value)] or not 0 < rank < ARRAY_RANK:
            return PathFilter(path, ())
        keys = sort_key(low.value), sort_key(high.value)
        return PathFilter(path, (KeyRange(*keys),) if keys[0] <= keys[1] else ())

    def _like(self, node: Like) -> PathFilter | None:
        path, pattern = self.path(node.operand), constant_of(node.pattern, self._parameters)
        if path is None or pattern is None or type(pattern.value) is not str:
            return None
        special = {"%", "_", "[", node.escape}
        length = next((place for place, character in enumerate(pattern.value) if character in special), len(pattern.value))
        if length == len(pattern.value):
            return PathFilter(path, _ranges("=", pattern.value))
        self.is_exact = False
        return PathFilter(path, (KeyRange(*prefix_bounds(pattern.value[:length]), includes_high=False),))

    def _call(self, node: Call) -> PathFilter | None:
        name = node.name.upper()
        path = self.path(node.arguments[0]) if node.arguments else None
        if path is None:
            return None
        if name in _TYPE_TESTS:
            first, last = _TYPE_TESTS[name]
            return PathFilter(path, (KeyRange(type_bounds(first)[0], type_bounds(last)[1], includes_high=False),))
        if name != "STARTSWITH" or len(node.arguments) == 3:
            return None
        prefix = constant_of(node.arguments[1], self._parameters)
        if prefix is None:
            return None
        if type(prefix.value) is not str:
            return PathFilter(path, ())
        return PathFilter(path, (KeyRange(*prefix_bounds(prefix.value), includes_high=False),))

    def _note(self, constant: Value) -> None:
        """Take in what a condition compares with: keys are exact for scalars, though not for NaN, which equals nothing."""
        if RANKS[type(constant)] >= ARRAY_RANK or constant != constant:
            self.is_exact = False


_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARISONS = {"=", "!=", "<>", "<", "<=", ">", ">="}
_TYPE_TESTS = {
    "IS_ARRAY": (5, 5),
    "IS_BOOL": (2, 2),
    "IS_DEFINED": (1, 6),
    "IS_NULL": (1, 1),
    "IS_NUMBER": (3, 3),
    "IS_OBJECT": (6, 6),
    "IS_PRIMITIVE": (1, 4),
    "IS_STRING": (4, 4),
}


def _ranges(symbol: str, constant: Value) -> tuple[KeyRange, ...]:
    """Return the keys of the values for which ``value symbol constant`` is true."""
    rank = RANKS[type(constant)]
    if not rank:
        return ()
    key, (bottom, top) = sort_key(constant), type_bounds(rank)
    if symbol == "=":
        return (KeyRange(key, key),)
    below, above = KeyRange(bottom, key, includes_high=False), KeyRange(key, top, includes_low=False, includes_high=False)
    if symbol in ("!=", "<>"):
        return below, above
    if rank >= ARRAY_RANK:
        return ()
    if symbol in ("<", "<="):
        return (KeyRange(bottom, key, includes_high=symbol == "<="),)
    return (KeyRange(key, top, includes_low=symbol == ">=", includes_high=False),)


def _key_range(value: Value) -> tuple[KeyRange, ...]:
    key = sort_key(value)
    return (KeyRange(key, key),)
