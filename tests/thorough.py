"""How long property tests look."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

_TIMES_AS_MANY: Final = 16


def is_thorough() -> bool:
    """Return whether tests are to take their time: ``BIFROST_TEST_PROFILE=thorough``."""
    return settings.get_current_profile_name() == "thorough"


def examples(count: int) -> settings:
    """So many examples of a property; 16 times as many in the profile ``thorough``."""
    return settings(max_examples=count * _TIMES_AS_MANY if is_thorough() else count)
