"""JSON values as Cosmos compares and orders them: undefined < null < false < true < numbers < strings < arrays < objects.

Values are what Python's ``json`` module reads (dict, list, str, int, float, bool, None), with numbers as `numbers` holds them,
and `UNDEFINED`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, final

from typing_extensions import override

from bifrost_store.emulator import numbers

Value: TypeAlias = Any
"""A JSON value or `UNDEFINED`."""


@final
class Undefined:
    """The type of `UNDEFINED`: what a path gives that leads nowhere. Neither null nor a JSON value."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()

RANKS: Final[dict[type, int]] = {Undefined: 0, type(None): 1, bool: 2, int: 3, float: 3, str: 4, list: 5, dict: 6}
"""The order of the types; values of equal rank can be compared with each other."""

TYPE_NAMES: Final = ("undefined", "null", "boolean", "number", "string", "array", "object")
"""Names of the types by their rank."""

NUMBER_RANK: Final = 3
STRING_RANK: Final = 4
ARRAY_RANK: Final = 5

# A type's tag is even, so that `tag + 1` bounds every value of the type.
_TAGS: Final = (b"\x02", b"\x04", b"\x06", b"\x08", b"\x0a", b"\x0c", b"\x0e")
_END: Final = b"\x00"
_NAN_KEY: Final = bytes(8)
_TEXT_END: Final = b"\x00\x00"


def type_rank(value: Value) -> int:
    """Return the place of the value's type in the order of types, 0 for undefined."""
    return RANKS[type(value)]


def equals(left: Value, right: Value) -> bool:
    """Tell whether two values are the same, deep and type for type; numbers by value, objects without the order of keys."""
    rank = RANKS[type(left)]
    if rank != RANKS[type(right)]:
        return False
    if rank < ARRAY_RANK:
        return bool(left == right)
    if len(left) != len(right):
        return False
    if rank == ARRAY_RANK:
        return all(map(equals, left, right))
    return all(key in right and equals(value, right[key]) for key, value in left.items())


def compare(left: Value, right: Value) -> int:
    """Return -1, 0 or 1 by the total order of ORDER BY, over every type.

    Strings are compared by code point; arrays element by element, a shorter one first; objects by their sorted
    properties, name before value.
    """
    rank, other = RANKS[type(left)], RANKS[type(right)]
    if rank != other:
        return -1 if rank < other else 1
    if rank == NUMBER_RANK:
        return numbers.compare(left, right)
    if rank < ARRAY_RANK:
        return 0 if left == right else -1 if rank > 1 and left < right else 1
    if rank == ARRAY_RANK:
        return _compare_arrays(left, right)
    return _compare_arrays(_flat(left), _flat(right))


def _compare_arrays(left: Sequence[Value], right: Sequence[Value]) -> int:
    for one, other in zip(left, right, strict=False):
        result = compare(one, other)
        if result:
            return result
    return (len(left) > len(right)) - (len(left) < len(right))


def _flat(value: dict[str, Value]) -> list[Value]:
    return [part for name in sorted(value) for part in (name, value[name])]


def sort_key(value: Value) -> bytes:
    """Return bytes that order like `compare`, and are equal just where `equals` is true.

    NaN has a key too, though it equals nothing. No key is a prefix of another one,
    so keys may be joined. Every key begins with its type's tag (`type_bounds`).
    """
    rank = RANKS[type(value)]
    tag = _TAGS[rank]
    if rank == NUMBER_RANK:
        return tag + _number_key(value)
    if rank == STRING_RANK:
        return tag + _text_key(value) + _TEXT_END
    if rank == ARRAY_RANK:
        return b"".join((tag, *map(sort_key, value), _END))
    if rank > ARRAY_RANK:
        return b"".join((tag, *map(sort_key, _flat(value)), _END))
    return tag + (b"\x01" if value is True else _END)


def type_bounds(rank: int) -> tuple[bytes, bytes]:
    """Return the smallest bytes of a type's keys, and the bytes that lie beyond all of them."""
    tag = _TAGS[rank][0]
    return bytes((tag,)), bytes((tag + 1,))


def prefix_bounds(prefix: str) -> tuple[bytes, bytes]:
    """Return bounds (low inclusive, high exclusive) of the keys of all strings that begin with *prefix*."""
    low = _TAGS[STRING_RANK] + _text_key(prefix)
    return low, low + b"\xff"


def _text_key(text: str) -> bytes:
    # UTF-8 orders by code point; a NUL inside must stay above the end mark.
    return text.encode("utf-8", "surrogatepass").replace(b"\x00", b"\x00\x01")


def _number_key(value: float) -> bytes:
    double = float(value)
    if math.isnan(double):
        return _NAN_KEY
    bits: int = struct.unpack(">Q", struct.pack(">d", double + 0.0))[0]  # adding 0.0 makes -0.0 into 0.0
    bits = bits ^ 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits | 1 << 63
    return bits.to_bytes(8, "big")


def lookup(value: Value, path: Sequence[str | int]) -> Value:
    """Follow *path*, property names and array positions, into *value*; UNDEFINED where it leads nowhere."""
    for step in path:
        if type(step) is str:
            if type(value) is not dict:
                return UNDEFINED
            value = value.get(step, UNDEFINED)
        elif type(value) is list and 0 <= step < len(value):  # type: ignore[operator]
            value = value[step]  # type: ignore[index]
        else:
            return UNDEFINED
    return value
