"""String functions. They compare by code point; an argument of another type makes them undefined."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from bifrost_store.emulator import numbers
from bifrost_store.emulator.numbers import is_number, whole
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.functions.registry import MANY, Function, Table, for_strings
from bifrost_store.emulator.sql.values import UNDEFINED, Value

_MAX_REPLICATED = 10_000
"""Characters of a result ("REPLICATE", Microsoft)."""

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


def _comparison(call: Callable[[str, str], bool]) -> Function:
    """A test of two strings, with a third argument that makes it ignore case."""

    def test(text: Value, other: Value, ignores_case: Value = False) -> Value:
        if type(text) is not str or type(other) is not str or type(ignores_case) is not bool:
            return UNDEFINED
        return call(text.casefold(), other.casefold()) if ignores_case else call(text, other)

    return Function(2, 3, test)


def _contains_several(*, settles: bool, ignores_case: bool) -> Function:
    """CONTAINS over each of several strings, joined like AND or OR: one result settles it, undefined never does."""

    def test(text: Value, *parts: Value) -> Value:
        results = [_contains(text, part, ignores_case) for part in parts]
        if settles in results:
            return settles
        return UNDEFINED if UNDEFINED in results else not settles

    return Function(2, MANY, test)


def _contains(text: Value, part: Value, ignores_case: bool) -> Value:
    if type(text) is not str or type(part) is not str:
        return UNDEFINED
    return part.casefold() in text.casefold() if ignores_case else part in text


def _index_of(text: Value, part: Value, start: Value = 0) -> Value:
    position = whole(start)
    if type(text) is not str or type(part) is not str or position is None:
        return UNDEFINED
    return text.find(part, max(position, 0))


def _last_index_of(text: Value, part: Value, start: Value = None) -> Value:
    if type(text) is not str or type(part) is not str:
        return UNDEFINED
    if start is None:
        return text.rfind(part)
    position = whole(start)
    return UNDEFINED if position is None else text.rfind(part, 0, max(position + 1, 0))


def _left(text: Value, count: Value) -> Value:
    return _substring(text, 0, count)


def _right(text: Value, count: Value) -> Value:
    number = whole(count)
    if type(text) is not str or number is None:
        return UNDEFINED
    return text[max(len(text) - number, 0) :] if number > 0 else ""


def _substring(text: Value, start: Value, count: Value) -> Value:
    first, number = whole(start), whole(count)
    if type(text) is not str or first is None or number is None:
        return UNDEFINED
    return text[first : first + number] if first >= 0 and number > 0 else ""


def _trim(*, left: bool, right: bool) -> Function:
    """A function that takes away characters of a set at the ends; without a set, white space."""

    def trim(text: str, characters: str | None = None) -> Value:
        if left:
            text = text.lstrip(characters)
        return text.rstrip(characters) if right else text

    return Function(1, 2, for_strings(trim))


def _replicate(text: Value, count: Value) -> Value:
    if type(text) is not str or not is_number(count) or not 0 <= count <= _MAX_REPLICATED:
        return UNDEFINED
    return text * int(count) if len(text) * int(count) <= _MAX_REPLICATED else UNDEFINED


@lru_cache(maxsize=256)
def _compiled(pattern: str, modifiers: str) -> re.Pattern[str]:
    flags = re.NOFLAG
    for modifier in modifiers:
        if modifier not in _FLAGS:
            raise SqlError("SC2080", f"A regular expression does not know the modifier '{modifier}'.")
        flags |= _FLAGS[modifier]
    try:
        return re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError):
        raise SqlError("SC2081", f"The regular expression is invalid: {pattern[:200]}") from None


def _regex_match(text: str, pattern: str, modifiers: str = "") -> bool:
    return _compiled(pattern, modifiers).search(text) is not None


def _extract(call: Callable[[Iterator[str]], Value]) -> Function:
    """A function of the matches of a regular expression, or of a group of each."""

    def extract(text: Value, pattern: Value, modifiers: Value = "", group: Value = 0) -> Value:
        number = whole(group)
        if not all(type(argument) is str for argument in (text, pattern, modifiers)) or number is None:
            return UNDEFINED
        compiled = _compiled(pattern, modifiers)
        if not 0 <= number <= compiled.groups:
            return UNDEFINED
        return call(found[number] or "" for found in compiled.finditer(text))

    return Function(2, 4, extract)


def _part(place: int, *, is_last: bool) -> Function:
    """A function that gives what stands before (0) or after (2) a delimiter, the empty string where there is none."""

    def part(text: str, delimiter: str) -> Value:
        if not delimiter:
            return UNDEFINED
        before, found, after = text.rpartition(delimiter) if is_last else text.partition(delimiter)
        return (before, found, after)[place] if found else ""

    return Function(2, 2, for_strings(part))


def _join(items: Value, separator: Value) -> Value:
    if type(items) is not list or type(separator) is not str or not all(type(item) is str for item in items):
        return UNDEFINED
    return separator.join(items)


def to_text(value: Value) -> Value:
    """Return what ToString gives: strings as they are, everything else as JSON."""
    if type(value) is str or value is UNDEFINED:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda _: None)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _from_json(*types: type) -> Function:
    """Read a string as JSON of the given types; undefined if it is anything else."""

    def read(text: str) -> Value:
        try:
            value = json.loads(text, parse_constant=_refuse_constant, parse_float=numbers.read, parse_int=numbers.read)
        except (ValueError, RecursionError):
            return UNDEFINED
        return value if type(value) in types else UNDEFINED

    return Function(1, 1, for_strings(read))


TABLE: Table = {
    "CONCAT": Function(2, MANY, for_strings(lambda *parts: "".join(parts))),
    "CONTAINS": _comparison(lambda text, part: part in text),
    "CONTAINS_ALL_CI": _contains_several(settles=False, ignores_case=True),
    "CONTAINS_ALL_CS": _contains_several(settles=False, ignores_case=False),
    "CONTAINS_ANY_CI": _contains_several(settles=True, ignores_case=True),
    "CONTAINS_ANY_CS": _contains_several(settles=True, ignores_case=False),
    "ENDSWITH": _comparison(str.endswith),
    "INDEX_OF": Function(2, 3, _index_of),
    "LASTINDEXOF": Function(2, 3, _last_index_of),
    "LASTSUBSTRINGAFTER": _part(2, is_last=True),
    "LASTSUBSTRINGBEFORE": _part(0, is_last=True),
    "LEFT": Function(2, 2, _left),
    "LENGTH": Function(1, 1, for_strings(len)),
    "LOWER": Function(1, 1, for_strings(str.lower)),
    "LTRIM": _trim(left=True, right=False),
    "REGEXEXTRACT": _extract(lambda found: next(found, UNDEFINED)),
    "REGEXEXTRACTALL": _extract(list),
    "REGEXMATCH": Function(2, 3, for_strings(_regex_match)),
    "REPLACE": Function(3, 3, for_strings(lambda text, old, new: text.replace(old, new) if old else UNDEFINED)),
    "REPLICATE": Function(2, 2, _replicate),
    "REVERSE": Function(1, 1, for_strings(lambda text: text[::-1])),
    "RIGHT": Function(2, 2, _right),
    "RTRIM": _trim(left=False, right=True),
    "STARTSWITH": _comparison(str.startswith),
    "STRINGEQUALS": _comparison(str.__eq__),
    "STRINGJOIN": Function(2, 2, _join),
    "STRINGSPLIT": Function(2, 2, for_strings(lambda text, part: text.split(part) if part else [text])),
    "STRINGTOARRAY": _from_json(list),
    "STRINGTOBOOLEAN": _from_json(bool),
    "STRINGTONULL": _from_json(type(None)),
    "STRINGTONUMBER": _from_json(int, float),
    "STRINGTOOBJECT": _from_json(dict),
    "SUBSTRING": Function(3, 3, _substring),
    "SUBSTRINGAFTER": _part(2, is_last=False),
    "SUBSTRINGBEFORE": _part(0, is_last=False),
    "TOSTRING": Function(1, 1, to_text),
    "TRIM": _trim(left=True, right=True),
    "UPPER": Function(1, 1, for_strings(str.upper)),
}
