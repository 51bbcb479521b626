"""Mathematical functions. Anything but a number makes them undefined, and so does a result that is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bifrost_store.emulator.sql.functions.registry import Function, Table, is_number, whole
from bifrost_store.emulator.sql.values import UNDEFINED, Value, normal_number

_WRAP = 2**64
_SIGN = 2**63


def _math(call: Callable[..., Any], arguments: int = 1) -> Function:
    def checked(*values: Value) -> Value:
        if not all(map(is_number, values)):
            return UNDEFINED
        try:
            result = call(*values)
        except (ValueError, OverflowError, ZeroDivisionError):
            return UNDEFINED
        return UNDEFINED if isinstance(result, complex) else normal_number(result)

    return Function(arguments, arguments, checked)


def _integers(call: Callable[..., int], arguments: int = 2) -> Function:
    """A function over 64-bit integers that wraps around like C++."""

    def checked(*values: Value) -> Value:
        numbers = [whole(value) for value in values]
        if any(number is None or not -_SIGN <= number < _SIGN for number in numbers):
            return UNDEFINED
        try:
            result = call(*numbers)
        except (ZeroDivisionError, ValueError):
            return UNDEFINED
        return (result + _SIGN) % _WRAP - _SIGN

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


def _log(value: Value, base: Value = math.e) -> Value:
    return _log_of.call(value, base) if base != math.e else _natural_log.call(value)


def _bin(value: Value, size: Value = 1) -> Value:
    return _bin_of.call(value, size)


_natural_log = _math(math.log)
_log_of = _math(math.log, 2)
_bin_of = _math(lambda value, size: math.floor(value / size) * size, 2)

TABLE: Table = {
    "ABS": _math(abs),
    "ACOS": _math(math.acos),
    "ASIN": _math(math.asin),
    "ATAN": _math(math.atan),
    "ATN2": _math(math.atan2, 2),
    "CEILING": _math(math.ceil),
    "COS": _math(math.cos),
    "COT": _math(lambda value: 1 / math.tan(value)),
    "DEGREES": _math(math.degrees),
    "EXP": _math(math.exp),
    "FLOOR": _math(math.floor),
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
    "LOG": Function(1, 2, _log),
    "LOG10": _math(math.log10),
    "NUMBERBIN": Function(1, 2, _bin),
    "PI": Function(0, 0, lambda: math.pi),
    "POWER": _math(lambda base, exponent: float(base) ** float(exponent), 2),
    "RADIANS": _math(math.radians),
    "ROUND": _math(_round),
    "SIGN": _math(lambda value: (value > 0) - (value < 0)),
    "SIN": _math(math.sin),
    "SQRT": _math(math.sqrt),
    "SQUARE": _math(lambda value: value * value),
    "TAN": _math(math.tan),
    "TRUNC": _math(math.trunc),
}
