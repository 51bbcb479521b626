"""Comparisons as closures. Those with a constant know its type beforehand, which is what filters spend their time on."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from bifrost_store.emulator.sql.operators import BINARY, equal, like_pattern
from bifrost_store.emulator.sql.rows import Constant, Getter, Row
from bifrost_store.emulator.sql.values import ARRAY_RANK, RANKS, UNDEFINED, Value

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare_to_constant(symbol: str, left: Getter, constant: Value) -> Getter | None:
    """Return ``left symbol constant`` for a string or number, or None where nothing is gained."""
    if symbol not in _TESTS:
        return None
    test = _TESTS[symbol]
    if type(constant) is str:

        def compare_string(row: Row) -> Value:
            value = left(row)
            return test(value, constant) if type(value) is str else UNDEFINED

        return compare_string
    if type(constant) is int or type(constant) is float:

        def compare_number(row: Row) -> Value:
            value = left(row)
            kind = type(value)
            return test(value, constant) if kind is int or kind is float else UNDEFINED

        return compare_number
    return None


def between(operand: Getter, low: Getter, high: Getter) -> Getter:
    """Return ``operand >= low AND operand <= high`` in three-valued logic."""
    at_least, at_most = BINARY[">="], BINARY["<="]

    def test(row: Row) -> Value:
        value = operand(row)
        above = at_least(value, low(row))
        if above is False:
            return False
        below = at_most(value, high(row))
        return above if below is True else below

    return test


def is_in(operand: Getter, items: list[Getter]) -> Getter:
    """Return ``operand = item OR operand = item …`` in three-valued logic."""
    constants = [item.value for item in items if isinstance(item, Constant)]
    if len(constants) == len(items) and all(0 < RANKS[type(constant)] < ARRAY_RANK for constant in constants):
        return _is_in_constants(operand, constants)

    def test(row: Row) -> Value:
        value = operand(row)
        result: Value = False
        for item in items:
            found = equal(value, item(row))
            if found is True:
                return True
            if found is UNDEFINED:
                result = UNDEFINED
        return result

    return test


def _is_in_constants(operand: Getter, constants: list[Value]) -> Getter:
    ranks = {RANKS[type(constant)] for constant in constants}
    # With their ranks, as True and 1 are equal keys.
    # NaN is left out, which a set would find in itself.
    keys = {(RANKS[type(constant)], constant) for constant in constants if equal(constant, constant)}

    def test(row: Row) -> Value:
        value = operand(row)
        rank = RANKS[type(value)]
        if rank not in ranks:
            return UNDEFINED
        if (rank, value) in keys:
            return True
        return False if len(ranks) == 1 else UNDEFINED

    return test


def like(operand: Getter, pattern: Getter, escape: str | None) -> Getter:
    """Return whether a string has the form of a pattern."""

    def test(row: Row) -> Value:
        text, form = operand(row), pattern(row)
        if type(text) is not str or type(form) is not str:
            return UNDEFINED
        return like_pattern(form, escape).fullmatch(text) is not None

    return test
