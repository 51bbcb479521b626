"""JSON exactly as Python holds it: what every backend must return equal, type for type."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]  # there, but not in typeshed
from json.scanner import py_make_scanner  # type: ignore[attr-defined]  # the same
from typing import Any, Final

from pydantic_core import from_json, to_json

from bifrost_store.errors import InvalidRequestError

MAX_DEPTH = 100
"""Nesting allowed in a value. Cosmos DB takes 128 levels in a document (service quotas); a record adds a few of its own."""
_MAX_INTEGER_DIGITS = 4300
_SHORT: Final = 2**63
_PUNCTUATION: Final = len('"": , ')
_LONGEST_SHORT, _LONGEST_WORD, _MOST_ESCAPED = len(str(-_SHORT)), len("false"), len("\\u0000")
_ATOMS: Final = frozenset({str, int, float, bool, type(None)})
_FINITE: Final = _ATOMS - {float}
_UNBOUNDED: Final = frozenset({bool, type(None)})
"""Of which every value can be stored."""
_INTEGER_BOUND = 10**_MAX_INTEGER_DIGITS
_NO_MORE: Final = object()


UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What decoding something may raise that has another shape than it should."""


def check_json(value: object, field: str) -> None:
    """Refuse what JSON, or any one backend, cannot return equal.

    Raises:
        InvalidRequestError: NaN, Infinity, a lone surrogate, a key that is no text, a type that JSON lacks, nesting deeper
            than `MAX_DEPTH`, or an integer of more than 4,300 digits. The message names *field*.
    """
    measure_json(value, field)


def measure_json(value: object, field: str) -> int:
    """Return how many characters *value* takes at most as JSON in ASCII.

    Raises:
        InvalidRequestError: As `check_json`.
    """
    try:
        return _measured(value, field, 0)
    except RuntimeError:
        raise _changed(field) from None


def measure_members(members: Mapping[str, object]) -> int:
    """Return the same of an object, each of whose members is checked as a value of its own.

    Raises:
        InvalidRequestError: As `check_json`. The message names the member.
    """
    size, member = 2, "a name"
    try:
        for name, value in members.items():
            if type(name) is not str or not name.isascii():
                _name(name, "a name")
            member = name
            size += len(name) * 2 * _MOST_ESCAPED + _PUNCTUATION + _measured(value, name, 0)
    except RuntimeError:
        raise _changed(member) from None
    return size


def _measured(value: Any, field: str, depth: int) -> int:
    # Written out, as all that is written goes through it.
    kind = type(value)
    if kind is str:
        if value.isascii():
            return len(value) * _MOST_ESCAPED + 2
        check_text(value, field)
        return len(value) * 2 * _MOST_ESCAPED + 2
    if kind in _UNBOUNDED:
        return _LONGEST_WORD
    if kind is int and -_SHORT < value < _SHORT:
        return _LONGEST_SHORT
    if kind is dict and depth < MAX_DEPTH:
        size = 2
        for name, one in value.items():
            if type(name) is not str or not name.isascii():
                _name(name, field)
            size += len(name) * 2 * _MOST_ESCAPED + _PUNCTUATION
            if type(one) is str and one.isascii():
                size += len(one) * _MOST_ESCAPED + 2
            else:
                size += _measured(one, field, depth + 1)
        return size
    if kind is list and depth < MAX_DEPTH:
        size = 2
        for one in value:
            if type(one) is str and one.isascii():
                size += len(one) * _MOST_ESCAPED + 4
            else:
                size += _measured(one, field, depth + 1) + 2
        return size
    return len(dump_json(_copied(value, field, depth)))


