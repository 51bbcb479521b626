"""Time as the library keeps it: timezone-aware UTC with microseconds, in one fixed-width text form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from bifrost_store.errors import InvalidRequestError

Clock = Callable[[], datetime]
"""Returns the present moment, timezone-aware. Passed in wherever time matters, so that tests can set it."""

MAX_SORTABLE_MS = 9_999_999_999_999
"""The last moment that 13 digits of milliseconds order."""
_TIME_LENGTH, _NAIVE_LENGTH, _WHOLE_SECONDS_LENGTH = 27, 26, 19
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """Return *moment* in UTC; a naive one is taken as UTC already.

    Raises:
        ValueError: There, it is before the year 1 or after 9999.
    """
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"the time {moment.isoformat()} is outside the years 1 to 9999 in UTC") from None


def format_time(moment: datetime) -> str:
    """Return *moment* as ``2025-11-14T11:11:51.872212Z``: always six digits, so that text order is time order."""
    return as_utc(moment).isoformat("T", "microseconds")[:_NAIVE_LENGTH] + "Z"


def parse_time(text: str) -> datetime:
    """Return the moment that an ISO 8601 *text* names; one without a zone is UTC.

    Raises:
        ValueError: *text* is not a date and time.
    """
    return as_utc(datetime.fromisoformat(text))


def normal_time(text: str) -> str:
    """Return the text that `format_time` gives for the moment which *text* names.

    Raises:
        ValueError: *text* is not a date and time.
    """
    moment = datetime.fromisoformat(text)
    is_extended = text[4:5] == text[7:8] == "-" and text[10:11] == "T" and text[13:14] == text[16:17] == ":"
    if moment.tzinfo is None and is_extended and text.isascii():
        # The library's own rows, and most of the old application's: the text says what is to be said.
        if len(text) == _NAIVE_LENGTH and text[19] == ".":
            return text + "Z"
        if len(text) == _WHOLE_SECONDS_LENGTH:
            return text + ".000000Z"
    return format_time(moment)


def parse_stored_time(text: str) -> datetime | None:
    """Return the moment that *text* names if it has the form that `format_time` gives; else None."""
    if len(text) != _TIME_LENGTH or not (text[4] == text[7] == "-" and text[10] == "T" and text[19] == "." and text[26] == "Z"):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def milliseconds_since_epoch(moment: datetime) -> int:
    """Return the whole milliseconds from 1970 to *moment*, rounded down."""
    delta = as_utc(moment) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def reverse_timestamp(moment: datetime) -> str:
    """Return the 13 digits that sort newer moments first, as today's row keys have them.

    Raises:
        InvalidRequestError: *moment* lies before 1970 or after 2286 and has no such form.
    """
    milliseconds = milliseconds_since_epoch(moment)
    if not 0 <= milliseconds <= MAX_SORTABLE_MS:
        raise InvalidRequestError(f"the time {moment.isoformat()} is outside 1970 to 2286 and cannot be ordered")
    return f"{MAX_SORTABLE_MS - milliseconds:013d}"
