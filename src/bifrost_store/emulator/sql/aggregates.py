"""COUNT, COUNTIF, SUM, AVG, MIN, MAX, MAKELIST and MAKESET: each takes in values one by one and then gives its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from bifrost_store.emulator import numbers
from bifrost_store.emulator.sql.syntax import Call, Node, Query
from bifrost_store.emulator.sql.values import ARRAY_RANK, RANKS, UNDEFINED, Value, compare, sort_key


class UnmergeableError(Exception):
    """Equal values cannot be taken in at once."""


class Aggregate(Protocol):
    """The state of one aggregate over one group."""

    def add(self, value: Value) -> None:
        """Take in the argument's value for one row."""

    def add_many(self, value: Value, times: int) -> None:
        """Take in a value as if by `add`, for so many rows wherever they are.

        Raises:
            UnmergeableError: The result depends on what comes between them.
        """

    def result(self) -> Value:
        """Return the aggregate of what was taken in, UNDEFINED included."""


class _Count:
    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Value) -> None:
        self._count += value is not UNDEFINED

    def add_many(self, value: Value, times: int) -> None:
        if value is not UNDEFINED:
            self._count += times

    def result(self) -> Value:
        return self._count


class _CountIf(_Count):
    @override
    def add(self, value: Value) -> None:
        self._count += value is True

    @override
    def add_many(self, value: Value, times: int) -> None:
        if value is True:
            self._count += times


class _Sum:
    """Skips undefined; anything else that is no number makes the sum undefined. Nothing sums up to 0."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._size = 0.0
        self._count = 0
        self._is_number = True

    def add(self, value: Value) -> None:
        kind = type(value)
        if kind is int or kind is float:
            self._sum += float(value)
            self._count += 1
        elif value is not UNDEFINED:
            self._is_number = False

    def add_many(self, value: Value, times: int) -> None:
        kind = type(value)
        if kind is not int and kind is not float:
            self.add(value)
            return
        total = float(value) * times
        self._size += abs(total)
        if not float(value).is_integer() or self._size >= numbers.EXACT:
            raise UnmergeableError
        self._sum += total
        self._count += times

    def result(self) -> Value:
        return numbers.number(self._sum) if self._is_number else UNDEFINED


class _Average(_Sum):
    @override
    def result(self) -> Value:
        total = super().result()
        return UNDEFINED if total is UNDEFINED or not self._count else numbers.divide(total, self._count)


class _Extreme:
    """The first or last of the values by the order of types; undefined is skipped, an array or object makes it undefined."""

    sign: int

    def __init__(self) -> None:
        self._value: Value = UNDEFINED
        self._is_scalar = True

    def add(self, value: Value) -> None:
        if RANKS[type(value)] >= ARRAY_RANK:
            self._is_scalar = False
        elif value is not UNDEFINED and (self._value is UNDEFINED or compare(value, self._value) == self.sign):
            self._value = value

    def add_many(self, value: Value, times: int) -> None:
        self.add(value)

    def result(self) -> Value:
        return self._value if self._is_scalar else UNDEFINED


class _Minimum(_Extreme):
    sign = -1


class _Maximum(_Extreme):
    sign = 1


class _List:
    """All values but undefined, in an array."""

    def __init__(self) -> None:
        self._values: list[Value] = []

    def add(self, value: Value) -> None:
        if value is not UNDEFINED:
            self._values.append(value)

    def add_many(self, value: Value, times: int) -> None:
        raise UnmergeableError

    def result(self) -> Value:
        return self._values


class _Set(_List):
    """The values once each."""

    @override
    def add_many(self, value: Value, times: int) -> None:
        self.add(value)

    @override
    def result(self) -> Value:
        found: dict[bytes, Value] = {}
        for value in self._values:
            found.setdefault(sort_key(value), value)
        return list(found.values())


AGGREGATES: dict[str, Callable[[], Aggregate]] = {
    "AVG": _Average,
    "COUNT": _Count,
    "COUNTIF": _CountIf,
    "MAKELIST": _List,
    "MAKESET": _Set,
    "MAX": _Maximum,
    "MIN": _Minimum,
    "SUM": _Sum,
}
"""Aggregates by their name in capitals."""


def as_aggregate(node: Node) -> str | None:
    """Return the aggregate's name in capitals if *node* is one."""
    name = node.name.upper() if isinstance(node, Call) else ""
    return name if name in AGGREGATES else None


def has_aggregate(node: Node) -> bool:
    """Tell whether *node* computes an aggregate, leaving out those of subqueries."""
    if isinstance(node, Query):
        return False
    return as_aggregate(node) is not None or any(map(has_aggregate, node.children()))
