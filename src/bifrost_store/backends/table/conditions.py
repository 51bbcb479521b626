"""What the service is asked to leave out of a range of keys, in at most 15 comparisons: nothing that may be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bifrost_store.backends.table.columns import TIME, Column
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.places import KeyRange
from bifrost_store.backends.table.windows import Stretch, stretches
from bifrost_store.core.query import SORT_KEY, Eq, Filter, In, Query, Range

_MAX_COMPARISONS = 15
"""Discrete comparisons of one filter ("Querying tables and entities", Microsoft)."""


@dataclass(slots=True)
class Conditions:
    """A filter text of placeholders, and their values: no value ever becomes part of the text."""

    parts: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    def add(self, column: str, operator: str, value: str) -> None:
        """Demand one comparison."""
        self.parts.append(self._comparison(column, operator, value))

    def add_any(self, column: str, values: Sequence[str]) -> None:
        """Demand that *column* equals one of *values*."""
        self._add_either([self._comparison(column, "eq", value) for value in values])

    def add_any_or_none(self, column: str, values: Sequence[str]) -> None:
        """Demand that *column* equals one of *values*, or is not there."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = ""
        self._add_either([*(self._comparison(column, "eq", value) for value in values), f"not ({column} ge @{name} )"])

    def add_stretches(self, column: str, wanted: Sequence[Stretch]) -> None:
        """Demand that *column* lies in one of several stretches, if there is room for that."""
        if not wanted or 2 * len(wanted) > self.room:
            return
        self._add_either(
            [f"{self._comparison(column, 'ge', low)} and {self._comparison(column, 'lt', high)}" for low, high in wanted]
        )

    def _add_either(self, comparisons: Sequence[str]) -> None:
        # The SDK replaces whole words, so the closing bracket stands apart.
        self.parts.append(f"({' or '.join(comparisons)} )")

    def _comparison(self, column: str, operator: str, value: str | datetime) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"{column} {operator} @{name}"

    @property
    def room(self) -> int:
        """Comparisons that may still be added."""
        return _MAX_COMPARISONS - len(self.parameters)

    @property
    def text(self) -> str:
        """The filter as the SDK takes it."""
        return " and ".join(self.parts)


def conditions_of(mapping: RowMapping, query: Query, key_range: KeyRange) -> Conditions:
    """Return what describes the rows of *query* in one of its ranges, as far as the service can tell."""
    conditions = Conditions()
    if key_range.partition_key is not None:
        conditions.add("PartitionKey", "eq", key_range.partition_key)
    conditions.add("RowKey", "ge", key_range.lo)
    conditions.add("RowKey", "lt", key_range.hi)
    push_filters(conditions, mapping, query, key_range)
    return conditions


def push_filters(conditions: Conditions, mapping: RowMapping, query: Query, key_range: KeyRange) -> bool:
    """Add the comparisons that the service can make exactly; return whether it makes all but the key ranges'."""
    is_exact = True
    if mapping.scope_column is not None and query.scope is not None:
        if query.scope.organization_id is None:
            is_exact = False  # the service cannot ask for rows that lack a column
        else:
            conditions.add(mapping.scope_column, "eq", query.scope.organization_id)
    columns = {c.field: c for c in mapping.columns if c.codec.is_plain_text and c.default is None and not c.older_names}
    if mapping.is_spread:
        # Rows that are one record together are read together, whatever single ones say; but each copy says whose it is.
        columns = {field: c for field, c in columns.items() if mapping.has_copies and c.repeats_key}
    for condition in mapping.narrowed(key_range, query.filters):
        is_pushed = _push(conditions, columns.get(condition.field), _texts(condition))
        if not is_pushed and not (isinstance(condition, Range) and condition.field in (SORT_KEY, "startedAt")):
            is_exact = False
    return is_exact


def push_windows(conditions: Conditions, mapping: RowMapping, query: Query) -> None:
    """Leave rows out that no range of times can let through; unreadable ones too, which lists name and counts leave out."""
    times = {column.field: column.name for column in mapping.columns if column.codec is TIME and not column.older_names}
    for condition in query.filters:
        # When a run began is told by its row key too.
        if isinstance(condition, Range) and condition.field in times and condition.field != "startedAt":
            conditions.add_stretches(times[condition.field], stretches(condition))


def _push(conditions: Conditions, column: Column | None, values: list[str] | None) -> bool:
    """Demand that *column* reads as one of *values*, if that can be asked: no row that does may be left out."""
    if column is None or values is None:
        return False
    reads_blank = column.repeats_key or column.codec.decode("") in values
    asked = [*values, ""] if reads_blank and "" not in values else values
    reads_without = column.repeats_key or column.old_default in values
    if len(asked) + reads_without > conditions.room:
        return False
    if reads_without:
        conditions.add_any_or_none(column.name, asked)
    else:
        conditions.add_any(column.name, asked)
    return True


def _texts(condition: Filter) -> list[str] | None:
    match condition:
        case Eq(_, str() as value):
            return [value]
        case In(_, values) if all(isinstance(value, str) for value in values):
            return [str(value) for value in values]
        case _:
            return None
