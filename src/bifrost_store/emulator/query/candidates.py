"""The items that a query may be about, found by index and given in the order that the query wants."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.sql.aggregates import UnmergeableError
from bifrost_store.emulator.sql.indexes import IndexUse, KeyRange, PathFilter
from bifrost_store.emulator.sql.values import UNDEFINED, sort_key
from bifrost_store.emulator.store.indexes import UNREADABLE, Part, Path, expression, extract
from bifrost_store.emulator.store.items import Condition, Item

MAX_EQUALITIES: Final = 5
_MAX_PARAMETERS: Final = 10_000
_MAX_SIFTED: Final = 100
_MAX_ARMS: Final = 16
_FEW: Final = 256
"""So many items are sorted, whatever else there is, before an index that gives them sorted is the better one."""
_WIDE_FOR_ALL, _WIDE_FOR_A_PAGE = 2, 16
"""A range is wide if it has more than one of so many items: those of a page are soon met without its index."""
Keys = tuple[bytes, ...]
"""What an item sorts by: a sort key for each property of the order."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Items that agree in some properties.

    Attributes:
        texts: Those properties as JSON; None for one that is not there.
        count: How many items there are.
        size: Characters of their bodies.
    """

    texts: Sequence[str | None]
    count: int
    size: int


class Candidates:
    """Items of one container and scope, as a query reads them.

    Args:
        container: Whose items.
        scope: The part of it.
        now: The time, which decides what has expired.
        use: What of the query an index can serve. Its order must be readable (`is_sortable`).
        is_paged: Only the first of them are wanted at a time.
        excludes_undefined: Leave out items without the property, if there is just one to sort by.

    Attributes:
        are_matches: All of them match: the query need not look again.
    """

    def __init__(
        self, container: Container, scope: Scope, now: float, use: IndexUse, *, is_paged: bool, excludes_undefined: bool = False
    ) -> None:
        self._table = container.table
        self._is_within_key = scope.key is not None
        self._is_empty = use.is_empty
        filters = [one for one in use.filters if one.path[0] not in UNREADABLE and len(one.ranges) <= _MAX_PARAMETERS]
        equal = [one for one in filters if one.keys is not None and len(one.keys) == 1][:MAX_EQUALITIES]
        others = [one for one in filters if one not in equal]
        # What is the same in all items sorts nothing.
        same = {one.path for one in equal}
        order: tuple[Part, ...] = use.order_by or ()
        self._order = [(path, is_descending) for path, is_descending in order if path not in same]
        ranged = _ranged(others, self._order)
        arm = _split([one for one in others if one not in ranged], self._order)
        used = equal + ranged
        self._arms = [] if arm is None else [(f"{expression(arm.path)} = ?", (key,)) for key in dict.fromkeys(arm.keys or ())]
        self._parts = _index_parts(used if arm is None else [*used, arm], self._order)
        # In no order, what is the same in all is given as it was added: a wide range need not be sorted.
        self._looser = _index_parts(equal, []) if equal and ranged and not self._order and arm is None else None
        self._wide = _WIDE_FOR_A_PAGE if is_paged else _WIDE_FOR_ALL
        self._ranged = [scope.condition(), *map(_condition, used)]
        # The service chooses by every indexed property at once: what no index of ours serves is sifted here.
        rest = [one for one in others if one not in used and one is not arm and len(one.ranges) <= _MAX_SIFTED]
        self._filters = used + rest
        self.are_matches = use.is_exact and len(self._filters) == len(use.filters)
        self._apart = [scope.condition(), container.live(now)]
        if excludes_undefined and len(order) == 1:
            self._apart.append((f"{expression(order[0][0])} <> ?", (sort_key(UNDEFINED),)))
        self._conditions = [*self._apart, *map(_condition, self._filters)]

    def read(self, after: tuple[Keys, int] | None = None) -> Iterator[tuple[Item, Keys]]:
        """Yield items with what they sort by, from the one at a position on."""
        if self._is_empty:
            return
        expressions = [(expression(path), is_descending) for path, is_descending in self._order]
        # Ties are read in the direction of the first property, which an index gives for nothing.
        columns = [*expressions, ("number", bool(expressions) and expressions[0][1])]
        conditions = list(self._conditions)
        if after is not None:
            conditions.append(_from_position(columns, [*after[0], after[1]]))
        order = ", ".join([column + (" DESC" if is_descending else "") for column, is_descending in columns])
        index = self._index()
        extra = [column for column, _ in expressions]
        arms = [[*conditions, arm] for arm in self._arms] or [conditions]
        streams = [self._table.select_with(extra, each, order, index=index) for each in arms]
        yield from heapq.merge(*streams, key=_position_of, reverse=columns[0][1])

    def read_merged(self, paths: Sequence[Path]) -> Iterator[Merged]:
        """Yield once what items agree in that have the same values at *paths*, in the order of the first ones of such items.

        Paths must be such that SQLite reads them (`is_extracted`), and the items in no order.

        Raises:
            UnmergeableError: The values are too long to be compared.
        """
        if self._is_empty:
            return
        index = self._table.indexes.ensure(self._parts, within_key=self._is_within_key) if self._parts else None
        conditions = [*self._apart, *map(_spanning, self._filters)]
        for *texts, has_longer, count, size, _ in self._table.select_merged(list(map(extract, paths)), conditions, index=index):
            if has_longer:
                raise UnmergeableError
            if count:
                yield Merged(texts, count, size)

    def _index(self) -> str | None:
        index = self._table.indexes.ensure(self._parts, within_key=self._is_within_key) if self._parts else None
        if index is None or self._looser is None:
            return index
        few = max(_FEW, self._table.indexes.last_number() // self._wide)
        if not self._table.has_more(few, self._ranged, index):
            return index
        return self._table.indexes.ensure(self._looser, within_key=self._is_within_key)

    def keys_of(self, number: int) -> Keys:
        """Return what an item sorts by; IndexError if it is gone."""
        extra = [expression(path) for path, _ in self._order]
        found = list(self._table.select_with(extra, [("number = ?", (number,))], "number"))
        return found[0][1]


def _ranged(filters: list[PathFilter], order: list[Part]) -> list[PathFilter]:
    """Return the filter, if any, that an index serves after equalities: of what is sorted by, or else the most selective."""
    if order:
        return [one for one in filters if one.path == order[0][0]][:1]
    return sorted(filters, key=_breadth)[:1]


def _split(filters: list[PathFilter], order: list[Part]) -> PathFilter | None:
    """Return the filter for one of a few values, if any, whose values are each read in order and then put together."""
    if not order or len({is_descending for _, is_descending in order}) > 1:
        return None
    sorted_paths = [path for path, _ in order]
    few = [one for one in filters if one.keys is not None and 1 < len(one.keys) <= _MAX_ARMS and one.path not in sorted_paths]
    return min(few, key=_breadth, default=None)


def _position_of(found: tuple[Item, Keys]) -> tuple[Keys, int]:
    item, keys = found
    return keys, item.number


def _breadth(one: PathFilter) -> tuple[bool, int, int]:
    """Return what sorts filters, the most selective first: equalities, then few ranges whose ends have much in common."""
    return one.keys is None, len(one.ranges), -min(map(_common_bytes, one.ranges), default=0)


def _common_bytes(one: KeyRange) -> int:
    pairs = zip(one.low, one.high, strict=False)
    return next((place for place, (low, high) in enumerate(pairs) if low != high), min(len(one.low), len(one.high)))


def _index_parts(used: list[PathFilter], order: list[Part]) -> list[Part]:
    """Return the properties of the index to read; the directions are those that serve this order or its reverse."""
    is_flipped = bool(order) and order[0][1]
    sorted_paths = [path for path, _ in order]
    parts = [(one.path, False) for one in used if one.path not in sorted_paths]
    return [*parts, *[(path, is_descending != is_flipped) for path, is_descending in order]]


def is_sortable(use: IndexUse) -> bool:
    """Return whether items can be read in the order that a query wants, if it wants one."""
    return use.order_by is not None and all(path[0] not in UNREADABLE for path, _ in use.order_by)


def _condition(one: PathFilter) -> Condition:
    column, keys = expression(one.path), one.keys
    if keys is not None and len(keys) == 1:
        return f"{column} = ?", keys
    if keys is not None:
        return f"{column} IN ({', '.join('?' * len(keys))})", keys
    sql = " OR ".join([_range(column, each) for each in one.ranges])
    return sql, [bound for each in one.ranges for bound in (each.low, each.high)]


def _spanning(one: PathFilter) -> Condition:
    """Return a condition for which an index is read from end to end: in a search for each range, SQLite looks into the items."""
    sql, bounds = _condition(one)
    if one.keys is not None or len(one.ranges) < 2:
        return sql, bounds
    column, ends = expression(one.path), [end for each in one.ranges for end in (each.low, each.high)]
    return f"{column} >= ? AND {column} <= ? AND +({sql})", [min(ends), max(ends), *bounds]


def _range(column: str, one: KeyRange) -> str:
    return f"({column} {'>=' if one.includes_low else '>'} ? AND {column} {'<=' if one.includes_high else '<'} ?)"


def _from_position(columns: Sequence[tuple[str, bool]], values: Sequence[bytes | int]) -> Condition:
    """Return the condition for what comes at a position or after it; the first part lets SQLite begin there."""
    sql, parameters = "", list[bytes | int]()
    for (column, is_descending), value in reversed(list(zip(columns, values, strict=True))):
        sign = "<" if is_descending else ">"
        if not sql:
            sql, parameters = f"{column} {sign}= ?", [value]
        else:
            sql, parameters = f"{column} {sign} ? OR ({column} = ? AND ({sql}))", [value, value, *parameters]
    first, is_descending = columns[0]
    if len(columns) > 1:
        sql = f"{first} {'<' if is_descending else '>'}= ? AND ({sql})"
        parameters = [values[0], *parameters]
    return sql, parameters
