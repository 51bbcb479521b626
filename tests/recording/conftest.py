"""What the tests of recordings share."""

from __future__ import annotations

import logging

import pytest

from bifrost_store.recording import turns


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outages in tests are not outages of minutes."""
    monkeypatch.setattr(turns, "_FIRST_WAIT", 0.002)
    monkeypatch.setattr(turns, "_LONGEST_WAIT", 0.05)


@pytest.fixture
def root_at_debug() -> object:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield root
    root.setLevel(before)
