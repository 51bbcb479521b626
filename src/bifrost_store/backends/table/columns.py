"""Columns of today's rows: what a field of a body is called there, and how its value is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from azure.data.tables import EdmType, EntityProperty

from bifrost_store.backends.table.account import Row
from bifrost_store.core.clock import as_utc, format_time, normal_time, parse_time
from bifrost_store.core.json import dump_json, load_json, load_storable_json
from bifrost_store.core.record import Body, Expiry
from bifrost_store.errors import InvalidRequestError

_LONG_AGO: Final = "1970-01-01T00:00:00.000000Z"
"""Stands for a time of creation that no column tells."""
_WHOLE_SECONDS: Final = len("2025-11-14T11:11:51")
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)


class Reading(Enum):
    """By which rules a row is read."""

    SEALED = auto()
    """It is as this library wrote it: nothing needs to be checked."""
    EXACT = auto()
    """As what this library wrote last, if it did."""
    LENIENT = auto()
    """As what the old application wrote last: by the rules for what it leaves out or tolerates."""


@dataclass(frozen=True, slots=True)
class Codec:
    """Between a field's JSON value and a column's value. *decode* raises ValueError for what it cannot read.

    Attributes:
        decode_own: *decode* for what *encode* wrote, where that takes less.
        is_plain_text: The column holds the field's text as it is, but for what *decode* makes of an empty one.
        is_blank_nothing: On rows that the old application wrote last, an empty text counts as no value.
        is_storable: What *decode* returns is checked to be what every backend keeps.
        kept_type: Values of exactly this type *decode* returns as they are.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    decode_own: Callable[[Any], Any] | None = None
    is_plain_text: bool = False
    is_blank_nothing: bool = False
    is_storable: bool = False
    kept_type: type | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A field and its column.

    Attributes:
        field: Name in the body.
        name: Name of the column; today's, or one of ours, which begin with ``Bs``.
        codec: How the value is written.
        older_names: Columns of older rows that hold the same.
        default: The field's value where the row has no such column.
        old_default: The same on rows that the old application wrote last, of a column that it can do without.
        is_forgiven: On such rows, a value that cannot be read counts as none, as in the old application.
        repeats_key: The row key says it; a column that says something else is unreadable.
        is_plain: Only *name* and the defaults tell the field.
        has_null: None has a column, which says so.
        kept_type: Values of exactly this type are the field's.
    """

    field: str
    name: str
    codec: Codec
    older_names: tuple[str, ...] = ()
    default: Any = None
    old_default: Any = None
    is_forgiven: bool = False
    repeats_key: bool = False
    is_plain: bool = dataclasses.field(init=False)
    has_null: bool = dataclasses.field(init=False)
    kept_type: type | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        # Told once: every row that is read asks.
        object.__setattr__(self, "is_plain", not self.older_names and not self.repeats_key)
        object.__setattr__(self, "has_null", self.default is not None and self.codec is JSON)
        object.__setattr__(self, "kept_type", None if self.repeats_key else self.codec.kept_type)


class Content(NamedTuple):
    """What a row holds beside its version: the body, the columns that travel along, and the expiry."""

    body: Body
    extra: Body
    expires_at: Expiry


class UnreadableColumnError(ValueError):
    """A column of a row cannot be read; the message names it."""


class OwnColumns:
    """Reads the *columns* of rows that are as this library wrote them, and checks nothing."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._fields = [column.field for column in columns]
        self._names = [column.name for column in columns]
        self._told_by_key = [column.field for column in columns if column.repeats_key]
        decoders = [(column, column.codec.decode_own or column.codec.decode) for column in columns if not column.repeats_key]
        self._others = [
            (column.field, column.default, decode)
            for column, decode in decoders
            if column.default is not None or decode is not _same
        ]

    def read(self, row: Mapping[str, Any], known: Body) -> Body:
        """Return the fields that *row* holds, and of *known* those that its key tells."""
        body: Body = dict(zip(self._fields, map(row.get, self._names), strict=True))
        for field, default, decode in self._others:
            value = body[field]
            body[field] = default if value is None else decode(value)
        for field in self._told_by_key:
            body[field] = known[field]
        return body


def encode_columns(columns: Sequence[Column], body: Mapping[str, Any]) -> Row:
    """Return the columns of *body*; None has no column, unless the field of a row without the column were something else."""
    return {c.name: c.codec.encode(body[c.field]) for c in columns if body[c.field] is not None or c.has_null}


def decode_columns(columns: Sequence[Column], row: Mapping[str, Any], known: Body, *, is_old: bool) -> Body:
    """Return the fields that *row* holds.

    Args:
        columns: Of the kind.
        row: The columns that are stored.
        known: The fields that the row key tells.
        is_old: Read by the rules for rows that the old application wrote last.

    Raises:
        UnreadableColumnError: A value cannot be read as its field.
    """
    body: Body = {}
    for column in columns:
        # Most columns hold what they say, or nothing.
        value = row.get(column.name)
        if type(value) is column.kept_type:
            body[column.field] = value
        elif value is None and column.is_plain:
            body[column.field] = column.old_default if is_old and column.default is None else column.default
        else:
            body[column.field] = _decode(column, row, known, is_old=is_old)
    return body


