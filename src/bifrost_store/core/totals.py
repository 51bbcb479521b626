"""Counts and sums by group, computed here: the meaning that every backend's own aggregate must reproduce."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bifrost_store.core.query import Group, field_value, group_order
from bifrost_store.core.record import Record


class Totals:
    """Adds records up.

    Args:
        group_by: Fields whose values make a group, type for type.
        sum_of: Fields to sum; what is no integer counts nothing.
    """

    def __init__(self, group_by: Sequence[str], sum_of: Sequence[str]) -> None:
        self._group_by = group_by
        self._sum_of = sum_of
        self._groups: dict[tuple[tuple[type, Any], ...], list[int]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take *records* in."""
        for record in records:
            # With their types, as True and 1 are equal keys.
            values = tuple((type(value), value) for value in (field_value(record, name) for name in self._group_by))
            totals = self._groups.setdefault(values, [0] * (1 + len(self._sum_of)))
            totals[0] += 1
            for number, name in enumerate(self._sum_of, start=1):
                value = field_value(record, name)
                totals[number] += value if isinstance(value, int) else 0

    def groups(self) -> list[Group]:
        """Return what was found, in the order of `group_order`."""
        groups = [Group(tuple(value for _, value in values), count, tuple(sums)) for values, (count, *sums) in self._groups.items()]
        return sorted(groups, key=group_order)
