"""Functions that tell the type of a value. None of them is ever undefined."""

from __future__ import annotations

from collections.abc import Callable

from bifrost_store.emulator.numbers import is_finite, whole
from bifrost_store.emulator.sql.functions.dates import read_ticks
from bifrost_store.emulator.sql.functions.registry import Function, Table
from bifrost_store.emulator.sql.values import ARRAY_RANK, RANKS, UNDEFINED, Value


def _rank_is(*ranks: int) -> Function:
    def test(value: Value) -> bool:
        return RANKS[type(value)] in ranks

    return Function(1, 1, test)


def _test(test: Callable[[Value], bool]) -> Function:
    return Function(1, 1, test)


def _is_integer(value: Value) -> bool:
    # 9223372036854775807 is an integer, says Microsoft's page; as a double it is 2^63.
    return whole(value) is not None and -(2**63) <= value <= 2**63


TABLE: Table = {
    "IS_ARRAY": _rank_is(ARRAY_RANK),
    "IS_BOOL": _rank_is(2),
    "IS_DATETIME": _test(lambda value: read_ticks(value) is not None),
    "IS_DEFINED": _test(lambda value: value is not UNDEFINED),
    "IS_FINITE_NUMBER": _test(is_finite),
    "IS_INTEGER": _test(_is_integer),
    "IS_NULL": _test(lambda value: value is None),
    "IS_NUMBER": _rank_is(3),
    "IS_OBJECT": _rank_is(6),
    "IS_PRIMITIVE": _rank_is(1, 2, 3, 4),
    "IS_STRING": _rank_is(4),
}
