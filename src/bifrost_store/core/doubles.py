"""JSON for a service that computes with 64-bit floats: ``1.0`` comes back as ``1``, ``-0.0`` as ``0``, large integers rounded.

Values that such a service keeps exactly are stored as they are; others as ``{"$json": "<their JSON text>"}``.
"""

from __future__ import annotations

import json
from typing import Final, cast

from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import Body

JSON_TEXT: Final = "$json"
MAX_EXACT_INTEGER: Final = 2**53
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dump_value(value: object) -> object:
    """Return what is stored for *value*."""
    return value if _is_exact(value) else {JSON_TEXT: dump_json(value)}


def load_value(value: object) -> object:
    """Return the value that is stored as *value*.

    Raises:
        ValueError: It is neither kept as it is nor JSON text.
    """
    if isinstance(value, dict) and JSON_TEXT in value:
        return load_json(cast(str, value[JSON_TEXT]))
    return value


def dump_parts(body: Body) -> Body:
    """Return what is stored for *body*, whose lists are long: of a list, each item by itself."""
    return {name: list(map(_dump_part, value)) if isinstance(value, list) else _dump_part(value) for name, value in body.items()}


def load_parts(body: Body) -> Body:
    """Return the body that is stored as *body*.

    Raises:
        ValueError: It is not what `dump_parts` returns.
    """
    return {name: list(map(load_value, value)) if isinstance(value, list) else load_value(value) for name, value in body.items()}


def _dump_part(value: object) -> object:
    return value if _is_exact(value) else {JSON_TEXT: compact_json(value)}


def compact_json(value: object) -> str:
    """Return *value* in as few bytes of UTF-8 as JSON takes."""
    return _COMPACT.encode(value)


def _is_exact(value: object) -> bool:
    match value:
        case None | bool() | str():
            return True
        case int():
            return -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER
        case float():
            return not value.is_integer()
        case list():
            return all(map(_is_exact, value))
        case dict():
            return JSON_TEXT not in value and all(map(_is_exact, value.values()))
        case _:
            return False
