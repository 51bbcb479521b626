from __future__ import annotations

import json
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.emulator.numbers import INFINITY, NAN, number
from bifrost_store.emulator.sql.values import (
    TYPE_NAMES,
    UNDEFINED,
    compare,
    equals,
    lookup,
    prefix_bounds,
    sort_key,
    type_bounds,
    type_rank,
)

numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(2**53 - 3, 2**53 + 3),
    st.integers(-(2**64), 2**64),
    st.floats(allow_nan=False),
    st.sampled_from([0.5, -0.0, 2.0**53, 2.0**53 + 2, 1e308, -1e308, 5e-324, 10**400]),
).map(number)
texts = st.one_of(st.text(max_size=4), st.text(alphabet="a\x00\x01\xff\ud800\uffff😀", max_size=4))
scalars = st.one_of(st.just(UNDEFINED), st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)), max_leaves=8
)

IN_ORDER: list[Any] = [
    UNDEFINED, None, False, True, NAN, -INFINITY, -1e308, -(2**53) - 2, -(2**53), -1.5, -1, 0, 5e-324, 0.5, 1, 2**53 - 1, 2**53,
    2**53 + 2, 1e308, INFINITY, "", "\x00", "\x00a", "A", "a", "a\x00", "aa", "é", "\uffff", "😀",
    [], [None], [1], [1, 2], [2], ["a", 1], ["a\x00"], {}, {"a": 1}, {"a": 1, "b": 1}, {"a": 2}, {"b": 0},
]  # fmt: skip


def test_order_of_types_and_values() -> None:
    """Values order by type and then by value, in `compare` and in sort keys alike."""
    for position, left in enumerate(IN_ORDER):
        for other, right in enumerate(IN_ORDER):
            wanted = (position > other) - (position < other)

            assert wanted == compare(left, right), (left, right)
            assert wanted == (sort_key(left) > sort_key(right)) - (sort_key(left) < sort_key(right)), (left, right)


@given(values, values)
def test_sort_keys_order_like_compare(left: Any, right: Any) -> None:
    """Sort keys order any two values as `compare` does, and are equal just for equal values."""
    one, other = sort_key(left), sort_key(right)

    assert compare(left, right) == (one > other) - (one < other)
    assert equals(left, right) == (one == other)
    assert compare(left, right) == -compare(right, left)


@given(values, values, values, values)
def test_joined_keys_order_like_tuples(left: Any, right: Any, second: Any, other: Any) -> None:
    """Keys joined without a separator order like the values one after the other."""
    joined, against = sort_key(left) + sort_key(second), sort_key(right) + sort_key(other)

    assert (compare(left, right) or compare(second, other)) == (joined > against) - (joined < against)


def test_joined_keys_with_nul() -> None:
    """A NUL within a string is no end of it: what follows a shorter string does not count."""
    assert sort_key("a") + sort_key({}) < sort_key("a\x00") + sort_key(UNDEFINED)
    assert sort_key(["a", {}]) < sort_key(["a\x00"])


@given(values)
def test_bounds_hold_all_keys_of_a_type(value: Any) -> None:
    """A type's bounds hold its keys and no others."""
    for rank in range(len(TYPE_NAMES)):
        low, high = type_bounds(rank)

        assert (low <= sort_key(value) < high) == (rank == type_rank(value))


@given(texts, values)
def test_prefix_bounds(prefix: str, value: Any) -> None:
    """The bounds of a prefix hold just the strings that begin with it."""
    low, high = prefix_bounds(prefix)

    assert (low <= sort_key(value) < high) == (type(value) is str and value.startswith(prefix))


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (0, -0.0, True),
        (NAN, 1, False),
        (None, UNDEFINED, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ([1, [2]], [1, [2]], True),
        ([1], [1, 1], False),
        ({"a": None}, {"b": None}, False),
        ("é", "e\u0301", False),
    ],
)
def test_equality(left: Any, right: Any, wanted: bool) -> None:
    """Equality is deep, strict about types, blind to the order of keys and to how a number is written."""
    assert wanted is equals(left, right)
    assert wanted is (sort_key(left) == sort_key(right))


@given(st.lists(values, max_size=8))
def test_sorting_by_keys_is_sorting_by_compare(items: list[Any]) -> None:
    """A list sorted by keys is the list sorted by comparison."""
    by_compare = sorted(items, key=cmp_to_key(compare))

    assert list(map(sort_key, by_compare)) == sorted(map(sort_key, items))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [(("a", "b"), 1), (("a", "x"), UNDEFINED), (("l", 1), 5), (("l", 2), UNDEFINED), (("l", -1), UNDEFINED),
     (("l", "0"), UNDEFINED), (("a", 0), UNDEFINED), ((), {"a": {"b": 1}, "l": [4, 5]}), (("a", "b", "c"), UNDEFINED)],
)  # fmt: skip
def test_lookup(path: tuple[Any, ...], wanted: Any) -> None:
    """A path leads to a value or is undefined."""
    assert wanted == lookup(json.loads('{"a": {"b": 1}, "l": [4, 5]}'), path)
