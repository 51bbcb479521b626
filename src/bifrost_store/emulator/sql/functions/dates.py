"""Date and time functions over strings ``YYYY-MM-DDThh:mm:ss.fffffffZ``, ticks of 100 ns and milliseconds since 1970."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date

from bifrost_store.emulator.numbers import number as number_of
from bifrost_store.emulator.numbers import whole
from bifrost_store.emulator.sql.functions.registry import TICKS_PER_SECOND, Function, Table
from bifrost_store.emulator.sql.values import UNDEFINED, Value

_TICKS_PER_DAY = 86_400 * TICKS_PER_SECOND
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TEXT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,7}))?)?Z?", re.ASCII)
_FIRST_TICK = (1 - _EPOCH_DAY) * _TICKS_PER_DAY
_LAST_TICK = (date(9999, 12, 31).toordinal() + 1 - _EPOCH_DAY) * _TICKS_PER_DAY
_WINDOWS_EPOCH = (date(1601, 1, 1).toordinal() - _EPOCH_DAY) * _TICKS_PER_DAY

_PARTS = {
    "year": ("year", "yyyy", "yy"),
    "month": ("month", "mm", "m"),
    "day": ("day", "dd", "d"),
    "hour": ("hour", "hh"),
    "minute": ("minute", "mi", "n"),
    "second": ("second", "ss", "s"),
    "millisecond": ("millisecond", "ms"),
    "microsecond": ("microsecond", "mcs"),
    "nanosecond": ("nanosecond", "ns"),
}
_PART_NAMES = {spelling: part for part, spellings in _PARTS.items() for spelling in spellings}

_NANOSECONDS = {
    "day": 86_400 * 10**9,
    "hour": 3_600 * 10**9,
    "minute": 60 * 10**9,
    "second": 10**9,
    "millisecond": 10**6,
    "microsecond": 1_000,
    "nanosecond": 1,
}
"""The lengths of the parts that have one."""


def read_ticks(text: Value) -> int | None:
    """Return the ticks of a date and time string, or None if it is none."""
    found = _TEXT.fullmatch(text) if type(text) is str else None
    if found is None:
        return None
    parts = [int(part or 0) for part in found.groups()[:6]]
    return _ticks(*parts, int((found[7] or "").ljust(7, "0")))


def _ticks(year: int, month: int, day: int, *time: int) -> int | None:
    """Return the ticks of a date and time in up to seven numbers, or None if there is no such time."""
    hour, minute, second, fraction = (*time, 0, 0, 0, 0)[:4]
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and 0 <= fraction < TICKS_PER_SECOND):
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except (ValueError, OverflowError):
        return None
    return (days * 86_400 + hour * 3_600 + minute * 60 + second) * TICKS_PER_SECOND + fraction


def write_ticks(ticks: int) -> Value:
    """Return the date and time string of *ticks*, or UNDEFINED beyond the years 1 to 9999."""
    if not _FIRST_TICK <= ticks < _LAST_TICK:
        return UNDEFINED
    days, rest = divmod(ticks, _TICKS_PER_DAY)
    seconds, fraction = divmod(rest, TICKS_PER_SECOND)
    day = date.fromordinal(days + _EPOCH_DAY)
    return f"{day.isoformat()}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:07}Z"


def _part(name: Value) -> str | None:
    return _PART_NAMES.get(name.lower()) if type(name) is str else None


def _day(ticks: int) -> date:
    return date.fromordinal(ticks // _TICKS_PER_DAY + _EPOCH_DAY)


def _shifted(part: str, number: int, ticks: int) -> Value:
    if part not in _NANOSECONDS:
        return _months_later(number * (12 if part == "year" else 1), ticks)
    distance = abs(number) * _NANOSECONDS[part] // 100
    return write_ticks(ticks + (distance if number >= 0 else -distance))


def _months_later(number: int, ticks: int) -> Value:
    day = _day(ticks)
    year, month = divmod(day.year * 12 + day.month - 1 + number, 12)
    if not 1 <= year <= 9999:
        return UNDEFINED
    # As in .NET, the 31st becomes the last day of a shorter month.
    later = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return write_ticks((later.toordinal() - _EPOCH_DAY) * _TICKS_PER_DAY + ticks % _TICKS_PER_DAY)


def _add(name: Value, count: Value, text: Value) -> Value:
    part, number, ticks = _part(name), whole(count), read_ticks(text)
    if part is None or number is None or ticks is None:
        return UNDEFINED
    return _shifted(part, number, ticks)


def _ago(now: int, name: Value, count: Value) -> Value:
    part, number = _part(name), whole(count)
    return UNDEFINED if part is None or number is None else _shifted(part, -number, now)


def _now(now: int, *moved_by: Value) -> Value:
    """Return the time; with a part and a count, moved by so many of them."""
    if not moved_by:
        return write_ticks(now)
    part, number = _part(moved_by[0]), whole(moved_by[-1])
    return UNDEFINED if part is None or number is None else _shifted(part, number, now)


def _difference(name: Value, start: Value, end: Value) -> Value:
    """Count the boundaries of a part that lie between two times."""
    part, first, last = _part(name), read_ticks(start), read_ticks(end)
    if part is None or first is None or last is None:
        return UNDEFINED
    if part in _NANOSECONDS:
        return number_of(last * 100 // _NANOSECONDS[part] - first * 100 // _NANOSECONDS[part])
    one, other = _day(first), _day(last)
    years = other.year - one.year
    return years if part == "year" else years * 12 + other.month - one.month


def _bin(text: Value, name: Value, size: Value = 1, start: Value = "1970-01-01") -> Value:
    ticks, part, number, origin = read_ticks(text), _part(name), whole(size), read_ticks(start)
    if ticks is None or part not in _NANOSECONDS or number is None or number <= 0 or origin is None or origin < _WINDOWS_EPOCH:
        return UNDEFINED
    width = _NANOSECONDS[part] * number
    return write_ticks(origin + (ticks - origin) * 100 // width * width // 100)


def _read_part(name: Value, text: Value) -> Value:
    part, ticks = _part(name), read_ticks(text)
    if part is None or ticks is None:
        return UNDEFINED
    if part in ("year", "month", "day"):
        return getattr(_day(ticks), part)
    if part in ("hour", "minute", "second"):
        limit = 24 if part == "hour" else 60
        return ticks * 100 // _NANOSECONDS[part] % limit
    return ticks % TICKS_PER_SECOND * 100 // _NANOSECONDS[part]


def _from_parts(*parts: Value) -> Value:
    numbers = [whole(part) for part in parts]
    if None in numbers:
        return UNDEFINED
    ticks = _ticks(*(number for number in numbers if number is not None))
    return UNDEFINED if ticks is None else write_ticks(ticks)


def _from_count(ticks_each: int) -> Callable[[Value], Value]:
    def convert(count: Value) -> Value:
        number = whole(count)
        return UNDEFINED if number is None else write_ticks(number * ticks_each)

    return convert


def _to_count(ticks_each: int) -> Callable[[Value], Value]:
    def convert(text: Value) -> Value:
        ticks = read_ticks(text)
        return UNDEFINED if ticks is None else number_of(ticks // ticks_each)

    return convert


def _reading(part: str) -> Function:
    return Function(1, 1, lambda text: _read_part(part, text))


_NOW = Function(0, 0, write_ticks, is_timed=True)
_NOW_TICKS = Function(0, 0, number_of, is_timed=True)
_NOW_TIMESTAMP = Function(0, 0, lambda now: now // 10_000, is_timed=True)

TABLE: Table = {
    "AGO": Function(2, 2, _ago, is_timed=True),
    "DATETIMEADD": Function(3, 3, _add),
    "DATETIMEBIN": Function(2, 4, _bin),
    "DATETIMEDIFF": Function(3, 3, _difference),
    "DATETIMEFROMPARTS": Function(3, 7, _from_parts),
    "DATETIMEPART": Function(2, 2, _read_part),
    "DATETIMETOTICKS": Function(1, 1, _to_count(1)),
    "DATETIMETOTIMESTAMP": Function(1, 1, _to_count(10_000)),
    "DAY": _reading("day"),
    "GETCURRENTDATETIME": _NOW,
    "GETCURRENTDATETIMESTATIC": _NOW,
    "GETCURRENTTICKS": _NOW_TICKS,
    "GETCURRENTTICKSSTATIC": _NOW_TICKS,
    "GETCURRENTTIMESTAMP": _NOW_TIMESTAMP,
    "GETCURRENTTIMESTAMPSTATIC": _NOW_TIMESTAMP,
    "MONTH": _reading("month"),
    "NOW": Function(0, 2, _now, is_timed=True),
    "TICKSTODATETIME": Function(1, 1, _from_count(1)),
    "TIMESTAMPTODATETIME": Function(1, 1, _from_count(10_000)),
    "YEAR": _reading("year"),
}
