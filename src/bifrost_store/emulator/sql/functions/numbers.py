"""Mathematical functions. Anything but a number makes them undefined; a result may be NaN or infinite."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from bifrost_store.emulator import numbers
from bifrost_store.emulator.numbers import is_number, whole
from bifrost_store.emulator.sql.functions.registry import Function, Table
from bifrost_store.emulator.sql.values import UNDEFINED, Value

_WRAP = 2**64
_SIGN = 2**63


def _math(call: Callable[..., float], least: int = 1, most: int | None = None) -> Function:
    def checked(*values: Value) -> Value:
        return numbers.compute(call, *values) if all(map(is_number, values)) else UNDEFINED

    return Function(least, most or least, checked)


def _rounding(call: Callable[[float], float]) -> Function:
    """A function that makes numbers whole, and leaves NaN and the infinities as they are."""
    return _math(lambda value: call(value) if math.isfinite(value) else value)


def _integers(call: Callable[..., int], arguments: int = 2) -> Function:
    """A function over 64-bit integers that wraps around like C++."""

    def checked(*values: Value) -> Value:
        integers = [whole(value) for value in values]
        if any(integer is None or not -_SIGN <= integer < _SIGN for integer in integers):
            return UNDEFINED
        try:
            result = call(*integers)
        except (ZeroDivisionError, ValueError):
            return UNDEFINED
        return numbers.number((result + _SIGN) % _WRAP - _SIGN)

    return Function(arguments, arguments, checked)


def _round(value: float) -> float:
    whole_part = math.trunc(value)
    return whole_part + int(math.copysign(1, value)) if abs(value - whole_part) >= 0.5 else whole_part


def _divide(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _shift_left(value: int, count: int) -> int:
    if count < 0:
        raise ValueError(count)
    return value << count if count < 64 else 0


def _shift_right(value: int, count: int) -> int:
    return value >> min(count, 64)


def _bin(value: float, size: float = 1) -> Value:
    if not size or not math.isfinite(value / size):
        return UNDEFINED
    return numbers.number(math.floor(value / size) * size)


def _number_bin(*values: Value) -> Value:
    return _bin(*values) if all(map(is_number, values)) else UNDEFINED


def _sign(value: float) -> float:
    return value if math.isnan(value) else (value > 0) - (value < 0)


TABLE: Table = {
    "ABS": _math(math.fabs),
    "ACOS": _math(math.acos),
    "ASIN": _math(math.asin),
    "ATAN": _math(math.atan),
    "ATN2": _math(math.atan2, 2),
    "CEILING": _rounding(math.ceil),
    "COS": _math(math.cos),
    "COT": _math(lambda value: numbers.divide(1, math.tan(value))),
    "DEGREES": _math(math.degrees),
    "EXP": _math(math.exp),
    "FLOOR": _rounding(math.floor),
    "INTADD": _integers(lambda left, right: left + right),
    "INTBITAND": _integers(lambda left, right: left & right),
    "INTBITLEFTSHIFT": _integers(_shift_left),
    "INTBITNOT": _integers(lambda value: ~value, 1),
    "INTBITOR": _integers(lambda left, right: left | right),
    "INTBITRIGHTSHIFT": _integers(_shift_right),
    "INTBITXOR": _integers(lambda left, right: left ^ right),
    "INTDIV": _integers(_divide),
    "INTMOD": _integers(lambda left, right: left - _divide(left, right) * right),
    "INTMUL": _integers(lambda left, right: left * right),
    "INTSUB": _integers(lambda left, right: left - right),
    "LOG": _math(numbers.logarithm, 1, 2),
    "LOG10": _math(lambda value: math.log10(value) if value else -numbers.INFINITY),
    "NUMBERBIN": Function(1, 2, _number_bin),
    "PI": Function(0, 0, lambda: math.pi),
    "POWER": _math(numbers.power, 2),
    "RADIANS": _math(math.radians),
    "RAND": Function(0, 0, random.random, is_random=True),
    "ROUND": _rounding(_round),
    "SIGN": _math(_sign),
    "SIN": _math(math.sin),
    "SQRT": _math(math.sqrt),
    "SQUARE": _math(lambda value: value * value),
    "TAN": _math(math.tan),
    "TRUNC": _rounding(math.trunc),
}
