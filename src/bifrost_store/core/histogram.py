"""Histograms of whole numbers on a scale that every backend computes to the bit, and percentiles read from them.

A value's bucket is the value with all but its four leading binary digits cleared, so that a bucket is named by its least value:
0 to 15 are exact, then come 16, 18, 20, ... 30, 32, 36, ... - eight buckets for each power of two. What is below 0 counts as 0,
what is at or above `MAX_BUCKET` (in milliseconds 34 years) as that. The scale is that of log-linear histograms such as
HdrHistogram; a backend needs no logarithm for it, whose last digits are not the same everywhere, but comparisons with constants
and divisions by powers of two. Histograms of disjoint records add up, bucket by bucket.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import compress
from operator import add
from typing import Final

Histogram = Mapping[int, int]
"""How many values fell into each bucket, by the bucket's least value; buckets without any are left out."""

_LEADING_DIGITS: Final = 4
_LAST_DIGITS: Final = 40
MAX_BUCKET: Final = 1 << _LAST_DIGITS
"""The last bucket: everything from here on."""
_BUCKETS: Final = ((_LAST_DIGITS - _LEADING_DIGITS + 1) << _LEADING_DIGITS - 1) + (1 << _LEADING_DIGITS - 1) + 1
_LONGEST_GAP: Final = 4
"""So many empty buckets are written out; after more a new run begins."""


def bucket_of(value: int) -> int:
    """Return the bucket that *value* counts in."""
    value = min(max(value, 0), MAX_BUCKET)
    cleared = max(0, value.bit_length() - _LEADING_DIGITS)
    return value >> cleared << cleared


def bucket_width(bucket: int) -> int:
    """Return how many values count in *bucket*; of the last one, as if there were one after it."""
    return 1 << max(0, bucket.bit_length() - _LEADING_DIGITS)


def percentile(histogram: Histogram, percent: int) -> int | None:
    """Return a value that *percent* per cent of the values are not above, or None without any value.

    By nearest rank: of n values the one with the rank ``ceil(n * percent / 100)`` is meant, counted from 1. Returned is the middle
    of its bucket, which is at most one sixteenth of that value away from it, and exactly it below 16.

    Args:
        histogram: Of any size; its buckets in any order.
        percent: 1 to 100; 50 is the median.
    """
    left = -(-sum(histogram.values()) * percent // 100)
    if left <= 0:
        return None
    for bucket, count in sorted(histogram.items()):
        left -= count
        if left <= 0:
            return bucket + (bucket_width(bucket) - 1) // 2
    raise AssertionError


def pack_histogram(histogram: Histogram) -> str:
    """Return *histogram* in the form that is stored: ``16:2 0 1;960:4`` is 2 in bucket 16, none in the next, 1 in 20, 4 in 960.

    So a histogram takes a third of the room that buckets and counts would, and little more than its counts.
    """
    runs: list[tuple[int, list[int]]] = []
    following = 0
    for bucket, count in sorted(histogram.items()):
        number = _number_of(bucket)
        if runs and number - following <= _LONGEST_GAP:
            runs[-1][1].extend([*[0] * (number - following), count])
        else:
            runs.append((bucket, [count]))
        following = number + 1
    return ";".join(f"{first}:{' '.join(map(str, counts))}" for first, counts in runs)


def unpack_histogram(text: str) -> dict[int, int]:
    """Return the histogram that *text* holds.

    Raises:
        ValueError: It holds none.
    """
    return add_packed([text])


def add_histograms(histograms: Iterable[Histogram]) -> dict[int, int]:
    """Return the histogram of all values together."""
    total: dict[int, int] = defaultdict(int)
    for one in histograms:
        for bucket, count in one.items():
            total[bucket] += count
    return dict(sorted(total.items()))


def add_packed(texts: Iterable[str]) -> dict[int, int]:
    """Return the same of histograms as they are stored.

    Raises:
        ValueError: One of *texts* holds none.
    """
    totals = [0] * _BUCKETS
    try:
        together = ";".join([text for text in texts if text != ""])
        for run in together.split(";") if together else ():
            first, _, counts = run.partition(":")
            row = counts.split(" ")
            start = _NUMBERS[first]
            end = start + len(row)
            if not 0 <= start < end <= _BUCKETS:
                raise ValueError
            totals[start:end] = map(add, totals[start:end], map(_COUNTS.__getitem__, row))
    except ValueError:
        raise ValueError("expected first buckets and counts, such as 16:2 0 1;960:4") from None
    return dict(compress(zip(_BUCKET_AT, totals, strict=True), totals))


def _number_of(bucket: int) -> int:
    """Return how many buckets are below *bucket*."""
    cleared = max(0, bucket.bit_length() - _LEADING_DIGITS)
    return (cleared << _LEADING_DIGITS - 1) + (bucket >> cleared)


def _bucket_at(number: int) -> int:
    """Return the bucket that has *number* others below it."""
    half = 1 << _LEADING_DIGITS - 1
    return number if number < 2 * half else (number % half + half) << number // half - 1


def _checked(count: int) -> int:
    if count < 0:
        raise ValueError
    return count


class _Known(dict[str, int]):
    """What texts stand for, those that are met often looked up: dashboards read a hundred thousand of them."""

    def __init__(self, often: Iterable[int], meaning: Callable[[int], int]) -> None:
        super().__init__((str(number), meaning(number)) for number in often)
        self._meaning = meaning

    def __missing__(self, text: str) -> int:
        return self._meaning(int(text))


_BUCKET_AT: Final = [_bucket_at(number) for number in range(_BUCKETS)]
_NUMBERS: Final = _Known(_BUCKET_AT, _number_of)
"""How many buckets are below one."""
_COUNTS: Final = _Known(range(256), _checked)


def compile_bucket(choose: Callable[[int, str, str], str], clear: Callable[[int], str]) -> str:
    """Return `bucket_of` as an expression of a database's own language over some whole number.

    Args:
        choose: Given a bound and two expressions: the first one for numbers below the bound, else the second one.
        clear: Given a power of two: what rounds a number, 0 or more, down to a multiple of it.
    """

    def between(first: int, last: int) -> str:
        # Numbers of up to `first` digits more than the leading ones, to `last`: halved until one rounding does for all.
        if first == last:
            return str(MAX_BUCKET) if last == _LAST_DIGITS - _LEADING_DIGITS + 1 else clear(1 << first)
        middle = (first + last) // 2
        return choose(1 << (_LEADING_DIGITS + middle), between(first, middle), between(middle + 1, last))

    return choose(0, "0", between(0, _LAST_DIGITS - _LEADING_DIGITS + 1))
