"""JSON as the service takes and gives it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from bifrost_store.emulator import numbers
from bifrost_store.emulator.wire.errors import bad_request

MAX_DEPTH: Final = 128
"""Levels of nesting ("Azure Cosmos DB service quotas")."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def load(body: bytes) -> Any:
    """Return the value of a request's body.

    Raises:
        ServiceError: 400; it is no JSON, holds a number that no double can, or is nested too deeply.
    """
    try:
        return load_text(body.decode("utf-8"))
    except ValueError:
        raise bad_request("The request payload is invalid. Ensure to provide a valid request payload.") from None


def load_text(text: str) -> Any:
    """Return the value of a JSON text, with numbers as `numbers` holds them and U+FFFD for each half of a surrogate pair.

    Raises:
        ValueError: It is none, holds a number that no double can, or is nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=numbers.read, parse_int=numbers.read)
        return _whole_characters(value) if "\\ud" in text.lower() else value
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(name): _whole_characters(item) for name, item in value.items()}
    return value


def load_object(body: bytes) -> dict[str, Any]:
    """Return the object in a request's body.

    Raises:
        ServiceError: 400; it holds something else.
    """
    value = load(body)
    if not isinstance(value, dict):
        raise bad_request("The request payload is invalid. Ensure to provide a valid request payload.")
    return value


def dump(value: Any) -> str:
    """Return compact JSON; half a surrogate pair becomes U+FFFD."""
    return without_surrogates(_encode(value))


def without_surrogates(text: str) -> str:
    """Return text in which U+FFFD stands for each half of a surrogate pair, as UTF-8 cannot hold it."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def check_depth(value: Any) -> None:
    """Raise 400 for a value nested more than 128 levels deep."""
    level, depth = [value], 1
    while level := [child for parent in level for child in _children(parent)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise bad_request("The request payload is nested too deeply; at most 128 levels are allowed.")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [child for child in value.values() if isinstance(child, (dict, list))]
    if isinstance(value, list):
        return [child for child in value if isinstance(child, (dict, list))]
    return []


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
