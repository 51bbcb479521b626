"""Functions over arrays, sets among them. Elements are compared deep and type for type."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from bifrost_store.emulator import numbers
from bifrost_store.emulator.numbers import is_number, whole
from bifrost_store.emulator.sql.functions.registry import MANY, Function, Table
from bifrost_store.emulator.sql.values import ARRAY_RANK, RANKS, UNDEFINED, Value, equals, sort_key


def _concat(*arrays: Value) -> Value:
    if not all(type(array) is list for array in arrays):
        return UNDEFINED
    return [item for array in arrays for item in array]


def _contains(array: Value, value: Value, is_partial: Value = False) -> Value:
    if type(array) is not list or value is UNDEFINED or type(is_partial) is not bool:
        return UNDEFINED
    if is_partial and type(value) is dict:
        return any(type(item) is dict and _has_all(item, value) for item in array)
    return any(equals(item, value) for item in array)


def _has_all(item: dict[str, Any], part: dict[str, Any]) -> bool:
    return all(name in item and equals(item[name], value) for name, value in part.items())


def _contains_several(*, settles: bool) -> Function:
    """ARRAY_CONTAINS over each of several values, joined like AND or OR: one result settles it, undefined never does."""

    def test(array: Value, *values: Value) -> Value:
        results = [_contains(array, value) for value in values]
        if settles in results:
            return settles
        return UNDEFINED if UNDEFINED in results else not settles

    return Function(2, MANY, test)


def _slice(array: Value, start: Value, count: Value = MANY) -> Value:
    first, number = whole(start), whole(count)
    if type(array) is not list or first is None or number is None:
        return UNDEFINED
    if first < 0:
        first = max(first + len(array), 0)
    return array[first : first + number] if number > 0 else []


def _length(array: Value) -> Value:
    return len(array) if type(array) is list else UNDEFINED


def _defined(array: Value) -> list[Value]:
    return [item for item in array if item is not UNDEFINED]


def _numbers(call: Callable[[list[float]], float]) -> Function:
    """A function of an array of numbers; undefined elements are skipped, others make it undefined."""

    def checked(array: Value) -> Value:
        items = _defined(array) if type(array) is list else []
        if not items or not all(map(is_number, items)):
            return UNDEFINED
        return numbers.number(call(items))

    return Function(1, 1, checked)


def _extreme(call: Callable[..., Value]) -> Function:
    """The largest or smallest of an array of scalars, by the order of types."""

    def checked(array: Value) -> Value:
        items = _defined(array) if type(array) is list else []
        if not items or any(RANKS[type(item)] >= ARRAY_RANK for item in items):
            return UNDEFINED
        return call(items, key=sort_key)

    return Function(1, 1, checked)


def _sets(call: Callable[[dict[bytes, Value], dict[bytes, Value]], Value]) -> Function:
    """A function of two arrays as sets, which keep the order in which their elements first came."""

    def checked(left: Value, right: Value) -> Value:
        if type(left) is not list or type(right) is not list:
            return UNDEFINED
        return call(_as_set(left), _as_set(right))

    return Function(2, 2, checked)


def _as_set(array: list[Value]) -> dict[bytes, Value]:
    elements: dict[bytes, Value] = {}
    for item in array:
        elements.setdefault(sort_key(item), item)
    return elements


def _object_to_array(value: Value, name: Value = "k", content: Value = "v") -> Value:
    if type(value) is not dict or type(name) is not str or type(content) is not str:
        return UNDEFINED
    return [{name: key, content: item} for key, item in value.items()]


TABLE: Table = {
    "ARRAY_AVG": _numbers(lambda items: numbers.divide(numbers.total(items), len(items))),
    "ARRAY_CONCAT": Function(2, MANY, _concat),
    "ARRAY_CONTAINS": Function(2, 3, _contains),
    "ARRAY_CONTAINS_ALL": _contains_several(settles=False),
    "ARRAY_CONTAINS_ANY": _contains_several(settles=True),
    "ARRAY_LENGTH": Function(1, 1, _length),
    "ARRAY_MAX": _extreme(max),
    "ARRAY_MEDIAN": _numbers(median),
    "ARRAY_MIN": _extreme(min),
    "ARRAY_SLICE": Function(2, 3, _slice),
    "ARRAY_SUM": _numbers(numbers.total),
    "OBJECTTOARRAY": Function(1, 3, _object_to_array),
    "SETDIFFERENCE": _sets(lambda left, right: [item for key, item in left.items() if key not in right]),
    "SETEQUAL": _sets(lambda left, right: left.keys() == right.keys()),
    "SETINTERSECT": _sets(lambda left, right: [item for key, item in right.items() if key in left]),
    "SETUNION": _sets(lambda left, right: list({**left, **right}.values())),
}
