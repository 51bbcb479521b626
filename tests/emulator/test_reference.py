"""The reference page says what the code serves and refuses."""

from __future__ import annotations

from tools.emulator_reference import PAGE, page


def test_the_page_is_as_the_code() -> None:
    """The lists on the page are those of the code; `nox -s reference` writes them anew."""
    text = PAGE.read_text()
    assert page(text) == text
