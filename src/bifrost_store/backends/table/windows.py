"""Ranges of a column of times, as far as the service can tell: more rows than are in them, and none fewer.

Times are stored as texts, which other tools may have written with an offset, in any of the forms of ISO 8601, or as the service's
own type. A comparison of texts goes by the first characters alone: the date, to the day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.query import Range

Stretch = tuple[str, str] | tuple[datetime, datetime]
"""From a value on, to below another one of its type."""

_MOST_YEARS: Final = 2
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=8)
"""A week's year may be another than its days'."""
_FIRST: Final = datetime(1601, 1, 1, tzinfo=UTC)
"""The earliest time of the service's own type ("Understanding the Table service data model", Microsoft)."""


def stretches(condition: Range) -> list[Stretch]:
    """Return what a column of times may hold that *condition* lets through, one of these; none: it may be anything.

    Of the service's own type that is the range itself, of texts more: an offset moves a date by a day at most, and texts without
    dashes, or with weeks, are told by their year.
    """
    try:
        first, last = _moment(condition.ge), _moment(condition.lt)
        dates = ((first - _DAY).date().isoformat(), (last + 2 * _DAY).date().isoformat())
        years = range((first - _WEEK).year, (last + _WEEK).year + 1)
    except (ValueError, OverflowError):
        return []
    if len(years) > _MOST_YEARS:
        return []
    others = [(f"{year:04}-W", f"{year + 1:04}") for year in years]
    return [dates, *others, (max(first, _FIRST), max(last, _FIRST))]


def _moment(bound: str | None) -> datetime:
    """Return the moment that a bound names in the library's own form: texts in another are in another order."""
    moment = parse_time(bound or "")
    if format_time(moment) != bound:
        raise ValueError
    return moment
