"""Counts and sums by group, computed here: the meaning that every backend's own aggregate must reproduce."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bifrost_store.core.histogram import bucket_of
from bifrost_store.core.json import dump_json
from bifrost_store.core.query import Group, field_value, group_order
from bifrost_store.core.record import Record


@dataclass(slots=True)
class Tally:
    """What one group has come to; see `Group`."""

    values: tuple[Any, ...]
    count: int
    sums: list[int]
    sum_counts: list[int]
    histogram: Counter[int] = field(default_factory=Counter[int])


class Totals:
    """Adds records up.

    Args:
        group_by: Fields whose values make a group, type for type.
        sum_of: Fields to sum; what is no whole number counts nothing, and True is 1.
        histogram_of: A field whose whole numbers are counted by buckets.
    """

    def __init__(self, group_by: Sequence[str], sum_of: Sequence[str], histogram_of: str | None = None) -> None:
        self._group_by = group_by
        self._sum_of = sum_of
        self._histogram_of = histogram_of
        self._groups: dict[tuple[object, ...], Tally] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take *records* in."""
        for record in records:
            tally = self.group([field_value(record, name) for name in self._group_by])
            tally.count += 1
            for number, name in enumerate(self._sum_of):
                value = field_value(record, name)
                if isinstance(value, int):
                    tally.sums[number] += value
                    tally.sum_counts[number] += 1
            if self._histogram_of is not None:
                value = field_value(record, self._histogram_of)
                if isinstance(value, int):
                    tally.histogram[bucket_of(value)] += 1

    def group(self, values: Sequence[Any]) -> Tally:
        """Return what the group of *values* has come to so far, to be added to."""
        key = tuple(map(_name, values))
        found = self._groups.get(key)
        if found is None:
            nothing = [0] * len(self._sum_of)
            found = self._groups[key] = Tally(tuple(values), 0, nothing, list(nothing))
        return found

    def groups(self) -> list[Group]:
        """Return what was found, in the order of `group_order`."""
        groups = [
            Group(one.values, one.count, tuple(one.sums), tuple(one.sum_counts), dict(sorted(one.histogram.items())))
            for one in self._groups.values()
        ]
        return sorted(groups, key=group_order)


def _name(value: object) -> object:
    """Return what only values equal type for type have in common: True and 1 are equal as keys, and a list is none."""
    return value if isinstance(value, str | None) else (type(value), dump_json(value))
