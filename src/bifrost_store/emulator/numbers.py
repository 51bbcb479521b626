"""What a number is: an IEEE 754 double. Here alone it is decided how one is held, computed and written.

A whole double within 64 bits is held as ``int``, any other one as ``float``, so that 1, 1.0 and 1e0 are one value to Python
and to JSON alike. Zero has no sign. NaN and the infinities are floats like others to compute with; JSON has no text for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Final

NAN: Final = math.nan
INFINITY: Final = math.inf
EXACT: Final = 1 << 53
"""Up to this size every whole number is a double, so that sums of them do not depend on the order."""
_LONG: Final = float(1 << 63)
_SHORT_DIGITS: Final = 16
"""So many characters of digits are less than `EXACT`."""


def number(value: float) -> float:
    """Return the double nearest to *value*, as it is held."""
    if type(value) is int and -EXACT <= value <= EXACT:
        return value
    try:
        double = float(value)
    except OverflowError:
        return INFINITY if value > 0 else -INFINITY
    return int(double) if double.is_integer() and -_LONG <= double < _LONG else double


def read(text: str) -> float:
    """Return the number that JSON or a query writes as *text*.

    Raises:
        ValueError: No double is that large.
    """
    if len(text) < _SHORT_DIGITS and text.isdecimal():
        return int(text)
    double = float(text)
    if not math.isfinite(double):
        raise ValueError(text)
    return number(double)


def compute(call: Callable[..., float], *operands: float) -> float:
    """Return the result of *call*, NaN where it is not defined and infinite where no double is so large, as in C.

    Python raises errors there instead. *call* must not overflow to minus infinity.
    """
    try:
        return number(call(*operands))
    except OverflowError:
        return INFINITY
    except ValueError:
        return NAN


def divide(left: float, right: float) -> float:
    """Return the quotient; by zero it is infinite or NaN."""
    if right:
        return number(left / right)
    return math.copysign(INFINITY, left) if left and left == left else NAN


def remainder(left: float, right: float) -> float:
    """Return what a division leaves, with the dividend's sign."""
    return compute(math.fmod, left, right)


def power(base: float, exponent: float) -> float:
    """Return a power of *base*."""
    if not base and exponent < 0:
        return INFINITY
    result = compute(math.pow, base, exponent)
    return -result if result == INFINITY and base < 0 and math.isfinite(base) and exponent % 2 == 1 else result


def logarithm(value: float, base: float | None = None) -> float:
    """Return the natural logarithm, or that to a base."""
    if base is not None:
        return divide(logarithm(value), logarithm(base))
    return -INFINITY if value == 0 else compute(math.log, value)


def total(values: Iterable[float]) -> float:
    """Return the sum, added up one by one: every step is rounded."""
    return number(reduce(lambda one, other: one + float(other), values, 0.0))


def compare(left: float, right: float) -> int:
    """Return -1, 0 or 1 by the total order, in which NaN is less than every other number."""
    if left == right:
        return 0
    if math.isnan(left) or math.isnan(right):
        return math.isnan(right) - math.isnan(left)
    return -1 if left < right else 1


def is_number(value: Any) -> bool:
    """Tell whether a value of JSON is a number; booleans are none."""
    kind = type(value)
    return kind is int or kind is float


def is_finite(value: Any) -> bool:
    """Tell whether a value is a number that JSON has a text for."""
    return is_number(value) and math.isfinite(value)


def whole(value: Any) -> int | None:
    """Return a whole number as ``int``, however it is held; None for anything else."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else None
