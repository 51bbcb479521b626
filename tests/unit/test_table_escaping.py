"""Keys of Table Storage can hold any identifier, and those that rows have today stay as they are."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.core.json import utf16_length

FORBIDDEN = re.compile("[/\\\\#?\x00-\x1f\x7f-\x9f]")
identifiers = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128) | st.text(
    "%/#?LP2F\x00\u2028", max_size=128
)


@given(identifiers)
def test_any_identifier_survives(text: str) -> None:
    """What is escaped comes back, holds nothing forbidden, and grows at most threefold and two."""
    part = escape(text)

    assert text == unescape(part)
    assert not FORBIDDEN.search(part)
    assert utf16_length(part) <= 3 * len(text) + 2


@given(st.lists(identifiers, min_size=2, max_size=2, unique=True))
def test_different_identifiers_have_different_keys(pair: list[str]) -> None:
    """No two identifiers share a key."""
    assert escape(pair[0]) != escape(pair[1])


@given(identifiers)
def test_what_needs_no_escaping_stays(text: str) -> None:
    """Rows whose keys the old application wrote are found under the same keys."""
    if not FORBIDDEN.search(text) and not text.startswith("%%") and "\u2028" not in text and "\u2029" not in text:
        assert text == escape(text)
        assert text == unescape(text)
