"""What dual writes are not tried with by default, because it cannot go otherwise there than it goes on each backend alone.

The mirror carries records, whatever they hold, and looks at what a kind is for in one way alone: the library's own kinds
are not mirrored. ``BIFROST_TEST_PROFILE=thorough`` leaves nothing out.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import settings

from bifrost_store.core.record import Record
from bifrost_store.testing.collecting import topic_of

KINDS: Final = frozenset({"config", "execution", "membership", "legacy_row"})
"""One of each way to be stored: in one row; in several and a container of its own; in both directions; as a row of nobody's."""
_WITHOUT_WRITES: Final = {
    "bad_input": "is refused before a backend is asked",
    "repositories_form_input": "is refused before a backend is asked",
    "repositories_uploads": "is about blobs, which have one store",
    "metrics": "writes records of one kind; test_metrics_seeds.py does so in two stores",
}
_PAIRS: Final = "test_dual_stores"


def is_told_without(item: pytest.Item) -> bool:
    """Return whether *item* is about dual writes, and of what cannot differ there."""
    callspec = getattr(item, "callspec", None)
    topic = topic_of(item)
    if settings.get_current_profile_name() == "thorough" or callspec is None:
        return False
    if topic != _PAIRS and callspec.params.get("harness") != "dual":
        return False
    return topic in _WITHOUT_WRITES or any(_is_of_another_kind(value) for value in callspec.params.values())


def _is_of_another_kind(value: object) -> bool:
    return isinstance(value, Record) and value.key.kind not in KINDS
