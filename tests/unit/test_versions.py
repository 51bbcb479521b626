"""Versions that are told only when somebody asks."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

from bifrost_store.core.version import Version


def test_a_late_version_is_asked_once_and_is_like_any_other() -> None:
    """It equals what it tells, in sets and copies too, and what is made from it is a version by itself."""
    told = Version(3, "a" * 32, 2)
    asked: list[Version] = []

    def tell() -> Version:
        asked.append(told)
        return told

    late = Version.late(tell)
    assert [] == asked
    assert told == late
    assert {told} == {late}
    assert [told] == asked
    assert (told, told) == (copy.deepcopy(late), pickle.loads(pickle.dumps(late)))
    assert Version(3, "a" * 32, 5) == replace(late, epoch=5)
    assert told.next(write_id="b" * 32) == late.next(write_id="b" * 32)
    assert [told] == asked
