"""What dual writes are not tried with by default, because it cannot go otherwise there than it goes on each backend alone.

The mirror carries records, whatever they hold, and looks at what a kind is for in one way alone: the library's own kinds
are not mirrored. ``BIFROST_TEST_PROFILE=thorough`` leaves nothing out.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import settings

from bifrost_store.core.record import Record

KINDS: Final = frozenset({"config", "execution", "membership", "legacy_row"})
"""One of each way to be stored: in one row; in several and a container of its own; in both directions; as a row of nobody's."""
_WITHOUT_WRITES: Final = {
    "test_bad_input.py": "is refused before a backend is asked",
    "test_repositories_form_input.py": "is refused before a backend is asked",
    "test_repositories_uploads.py": "is about blobs, which have one store",
}
_PAIRS: Final = "test_dual_stores.py"


def is_told_without(item: pytest.Item) -> bool:
    """Return whether *item* is about dual writes, and of what cannot differ there."""
    callspec = getattr(item, "callspec", None)
    is_of_pairs = item.path.name == _PAIRS
    if settings.get_current_profile_name() == "thorough" or callspec is None:
        return False
    if not is_of_pairs and callspec.params.get("harness") != "dual":
        return False
    return item.path.name in _WITHOUT_WRITES or any(_is_of_another_kind(value) for value in callspec.params.values())


def _is_of_another_kind(value: object) -> bool:
    return isinstance(value, Record) and value.key.kind not in KINDS
