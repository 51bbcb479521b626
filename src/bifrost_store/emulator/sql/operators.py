"""Operators over values: three-valued comparisons, arithmetic on doubles, JavaScript's 32-bit integers, strings."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from bifrost_store.emulator import numbers
from bifrost_store.emulator.sql.values import ARRAY_RANK, RANKS, UNDEFINED, Value, equals

Operator: TypeAlias = Callable[[Value, Value], Value]


def equal(left: Value, right: Value) -> Value:
    """Compare two values of one type, deep; undefined across types and with undefined."""
    rank = RANKS[type(left)]
    if not rank or rank != RANKS[type(right)]:
        return UNDEFINED
    return left == right if rank < ARRAY_RANK else equals(left, right)


def _not_equal(left: Value, right: Value) -> Value:
    result = equal(left, right)
    return result if result is UNDEFINED else not result


def _ordering(test: Callable[[Value, Value], bool]) -> Operator:
    def ordered(left: Value, right: Value) -> Value:
        rank = RANKS[type(left)]
        if rank != RANKS[type(right)] or not 0 < rank < ARRAY_RANK:
            return UNDEFINED
        return test(left, right) if rank > 1 else test(0, 0)

    return ordered


def logical_not(value: Value) -> Value:
    """Negate a boolean; undefined for anything else."""
    return (not value) if type(value) is bool else UNDEFINED


def _arithmetic(compute: Callable[[float, float], float]) -> Operator:
    number = numbers.number

    def checked(left: Value, right: Value) -> Value:
        kind, other = type(left), type(right)
        if (kind is int or kind is float) and (other is int or other is float):
            return number(compute(left, right))
        return UNDEFINED

    return checked


def _int32(value: float) -> int:
    if value - value != 0:
        return 0
    low = int(value) & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _bitwise(compute: Callable[[int, int], int]) -> Operator:
    return _arithmetic(lambda left, right: _int32(compute(_int32(left), _int32(right))))


def _unsigned_shift(left: float, right: float) -> float:
    return (_int32(left) & 0xFFFFFFFF) >> (_int32(right) & 31)


def _concatenate(left: Value, right: Value) -> Value:
    return left + right if type(left) is str and type(right) is str else UNDEFINED


def _number(compute: Callable[[float], float]) -> Callable[[Value], Value]:
    def checked(value: Value) -> Value:
        return numbers.number(compute(value)) if numbers.is_number(value) else UNDEFINED

    return checked


BINARY: dict[str, Operator] = {
    "=": equal,
    "!=": _not_equal,
    "<>": _not_equal,
    "<": _ordering(operator.lt),
    "<=": _ordering(operator.le),
    ">": _ordering(operator.gt),
    ">=": _ordering(operator.ge),
    "+": _arithmetic(operator.add),
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "/": _arithmetic(numbers.divide),
    "%": _arithmetic(numbers.remainder),
    "&": _bitwise(operator.and_),
    "|": _bitwise(operator.or_),
    "^": _bitwise(operator.xor),
    "<<": _bitwise(lambda left, right: left << (right & 31)),
    ">>": _bitwise(lambda left, right: left >> (right & 31)),
    ">>>": _arithmetic(_unsigned_shift),
    "||": _concatenate,
}

UNARY: dict[str, Callable[[Value], Value]] = {
    "NOT": logical_not,
    "-": _number(operator.neg),
    "+": _number(operator.pos),
    "~": _number(lambda value: ~_int32(value)),
}


@lru_cache(maxsize=256)
def like_pattern(pattern: str, escape: str | None) -> re.Pattern[str]:
    """Return LIKE's pattern as a regular expression for a full match: ``%``, ``_``, ``[a-f]``, ``[^a-f]``, escapes."""
    segments: list[list[str]] = [[]]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        parts = segments[-1]
        if character == escape and position < len(pattern):
            parts.append(re.escape(pattern[position]))
            position += 1
        elif character == "%":
            segments.append([])
        elif character == "_":
            parts.append(".")
        elif character == "[" and (end := pattern.find("]", position + 1)) > 0:
            parts.append(_character_set(pattern[position:end]))
            position = end + 1
        else:
            parts.append(re.escape(character))
    first, *middle = ("".join(parts) for parts in segments)
    if not middle:
        return re.compile(first, re.DOTALL)
    # A segment's first place is as good as any later one: atomic groups keep the search from trying them all.
    atoms = "".join(f"(?>.*?{segment})" for segment in middle[:-1] if segment)
    return re.compile(f"{first}{atoms}.*{middle[-1]}", re.DOTALL)


def _character_set(content: str) -> str:
    """Return ``[content]`` as a set of characters in which only ``^`` in front and ``-`` between two have a meaning."""
    negation, content = ("^", content[1:]) if content[0] == "^" and len(content) > 1 else ("", content)
    parts: list[str] = []
    position = 0
    while position < len(content):
        first = content[position]
        if content[position + 1 : position + 2] == "-" and position + 2 < len(content):
            last = content[position + 2]
            parts.append(f"{re.escape(first)}-{re.escape(last)}" if first <= last else "")
            position += 3
        else:
            parts.append(re.escape(first))
            position += 1
    body = "".join(parts)
    if not body:
        return "." if negation else r"(?!)"
    return f"[{negation}{body}]"
