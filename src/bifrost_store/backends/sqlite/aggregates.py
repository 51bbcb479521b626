"""What the database says of groups, put together: several rows may speak of one group, each of one bucket of its histogram."""

from __future__ import annotations

from collections.abc import Iterator

from bifrost_store.backends.sqlite.rows import Row, load_field
from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.json import load_json
from bifrost_store.core.totals import Totals

_PARTS_OF_A_SUM = 4


def add_row(totals: Totals, row: Row, field_count: int, sum_count: int, *, has_bucket: bool) -> None:
    """Take a row of `compile_aggregate` in. One that counts nothing is that of no group at all."""
    *parts, record_count = row
    if record_count == 0:
        return
    fields, rest = parts[: 2 * field_count], parts[2 * field_count :]
    tally = totals.group([load_field(fields[i], fields[i + 1]) for i in range(0, len(fields), 2)])
    tally.count += record_count
    for number in range(sum_count):
        upper, lower, number_count, large = rest[_PARTS_OF_A_SUM * number : _PARTS_OF_A_SUM * (number + 1)]
        beyond = list(_integers(large))
        tally.sums[number] += ((upper or 0) << 32) + (lower or 0) + sum(beyond)
        tally.sum_counts[number] += number_count + len(beyond)
    if has_bucket:
        bucket, large = rest[-2:]
        if bucket is not None:
            tally.histogram[bucket] += record_count
        tally.histogram.update(map(bucket_of, _integers(large)))


def _integers(texts: str) -> Iterator[int]:
    """Yield the whole numbers among a JSON list of JSON texts."""
    return (value for value in map(load_json, load_json(texts)) if type(value) is int)
