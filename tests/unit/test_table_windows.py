"""Windows of times on Table Storage: whatever form a time has, the service is not asked to leave it out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.table.windows import stretches
from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.query import Range

_MOMENTS = st.integers(0, 300 * 365 * 86_400 * 10**6).map(
    lambda after: datetime(1900, 1, 1, tzinfo=UTC) + timedelta(microseconds=after)
)
_OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _forms(moment: datetime, offset: timezone) -> list[str]:
    local = moment.astimezone(offset)
    zone = local.isoformat()[26:] if local.microsecond else local.isoformat()[19:]
    year, week, day = local.isocalendar()
    return [
        moment.replace(tzinfo=None).isoformat(),
        local.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S.%f}{zone}",
        f"{local:%Y%m%dT%H%M%S.%f}{zone}",
        f"{year:04}-W{week:02}-{day}T{local:%H:%M:%S.%f}{zone}",
        f"{year:04}W{week:02}{day}T{local:%H%M%S.%f}{zone}",
        f"{moment:%Y-%m-%d}",
    ]


@given(moment=_MOMENTS, offset=_OFFSETS, before=st.integers(0, 10**7), length=st.integers(1, 10**7))
def test_no_form_of_a_time_in_a_window_is_left_out(moment: datetime, offset: timezone, before: int, length: int) -> None:
    """A text that names a moment of the window, in whatever form, lies in one of the stretches."""
    first = moment - timedelta(seconds=min(before, length - 1))
    window = Range("completedAt", format_time(first), format_time(first + timedelta(seconds=length)))
    wanted = stretches(window)
    for text in _forms(moment, offset):
        if window.ge is not None and window.lt is not None and window.ge <= format_time(parse_time(text)) < window.lt:
            assert not wanted or any(
                isinstance(low, str) and isinstance(high, str) and low <= text < high for low, high in wanted
            ), text


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2025-01-01T00:00:00.000000Z", None),
        (None, "2025-01-01T00:00:00.000000Z"),
        ("x", "y"),
        ("20250101", "20250102"),
        ("2025-01-01T00:00:00.000000Z", "2025-01-02T00:00:00+02:00"),
        ("2020-01-01T00:00:00.000000Z", "2025-01-01T00:00:00.000000Z"),
        ("0001-01-01T00:00:00.000000Z", "0001-01-02T00:00:00.000000Z"),
    ],
)
def test_what_is_no_short_window_leaves_nothing_out(first: str | None, last: str | None) -> None:
    """Open ends, texts that are no times of ours, several years, the beginning of the calendar."""
    assert stretches(Range("completedAt", first, last)) == []
