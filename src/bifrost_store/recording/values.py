"""Anything as JSON: what callers log is theirs, and must fail neither them nor a store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from bifrost_store.core.json import dump_json

MAX_MESSAGE_BYTES: Final = 32_768
MAX_LINE_DATA_BYTES: Final = 65_536
MAX_VALUES_BYTES: Final = 1_500_000
"""Of variables or a state: a document of execution data holds one whole."""
_MAX_DEPTH: Final = 32
_MAX_PARTS: Final = 100_000
"""Of one value: it is gone through while its caller waits."""
_PART_CHARACTERS: Final = 8
_MAX_DIGITS: Final = 10**4000
"""Python refuses to spell longer integers ("Integer string conversion length limitation")."""


def as_json(value: object) -> tuple[Any, int]:
    """Return a copy of *value* in plain JSON types, and about how many characters it takes.

    What is no JSON stands as its ``repr``, and cycles, NaN and too deep or too many parts as text.
    """
    copy = _Copy()
    return copy.of(value, 0), copy.characters


class _Copy:
    def __init__(self) -> None:
        self._open: set[int] = set()
        self._left = _MAX_PARTS
        self.characters = 0

    def of(self, value: object, depth: int) -> Any:
        self._left -= 1
        self.characters += _PART_CHARACTERS
        if self._left < 0:
            return "… [cut: too many parts]"
        match value:
            case None | bool():
                return value
            case str():
                self.characters += len(value)
                return clean_text(value)
            case int():
                return int(value) if -_MAX_DIGITS < value < _MAX_DIGITS else "… [an integer of over 4,000 digits]"
            case float():
                return float(value) if math.isfinite(value) else str(float(value))
            case Mapping() | list() | tuple() | set() | frozenset():
                return self._container(value, depth)
            case _:
                return safe_repr(value)

    def _container(self, value: Any, depth: int) -> Any:
        if id(value) in self._open:
            return "… [cycle]"
        if depth >= _MAX_DEPTH:
            return "… [cut: nested too deeply]"
        self._open.add(id(value))
        try:
            if isinstance(value, Mapping):
                # A copy first: another thread may change it meanwhile.
                return {self._name(name): self.of(part, depth + 1) for name, part in list(value.items())}
            return [self.of(part, depth + 1) for part in list(value)]
        except Exception as error:  # noqa: BLE001 - a mapping or its parts may be anybody's code
            return f"… [{type(value).__name__} cannot be read: {type(error).__name__}]"
        finally:
            self._open.discard(id(value))

    def _name(self, name: object) -> str:
        self.characters += _PART_CHARACTERS
        return clean_text(name) if isinstance(name, str) else safe_repr(name)


def safe_repr(value: object) -> str:
    """Return the ``repr`` of *value*, or why there is none."""
    try:
        return clean_text(repr(value))
    except Exception as error:  # noqa: BLE001 - anybody's code
        return f"… [{type(value).__name__} has no repr: {type(error).__name__}]"


def clean_text(text: str) -> str:
    """Return *text* as plain text that every store keeps: with U+FFFD for lone surrogates."""
    text = str.__str__(text)
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cut_text(text: str, most_bytes: int) -> str:
    """Return *text* if it has at most so many bytes in UTF-8; else its beginning, with a mark."""
    if len(text) * 4 <= most_bytes or (data_length := len(text.encode())) <= most_bytes:
        return text
    mark = f"… [cut: {data_length} bytes]"
    return text.encode()[: most_bytes - len(mark.encode())].decode(errors="ignore") + mark


def cut_json(value: Any, most_bytes: int) -> Any:
    """Return *value* if it has at most so many bytes as JSON; else an object with the beginning of its text, and a mark."""
    text = dump_json(value)
    if len(text) <= most_bytes:
        return value
    # Quotes and backslashes in a text take two bytes each, when it is written as JSON again.
    return {"cut": f"{len(text)} bytes", "beginning": text[: most_bytes // 2 - 100]}
