"""Whatever is logged becomes JSON that every store keeps; and a spool gives back what it took, wherever it had to put it."""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.json import check_json, dump_json, same_json
from bifrost_store.recording.masks import MASK, Masks
from bifrost_store.recording.spool import Spool
from bifrost_store.recording.values import MAX_LINE_DATA_BYTES, as_json, clean_text, cut_json, cut_text

TEXTS = st.text(st.characters(), max_size=30)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def _huge_integer() -> int:
    return 10**5000


ANYTHING = st.recursive(
    st.one_of(
        PLAIN,
        st.floats(),
        TEXTS,
        st.binary(max_size=9),
        st.datetimes(),
        st.complex_numbers(),
        st.just(object()),
        st.builds(_huge_integer),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.frozensets(st.integers(), max_size=3),
        st.dictionaries(st.one_of(TEXTS, st.integers(), st.none()), inner, max_size=4),
    ),
    max_leaves=20,
)


class Hostile:
    """Fails wherever it is touched."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class HostileMapping(Mapping[str, int]):
    """Fails while it is read."""

    def __getitem__(self, key: str) -> int:
        raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("changed")

    def __len__(self) -> int:
        return 1


@given(ANYTHING)
def test_anything_is_json_afterwards(value: object) -> None:
    copy, characters = as_json(value)
    check_json(copy, "value")
    assert characters > 0


@given(PLAIN)
def test_json_stays_as_it_is(value: Any) -> None:
    assert same_json(as_json(value)[0], value)


@pytest.mark.parametrize("value", [Hostile(), [Hostile()], {"a": HostileMapping()}, HostileMapping(), {Hostile(): 1}])
def test_what_fails_is_named(value: object) -> None:
    copy, _ = as_json(value)
    check_json(copy, "value")
    assert "RuntimeError" in dump_json(copy)


def test_cycles_depths_and_masses_end() -> None:
    cycle: dict[str, Any] = {"a": []}
    cycle["a"].append(cycle)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value, mark in ((cycle, "cycle"), (deep, "nested too deeply"), (list(range(200_000)), "too many parts")):
        copy, _ = as_json(value)
        check_json(copy, "value")
        assert mark in json.dumps(copy, ensure_ascii=False)
    shared = [1]
    assert as_json([shared, shared])[0] == [[1], [1]]
    assert as_json([math.nan, math.inf])[0] == ["nan", "inf"]


@given(TEXTS, st.integers(40, 200))
def test_texts_are_cut_to_bytes(text: str, most: int) -> None:
    clean = clean_text(text)
    clean.encode()
    cut = cut_text(clean * 20, most)
    assert len(cut.encode()) <= most
    assert cut == clean * 20 or "[cut: " in cut


@given(PLAIN, st.sampled_from([300, MAX_LINE_DATA_BYTES]))
def test_values_are_cut_to_bytes(value: Any, most: int) -> None:
    cut = cut_json([value] * 50, most)
    assert len(dump_json(cut)) <= most
    assert cut == [value] * 50 or cut["cut"] == f"{len(dump_json([value] * 50))} bytes"


@given(PLAIN, st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=12))
def test_a_secret_is_found_nowhere(value: Any, secret: str) -> None:
    masks = Masks(["authorization"])
    masks.add(secret)
    hidden = {"a": [value, secret, f"x{secret}y", {secret: 1}], "authorization": value}
    shown = masks.json(hidden)
    assert secret not in MASK
    assert all(secret not in text for text in _texts(shown))
    assert shown["authorization"] == (None if value is None else MASK)


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for part in value for text in _texts(part)]
        case dict():
            return [*value, *(text for part in value.values() for text in _texts(part))]
        case _:
            return []


@given(
    st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.integers(1, 5)), max_size=60),
    st.booleans(),
    st.integers(0, 200),
    st.integers(0, 6),
)
def test_a_spool_is_a_queue(steps: list[bytes | int], is_kept: bool, memory: int, writes: int) -> None:
    """Bytes are appended, a number takes so many; the disk is full after some writes."""
    spool = Spool(is_kept=is_kept, memory_bytes=memory, most_bytes=600)
    taken: list[bytes] = []
    appended: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda **_: _FullDisk(writes))
        for step in steps:
            if isinstance(step, bytes):
                if spool.append(step):
                    appended.append(step)
                continue
            waiting = spool.waiting(step, 80)
            assert waiting == appended[len(taken) : len(taken) + len(waiting)]
            assert bool(waiting) == (len(taken) < len(appended))
            taken += waiting
            spool.sent(len(waiting))
            assert len(spool) == len(appended) - len(taken)
        everything, waiting = list(spool.all()), appended[len(taken) :]
        assert everything == appended if is_kept else everything[len(everything) - len(waiting) :] == waiting
    if memory >= 600:
        assert sum(map(len, appended)) <= 600 or not is_kept


class _FullDisk:
    """A file that takes so many writes, each of them in part."""

    def __init__(self, writes: int) -> None:
        self._left = writes
        self._data = bytearray()
        self._at = 0

    def seek(self, position: int) -> None:
        self._at = position

    def write(self, data: bytes | memoryview) -> int:
        if self._left == 0:
            raise OSError(28, "No space left on device")
        self._left -= 1
        part = bytes(data)[: random.Random(len(data)).randint(1, len(data))]
        self._data[self._at : self._at + len(part)] = part
        self._at += len(part)
        return len(part)

    def read(self, size: int) -> bytes:
        found = bytes(self._data[self._at : self._at + size])
        self._at += size
        return found

    def close(self) -> None:
        self._data.clear()


@pytest.mark.parametrize(
    ("names", "shown"), [(["pin_code"], {"PIN_code_2": MASK, "token": "abc"}), ([], {"PIN_code_2": 1, "token": "abc"})]
)
def test_the_names_that_are_masked_are_a_setting(names: list[str], shown: dict[str, object]) -> None:
    """The platform knows what its workflows call secrets."""
    assert shown == Masks(names).json({"PIN_code_2": 1, "token": "abc"})
