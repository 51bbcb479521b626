"""Histograms: which bucket a value counts in, and what percentiles read from them promise."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.histogram import (
    MAX_BUCKET,
    add_histograms,
    add_packed,
    bucket_of,
    bucket_width,
    compile_bucket,
    pack_histogram,
    percentile,
    unpack_histogram,
)

_values = st.integers(-100, 2**42) | st.integers(0, 41).flatmap(lambda power: st.integers(2**power - 2, 2**power + 2))


@pytest.mark.parametrize(
    ("value", "bucket"),
    [(-5, 0), (0, 0), (15, 15), (16, 16), (17, 16), (31, 30), (32, 32), (35, 32), (1000, 960), (3_600_000, 3_407_872)],
)
def test_a_bucket_keeps_four_binary_digits(value: int, bucket: int) -> None:
    """Small values are exact, larger ones are rounded down to eight steps for each power of two."""
    assert bucket == bucket_of(value)


@given(value=_values)
def test_a_value_lies_in_its_bucket(value: int) -> None:
    """A bucket begins at its name and is as wide as it says: an eighth of its least value at most."""
    bucket, inside = bucket_of(value), min(max(value, 0), MAX_BUCKET)
    assert bucket <= inside < bucket + bucket_width(bucket)
    assert bucket == bucket_of(bucket)
    assert bucket < 16 or bucket_width(bucket) * 8 <= bucket


@given(value=_values)
def test_an_expression_of_comparisons_is_the_same(value: int) -> None:
    """What backends compile for their databases gives each value the bucket that Python gives it."""
    expression = compile_bucket(
        lambda bound, below, rest: f"({below} if value < {bound} else {rest})", lambda unit: f"value // {unit} * {unit}"
    )
    assert bucket_of(value) == eval(expression, {"value": value})


@given(values=st.lists(st.integers(0, MAX_BUCKET - 1), min_size=1), percent=st.integers(1, 100))
def test_a_percentile_is_within_a_sixteenth(values: list[int], percent: int) -> None:
    """What is read from a histogram lies in the bucket of the value with the nearest rank, at most a sixteenth away from it."""
    exact = sorted(values)[ceil(Fraction(len(values) * percent, 100)) - 1]
    found = percentile(Counter(map(bucket_of, values)), percent)
    assert found is not None
    assert bucket_of(exact) == bucket_of(found)
    assert 16 * abs(found - exact) <= exact


def test_nothing_has_no_percentile() -> None:
    """Without values there is none, whether buckets are missing or empty."""
    assert percentile({}, 95) is None
    assert percentile({64: 0}, 95) is None


def test_histograms_of_parts_add_up() -> None:
    """The percentile of hours added up is that of the day."""
    morning, evening = Counter(map(bucket_of, range(0, 5000, 7))), Counter(map(bucket_of, range(5000, 90_000, 11)))
    whole = Counter(map(bucket_of, [*range(0, 5000, 7), *range(5000, 90_000, 11)]))
    assert whole == morning + evening
    assert percentile(whole, 50) == percentile(morning + evening, 50)


@given(histograms=st.lists(st.dictionaries(_values.map(bucket_of), st.integers(1, 2**40)), max_size=4))
def test_packed_histograms_add_up(histograms: list[dict[int, int]]) -> None:
    """Texts hold what was packed, and added up they are the histogram of all values."""
    texts = [pack_histogram(one) for one in histograms]
    whole = sum(map(Counter, histograms), Counter[int]())
    assert histograms == [unpack_histogram(text) for text in texts]
    assert whole == add_histograms(histograms) == add_packed(texts)


def test_a_packed_histogram_is_little_more_than_its_counts() -> None:
    """Counts of buckets that follow one another stand behind the first; a long gap begins anew."""
    assert "14:5 1 2 0 1;960:4 0 0 0 7;4096:1" == pack_histogram({14: 5, 15: 1, 16: 2, 20: 1, 960: 4, 1408: 7, 4096: 1})
    assert "" == pack_histogram({})
    assert {} == unpack_histogram("")


@pytest.mark.parametrize(
    "text", ["x", "16", "16:", ":1", "16:1:2", "16:1,36:1", "16.5:1", "16:1;", "16:1  2", "-5:1", f"{MAX_BUCKET}:1 1"]
)
def test_a_text_that_is_no_histogram(text: str) -> None:
    """Anything but buckets and counts is refused."""
    with pytest.raises(ValueError, match="such as 16:2"):
        unpack_histogram(text)
    with pytest.raises(ValueError, match="such as 16:2"):
        add_packed(["16:2 1", text])