def readable_columns(columns: Sequence[Column], row: Mapping[str, Any], known: Body) -> Body:
    """Return those fields of *row* that can be read."""
    body: Body = {}
    for column in columns:
        with suppress(UnreadableColumnError):
            body[column.field] = _decode(column, row, known, is_old=True)
    return body


def _decode(column: Column, row: Mapping[str, Any], known: Body, *, is_old: bool) -> Any:
    if column.repeats_key:
        return _repeated(column, row.get(column.name), known[column.field])
    for name in (column.name, *column.older_names):
        value = row.get(name)
        if value is None or (is_old and value == "" and column.codec.is_blank_nothing):
            continue
        try:
            return column.codec.decode(value)
        except (ValueError, TypeError, ArithmeticError) as error:
            if not (is_old and column.is_forgiven):
                raise UnreadableColumnError(f"column {name}: {error}") from None
    return _default(column, is_old=is_old)


def _default(column: Column, *, is_old: bool) -> Any:
    return column.default if column.default is not None or not is_old else column.old_default


def _repeated(column: Column, value: Any, expected: Any) -> Any:
    if value is not None and not (isinstance(value, str) and value in ("", expected)):
        raise UnreadableColumnError(f"column {column.name}: says something else than the row key")
    return expected


def since(body: Body, *fields: str) -> Body:
    """Return *body* with a time of creation and of the last change: each from the other, else from *fields*, else 1970."""
    known = next((body[name] for name in ("createdAt", "updatedAt", *fields) if body.get(name) is not None), _LONG_AGO)
    times = {"createdAt": body["createdAt"] or known}
    if "updatedAt" in body:
        times["updatedAt"] = body["updatedAt"] or times["createdAt"]
    return {**body, **times}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {type(value).__name__}")
    return value


def _boolean(value: Any) -> bool:
    """Return a boolean that other tools may have stored as text or number, as the old application takes it."""
    plain = value.lower() if isinstance(value, str) else value
    if isinstance(plain, bool | str | int | float) and plain in _BOOLEANS:
        return _BOOLEANS[plain]
    raise ValueError(f"expected a boolean, found {type(value).__name__}")


def integer(value: Any) -> int:
    """Return a whole number that older code may have stored as Int32, Int64, Double or text."""
    if type(value) is int:
        return value
    if isinstance(value, EntityProperty):
        value = value.value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a whole number, found {type(value).__name__}")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("expected a whole number, found a fraction")
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise ValueError("expected a whole number") from None


def dump_integer(value: int) -> int | str | EntityProperty:
    """Return a whole number as a column takes it: of the SDK's own accord none beyond 32 bits, and as a number none beyond 64."""
    if value in _INT32:
        return value
    return EntityProperty(value, EdmType.INT64) if value in _INT64 else str(value)


def time_text(value: Any) -> str:
    """Return a stored date and time in the library's text form."""
    if isinstance(value, datetime):
        return format_time(value)
    try:
        return normal_time(_text(value))
    except ValueError:
        raise ValueError("expected a date and time") from None


def naive_time(text: str) -> str:
    """Return a time as today's rows have it: naive, and without a fraction that is zero."""
    return as_utc(parse_time(text)).replace(tzinfo=None).isoformat()


def _own_time(text: str) -> str:
    """Return the text that `naive_time` was given, in the library's form."""
    return text + (".000000Z" if len(text) == _WHOLE_SECONDS else "Z")


def _json(value: Any) -> Any:
    text = _text(value)
    try:
        return load_storable_json(text)
    except (ValueError, InvalidRequestError):
        raise ValueError("expected JSON") from None


def _names(value: Any) -> Any:
    names = _json(value)
    if type(names) is not dict or not _NAMED.issuperset(map(type, names.values())):
        raise ValueError("expected a JSON object of names")
    return names


def _same(value: Any) -> Any:
    return value


_NAMED: Final = frozenset({str, type(None)})
_BOOLEANS: Final[Mapping[object, bool]] = {True: True, False: False, "true": True, "false": False}

TEXT = Codec(_same, _text, _same, is_plain_text=True, kept_type=str)
BOOLEAN = Codec(_same, _boolean, _same, is_storable=True, kept_type=bool)
INTEGER = Codec(dump_integer, integer, is_blank_nothing=True, is_storable=True, kept_type=int)
TIME = Codec(naive_time, time_text, _own_time, is_blank_nothing=True, is_storable=True)
JSON = Codec(dump_json, _json, load_json, is_blank_nothing=True, is_storable=True)
NAMES = Codec(dump_json, _names, load_json, is_storable=True)
