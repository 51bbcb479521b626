"""Times as texts: what the short ways tell is what the long way tells."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.clock import format_time, normal_time, parse_stored_time, parse_time

MOMENTS = st.datetimes(timezones=st.sampled_from([None, UTC]))


@given(MOMENTS, st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]), st.sampled_from("T _"))
def test_a_text_is_made_normal(moment: datetime, precision: str, separator: str) -> None:
    """Whatever Python writes of a moment becomes what the library writes of it, and is read as that moment."""
    text = moment.isoformat(separator, precision)

    assert format_time(parse_time(text)) == normal_time(text)
    assert parse_time(text) == parse_stored_time(normal_time(text))


@pytest.mark.parametrize(
    "text",
    ["2025-11-20T120000.1", "2025-11-20T120000.12345678", "20251120T12:00:00.1", "2025-W47-4T12:00:00", "-"],
)
def test_odd_forms_are_read_as_python_reads_them(text: str) -> None:
    """A text of the right length in another of ISO 8601's forms is made normal too, or refused as it is elsewhere."""
    try:
        wanted = format_time(parse_time(text))
    except ValueError:
        with pytest.raises(ValueError, match="isoformat"):
            normal_time(text)
    else:
        assert wanted == normal_time(text)
        assert parse_time(text) == parse_stored_time(wanted)