def _changed(field: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: was changed while it was read; pass a copy")


def copy_json(value: object, field: str) -> Any:
    """Return a copy of *value* in plain Python types, which shares nothing with it that could change.

    Raises:
        InvalidRequestError: As `check_json`; or someone changed *value* meanwhile.
    """
    try:
        return _copied(value, field, 0)
    except RuntimeError:
        raise _changed(field) from None


def check_parsed(value: Any) -> None:
    """Refuse what JSON text can say and no backend keeps.

    Raises:
        ValueError: A number beyond those of 64-bit floats, or nesting too deep.
    """
    try:
        _check_finite(value.values() if type(value) is dict else (value,))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check_finite(values: Iterable[Any]) -> None:
    for one in values:
        kind = type(one)
        if kind in _FINITE:
            continue
        if kind is float:
            if not math.isfinite(one):
                raise ValueError(f"{one} is not JSON")
        elif kind is dict:
            _check_finite(one.values())
        elif kind is list:
            _check_finite(one)


def copy_parsed(value: Any) -> Any:
    """Return a copy of a value that JSON was parsed to, which shares nothing with it that could change.

    Raises:
        ValueError: *value* is, or holds, something else; or it is nested too deeply.
    """
    try:
        return value if type(value) in _ATOMS else _copied_container(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def copy_parsed_object(value: Any) -> dict[str, Any]:
    """Return a copy of an object that JSON was parsed to, as `copy_parsed`.

    Raises:
        ValueError: *value* is something else.
    """
    if type(value) is not dict:
        raise ValueError("expected a JSON object")
    return copy_parsed(value)  # type: ignore[no-any-return]


def _copied_container(value: Any) -> Any:
    # Written out, as all that is read goes through it.
    if type(value) is dict:
        copy = value.copy()
        for name, one in value.items():
            if type(one) not in _ATOMS:
                copy[name] = _copied_container(one)
        return copy
    if type(value) is list:
        return [one if type(one) in _ATOMS else _copied_container(one) for one in value]
    raise ValueError(f"{type(value).__name__} is not a JSON type")


def _copied(value: object, field: str, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            check_text(value, field)
            return str.__str__(value)
        case int() if not -_INTEGER_BOUND < value < _INTEGER_BOUND:
            raise InvalidRequestError(f"{field}: an integer of more than {_MAX_INTEGER_DIGITS} digits cannot be stored")
        case float() if not math.isfinite(value):
            raise InvalidRequestError(f"{field}: {value} is not JSON")
        case int():
            return int.__pos__(value)
        case float():
            return float.__pos__(value)
        case list() | dict() if depth >= MAX_DEPTH:
            raise InvalidRequestError(f"{field}: nested deeper than {MAX_DEPTH} levels")
        case list():
            return [_copied(item, field, depth + 1) for item in value]
        case dict():
            return {_name(name, field): _copied(item, field, depth + 1) for name, item in value.items()}
        case _:
            raise InvalidRequestError(f"{field}: {type(value).__name__} is not a JSON type")


def _name(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"{field}: an object's names must be text, not {type(value).__name__}")
    check_text(value, field)
    return str.__str__(value)


def check_text(text: str, field: str) -> None:
    """Refuse lone surrogates, which are no Unicode text and which no database keeps.

    Raises:
        InvalidRequestError: *text* holds one; the message names *field*.
    """
    position = -1 if text.isascii() else _lone_surrogate(text)
    if position >= 0:
        raise InvalidRequestError(f"{field}: a lone surrogate at position {position} is not Unicode text")


def _lone_surrogate(text: str) -> int:
    """Return where the first one stands, or -1. Python's own error would hold all of *text*, whatever is raised after it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return error.start
    return -1


def dump_json(value: object) -> str:
    """Return *value* on one line of ASCII, in the form today's columns hold (``, `` and ``: `` as separators)."""
    return _ENCODER.encode(value)


def dump_loaded(value: object) -> str:
    """Return a value that `load_json` gave, as JSON for a model that checks it: ``1e999``, which it gives as an infinite number, is
    no JSON, and for the model to refuse.
    """
    return json.dumps(value)


def dump_stored(value: object) -> str:
    """Return *value*, which can be stored, as what `load_json` reads equal: short and quick, for whom no form is promised."""
    try:
        return to_json(value).decode()
    except ValueError:
        return dump_json(value)


def load_json(text: str | bytes) -> Any:
    """Return the value that *text* holds. A number beyond those of 64-bit floats is infinite: see `check_parsed`.

    Raises:
        ValueError: *text* is not JSON, or says NaN or Infinity.
    """
    if type(text) is str:
        try:
            return _load_at_once(text)
        except (ValueError, TypeError):
            pass
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def load_storable_json(text: str) -> Any:
    """Return the value that *text* holds, if it is one that every backend keeps.

    Raises:
        ValueError: *text* is not JSON.
        InvalidRequestError: As `check_json`.
    """
    is_flat = text.count("[") + text.count("{") <= MAX_DEPTH
    try:
        value = _load_at_once(text)
    except (ValueError, TypeError):
        value, is_flat = load_json(text), False
    if is_flat:
        # What is read at once holds no half character and no endless number.
        _check_finite((value,))
    else:
        check_json(value, "value")
    return value


def _load_at_once(text: str) -> Any:
    """Return what most texts hold, in 0.6 of the time of Python's own parser.

    Raises:
        ValueError: It is for that parser to decide: lone surrogates, integers of more than 4,300 digits, deep nesting, no JSON.
        TypeError: The same.
    """
    return from_json(text, allow_inf_nan=False, cache_strings="keys")


def load_large_json(data: bytes) -> Any:
    """Return the value that *data* holds, as `load_json`, without keeping other threads waiting for the whole of it.

    The scanner in C lets nobody else run. Here it reads one item at a time of the outermost list, of the outermost object,
    and of the lists in that.
    """
    try:
        return _BY_ITEMS.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _ItemDecoder(json.JSONDecoder):
    """Reads the outermost container in Python and its items in C, but for a list in an outermost object: that in Python too."""

    scan_once: Any

    def __init__(self, *, is_outermost: bool = True) -> None:
        super().__init__(parse_constant=_refuse_constant)
        whole: Any = self.scan_once
        items: Any = _ItemDecoder(is_outermost=False).scan_once if is_outermost else None

        def read_object(place: tuple[str, int], strict: bool, _: Any, *hooks: Any) -> Any:
            if items is None:
                return whole(place[0], place[1] - 1)
            return JSONObject(place, strict, items, *hooks)

        self.parse_object = read_object
        self.parse_array = lambda place, _: JSONArray(place, whole)
        self.scan_once = py_make_scanner(self)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_BY_ITEMS = _ItemDecoder()
_ENCODER = json.JSONEncoder(allow_nan=False)
_CANONICAL = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Return bytes that are equal exactly when two values are equal type for type, whatever the order of names."""
    return _CANONICAL.encode(value).encode("ascii")


def fits(value: object, characters: int) -> bool:
    """Return whether *value*, which can be stored, takes at most so many *characters* as JSON in ASCII."""
    return not is_longer(value, characters) and (measure_json(value, "value") <= characters or len(dump_json(value)) <= characters)


def is_longer(value: object, characters: int) -> bool:
    """Return whether *value* takes more than *characters* as JSON, as far as looking at about so much of it tells.

    True is certain. Whatever stands in *value*, this takes time in proportion to *characters* at most, and ends where something is
    nested deeper than `MAX_DEPTH`: whoever goes the same way, such as `copy_json`, refuses that.
    """
    left = characters
    levels: list[Iterator[Any]] = [iter((value,))]
    while levels and left >= 0 and len(levels) <= MAX_DEPTH + 1:
        one = next(levels[-1], _NO_MORE)
        match one:
            case str():
                left -= len(one) + 2
            case int():
                left -= 1 + one.bit_length() // 4
            case list() | dict():
                left -= 2 * len(one)
                if left >= 0:
                    levels.append(iter([*one, *one.values()] if isinstance(one, dict) else one))
            case _ if one is _NO_MORE:
                levels.pop()
            case _:
                left -= 1
    return left < 0


def same_json(one: object, other: object) -> bool:
    """Return whether two values of plain types are equal type for type, whatever the order of names."""
    if type(one) is not type(other):
        return False
    match one, other:
        case list(), list():
            return len(one) == len(other) and all(map(same_json, one, other))
        case dict(), dict():
            return one.keys() == other.keys() and all(same_json(value, other[name]) for name, value in one.items())
        case float(), float():
            return repr(one) == repr(other)
    return one == other


def utf16_length(text: str) -> int:
    """Return the UTF-16 units of *text*: the unit in which Table Storage counts a property's 64 KiB."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
