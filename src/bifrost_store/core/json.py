"""JSON exactly as Python holds it: what every backend must return equal, type for type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from bifrost_store.errors import InvalidRequestError

MAX_DEPTH = 100
"""Nesting allowed in a value. Cosmos DB takes 128 levels in a document (service quotas); a record adds a few of its own."""
_MAX_INTEGER_DIGITS = 4300
_INTEGER_BOUND = 10**_MAX_INTEGER_DIGITS


def check_json(value: object, field: str) -> None:
    """Refuse what JSON, or any one backend, cannot return equal.

    Raises:
        InvalidRequestError: NaN, Infinity, a lone surrogate, a key that is no text, a type that JSON lacks, nesting deeper
            than `MAX_DEPTH`, or an integer of more than 4,300 digits. The message names *field*.
    """
    _check(value, field, 0)


def _check(value: object, field: str, depth: int) -> None:
    match value:
        case None | bool():
            pass
        case str():
            check_text(value, field)
        case int() if not -_INTEGER_BOUND < value < _INTEGER_BOUND:
            raise InvalidRequestError(f"{field}: an integer of more than {_MAX_INTEGER_DIGITS} digits cannot be stored")
        case float() if not math.isfinite(value):
            raise InvalidRequestError(f"{field}: {value} is not JSON")
        case int() | float():
            pass
        case list() | dict() if depth >= MAX_DEPTH:
            raise InvalidRequestError(f"{field}: nested deeper than {MAX_DEPTH} levels")
        case list():
            for item in value:
                _check(item, field, depth + 1)
        case dict():
            for name, item in value.items():
                if not isinstance(name, str):
                    raise InvalidRequestError(f"{field}: an object's names must be text, not {type(name).__name__}")
                check_text(name, field)
                _check(item, field, depth + 1)
        case _:
            raise InvalidRequestError(f"{field}: {type(value).__name__} is not a JSON type")


def check_text(text: str, field: str) -> None:
    """Refuse lone surrogates, which are no Unicode text and which no database keeps.

    Raises:
        InvalidRequestError: *text* holds one; the message names *field*.
    """
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidRequestError(f"{field}: a lone surrogate at position {error.start} is not Unicode text") from None


def dump_json(value: object) -> str:
    """Return *value* on one line of ASCII, in the form today's columns hold (``, `` and ``: `` as separators)."""
    return json.dumps(value, allow_nan=False)


def load_json(text: str | bytes) -> Any:
    """Return the value that *text* holds.

    Raises:
        ValueError: *text* is not JSON, or holds NaN or Infinity.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_CANONICAL = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"))


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Return bytes that are equal exactly when two values are equal type for type, whatever the order of names."""
    return _CANONICAL.encode(value).encode("ascii")


def utf16_length(text: str) -> int:
    """Return the UTF-16 units of *text*: the unit in which Table Storage counts a property's 64 KiB."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
