"""What the tests of dumps and loads share."""

from __future__ import annotations

import pytest

from bifrost_store.backends.sqlite import backend as sqlite_backend
from bifrost_store.transfer import dumping, loading


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of a few records takes several batches, and so does its load."""
    monkeypatch.setattr(sqlite_backend, "_SCAN_PAGE_SIZE", 2)
    monkeypatch.setattr(dumping, "_BLOBS_PER_STATE", 2)
    monkeypatch.setattr(loading, "_LINES_PER_STATE", 2)
    monkeypatch.setattr(loading, "_BLOBS_PER_STATE", 2)
