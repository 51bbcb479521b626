"""Queries over today's rows: keys first, at most 15 comparisons, the rest applied here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

from bifrost_store.backends.table.account import MAX_SERVICE_PAGE, StoredRow, TableAccount
from bifrost_store.backends.table.columns import TIME, Column
from bifrost_store.backends.table.homes import Homes
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.execution import ExecutionMapping
from bifrost_store.backends.table.mappings.legacy_row import LegacyRowMapping
from bifrost_store.backends.table.mappings.stamps import REVISION
from bifrost_store.backends.table.places import KeyRange
from bifrost_store.backends.table.reader import TableReader
from bifrost_store.backends.table.scan import TableScanner
from bifrost_store.backends.table.twins import TwinCheck
from bifrost_store.backends.table.windows import Stretch, stretches
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import ID, SORT_KEY, Eq, Filter, Group, In, Query, Range, matches
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.tasks import begun_together, for_each
from bifrost_store.core.totals import Totals
from bifrost_store.core.whole import kept
from bifrost_store.errors import CorruptDocumentError

_logger = logging.getLogger("bifrost_store.table")
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


@dataclass(frozen=True, slots=True)
class _Found:
    """A readable record, or the error that names an unreadable row; both with the place where they stand."""

    position: tuple[str, str]
    record: Record | None
    error: CorruptDocumentError | None = None


class TableQueries:
    """Answers queries and aggregates. Raises the SDK's errors."""

    def __init__(self, account: TableAccount, mappings: Mappings, scanner: TableScanner, reader: TableReader, clock: Clock) -> None:
        self._account = account
        self._homes = Homes(account)
        self._reader = reader
        self._mappings = mappings
        self._scanner = scanner
        self._now = clock

    async def page(self, query: Query) -> Page[Record]:
        """Return the next page of *query*."""
        mapping = self._mappings.by_kind[query.kind]
        after = _position(query)
        records: list[Record] = []
        errors: list[CorruptDocumentError] = []
        before_last = 0
        async for one in self._found(mapping, query, after):
            if one.record is None:
                assert one.error is not None
                errors.append(one.error)
            elif len(records) == query.limit:
                # What lies behind the last record is named by the next page, which begins there.
                token = encode_token(query, _token_position(query, records[-1]))
                return Page(tuple(records), token, tuple(errors[:before_last]))
            else:
                records.append(one.record)
                before_last = len(errors)
        return Page(tuple(records), None, tuple(errors))

    async def aggregate(
        self, query: Query, group_by: Sequence[str], sum_of: Sequence[str], histogram_of: str | None
    ) -> list[Group]:
        """Count and sum over every record that *query* describes: of runs, only the columns that are asked about are read."""
        mapping = self._mappings.by_kind[query.kind]
        names = {*group_by, *sum_of, *(condition.field for condition in query.filters)}
        fields = frozenset(names if histogram_of is None else {*names, histogram_of})
        totals = Totals(group_by, sum_of, histogram_of)
        async for one in self._found(mapping, replace(query, limit=MAX_SERVICE_PAGE), None, fields):
            if one.record is not None:
                totals.add([one.record])
        return totals.groups()

    def _found(
        self, mapping: RowMapping, query: Query, after: tuple[str, str] | None, fields: frozenset[str] | None = None
    ) -> AsyncIterator[_Found]:
        """Go through what *query* describes; given *fields*, records may come without any others."""
        if isinstance(mapping, LegacyRowMapping):
            return self._unclaimed(query, after)
        is_ordered = mapping.is_ordered(query.scope, query.filters)
        return self._ordered(mapping, query, after, fields) if is_ordered else self._sorted(mapping, query, after)

    async def _unclaimed(self, query: Query, after: tuple[str, str] | None) -> AsyncIterator[_Found]:
        """Go through the rows that no kind claims: off hot paths, every table is read."""
        found = []
        now = self._now()
        async for one in self._scanner.unclaimed():
            error = one if isinstance(one, CorruptDocumentError) else None
            record = error.partial if error is not None else one
            assert isinstance(record, Record)
            position = (record.key.scope.value, record.sort_key)
            is_wanted = query.scope is None or record.key.scope == query.scope
            is_wanted = is_wanted and (error is not None or (record.is_present(now) and matches(record, query.filters)))
            if is_wanted and (after is None or position > after):
                found.append(_Found(position, None if error is not None else record, error))
        for item in sorted(found, key=lambda item: item.position):
            yield item

    async def _ordered(
        self, mapping: RowMapping, query: Query, after: tuple[str, str] | None, fields: frozenset[str] | None
    ) -> AsyncIterator[_Found]:
        """Go through a kind whose row keys order as its sort keys do, beginning after a position."""
        select = None if fields is None else mapping.selected(fields)
        seen: set[Key] = set()
        check = TwinCheck(self._reader.twins)
        for key_range in mapping.ranges(query.scope, query.filters):
            segments = _segments(mapping, query, key_range, after)
            parts = [self._part(mapping, query, key_range, conditions, after, select) for conditions in segments]
            async for rows, is_whole in begun_together(parts):
                # Where only a part is read, a row's newer twin may lie outside of it.
                counting = rows if is_whole or not isinstance(mapping, ExecutionMapping) else await check.without(rows, self._now())
                for stored in counting:
                    key = _key(mapping, query, stored)
                    if key is None or key in seen:
                        continue
                    seen.add(key)
                    if fields is not None and select is not None:
                        one = await self._glance(mapping, query, key, stored, fields)
                    else:
                        one = self._judge(mapping, query, key, [stored], after)
                    if one is not None:
                        yield one

    async def _part(
        self,
        mapping: RowMapping,
        query: Query,
        key_range: KeyRange,
        conditions: Conditions,
        after: tuple[str, str] | None,
        select: list[str] | None,
    ) -> AsyncIterator[tuple[list[StoredRow], bool]]:
        """Yield the service's pages of what *conditions* begin to describe, and with each whether no row was left out."""
        begins = len(conditions.parts)
        is_exact = _push_filters(conditions, mapping, query, key_range)
        if select is not None:
            _push_windows(conditions, mapping, query)
        is_whole = len(conditions.parts) == begins and after is None and key_range.lo == mapping.prefix
        page_size = min(query.limit + 1, MAX_SERVICE_PAGE) if is_exact else MAX_SERVICE_PAGE
        pages = self._account.pages(mapping.table, conditions.text, conditions.parameters, page_size=page_size, select=select)
        async for rows, _ in pages:
            yield rows, is_whole

    async def _sorted(self, mapping: RowMapping, query: Query, after: tuple[str, str] | None) -> AsyncIterator[_Found]:
        """Go through a small kind: read whole, its rows put together and ordered here, and made into records as far as asked."""
        which = (id(self), query.kind, query.scope, query.filters)
        for position, key, rows in await kept(which, lambda: self._placed(mapping, query)):
            one = self._judge(mapping, query, key, rows, None) if after is None or position > after else None
            if one is not None:
                yield one

    async def _placed(self, mapping: RowMapping, query: Query) -> list[tuple[tuple[str, str], Key, list[StoredRow]]]:
        """Return position, key and rows of what may be asked for, in order."""
        ranges = await for_each(lambda one: self._rows_of(mapping, query, one), mapping.ranges(query.scope, query.filters))
        by_key: dict[Key, list[StoredRow]] = {}
        for row in await self._homes.tell(mapping, list(chain.from_iterable(ranges)), query.scope):
            key = _key(mapping, query, row)
            if key is not None:
                by_key.setdefault(key, []).append(row)
        for key, parts in by_key.items():
            if len(parts) > 1:
                order = [address.row_key for address in mapping.addresses(key)]
                parts.sort(key=lambda row: order.index(row.row_key))
        placed = [((key.scope.value, mapping.sort_key_of(key, parts[0].row_key)), key, parts) for key, parts in by_key.items()]
        return sorted(placed, key=itemgetter(0))

    async def _rows_of(self, mapping: RowMapping, query: Query, key_range: KeyRange) -> list[StoredRow]:
        conditions = Conditions()
        if key_range.partition_key is not None:
            conditions.add("PartitionKey", "eq", key_range.partition_key)
        conditions.add("RowKey", "ge", key_range.lo)
        conditions.add("RowKey", "lt", key_range.hi)
        _push_filters(conditions, mapping, query, key_range)
        return [row async for row in self._account.rows(mapping.table, conditions.text, conditions.parameters)]

    async def _glance(
        self, mapping: RowMapping, query: Query, key: Key, stored: StoredRow, fields: frozenset[str]
    ) -> _Found | None:
        """Return what a row of some columns tells, else what all of it does."""
        record = mapping.glance(key, stored, fields)
        if record is not None:
            is_wanted = record.is_present(self._now()) and matches(record, query.filters)
            return _Found((key.scope.value, record.sort_key), record) if is_wanted else None
        whole = await self._account.read(mapping.table, stored.partition_key, stored.row_key)
        return None if whole is None else self._judge(mapping, query, key, [whole], None)

    def _judge(
        self, mapping: RowMapping, query: Query, key: Key, rows: list[StoredRow], after: tuple[str, str] | None
    ) -> _Found | None:
        """Return the record of *rows* if it is wanted."""
        position = (key.scope.value, mapping.sort_key_of(key, rows[0].row_key))
        if after is not None and position <= after:
            return None
        try:
            record = mapping.merge(key, rows)
        except CorruptDocumentError as error:
            if not _may_match(error, query.filters, self._now()):
                return None
            log_event(_logger, logging.WARNING, "table.unreadable_row", row=error.key)
            return _Found(position, None, error)
        if record is None or not record.is_present(self._now()) or not matches(record, query.filters):
            return None
        if REVISION in rows[0].properties:
            self._reader.note(record)
        return _Found(position, record)


def _may_match(error: CorruptDocumentError, filters: Sequence[Filter], now: datetime) -> bool:
    """Return whether what can be read of an unreadable row leaves it open that it meets *filters*."""
    partial = error.partial
    if not isinstance(partial, Record):
        return True
    known = [one for one in filters if one.field in (ID, SORT_KEY) or one.field in partial.body]
    return partial.is_present(now) and matches(partial, known)


def _key(mapping: RowMapping, query: Query, stored: StoredRow) -> Key | None:
    key = mapping.key_of(stored.partition_key, stored.row_key, stored.properties)
    return key if key is not None and query.scope in (None, key.scope) else None


def _position(query: Query) -> tuple[str, str] | None:
    parts = decode_token(query)
    if parts is None:
        return None
    return (query.scope.value, parts[0]) if query.scope is not None else (parts[0], parts[1])


def _token_position(query: Query, last: Record) -> list[str]:
    return [last.sort_key] if query.scope is not None else [last.key.scope.value, last.sort_key]


def _segments(mapping: RowMapping, query: Query, key_range: KeyRange, after: tuple[str, str] | None) -> list[Conditions]:
    """Return the stretches to read, in the order of (scope, sort key): GLOBAL comes before every organization."""
    if key_range.partition_key is not None:
        if after is not None and key_range.hi <= mapping.prefix + after[1]:
            return []
        one = Conditions()
        one.add("PartitionKey", "eq", key_range.partition_key)
        if after is None or mapping.prefix + after[1] < key_range.lo:
            one.add("RowKey", "ge", key_range.lo)
        else:
            one.add("RowKey", "gt", mapping.prefix + after[1])
        one.add("RowKey", "lt", key_range.hi)
        return [one]
    segments = []
    if after is None or after[0] == GLOBAL.value:
        segments += _segments(mapping, query, KeyRange(GLOBAL.partition_key, key_range.lo, key_range.hi), after)
    others = Conditions()
    others.add("PartitionKey", "ne", GLOBAL.partition_key)
    if after is not None and after[0] != GLOBAL.value:
        others.add("PartitionKey", "ge", after[0].removeprefix("org-"))
    others.add("RowKey", "ge", key_range.lo)
    others.add("RowKey", "lt", key_range.hi)
    return [*segments, others]


def _push_filters(conditions: Conditions, mapping: RowMapping, query: Query, key_range: KeyRange) -> bool:
    """Add the comparisons that the service can make exactly; return whether it makes all but the key ranges'."""
    is_exact = True
    if mapping.scope_column is not None and query.scope is not None:
        if query.scope.organization_id is None:
            is_exact = False  # the service cannot ask for rows that lack a column
        else:
            conditions.add(mapping.scope_column, "eq", query.scope.organization_id)
    # Rows that are one record together are read together, whatever single ones say.
    columns = {c.field: c for c in mapping.columns if c.codec.is_plain_text and c.default is None and not c.older_names}
    columns = {} if mapping.is_spread else columns
    for condition in mapping.narrowed(key_range, query.filters):
        is_pushed = _push(conditions, columns.get(condition.field), _texts(condition))
        if not is_pushed and not (isinstance(condition, Range) and condition.field in (SORT_KEY, "startedAt")):
            is_exact = False
    return is_exact


def _push_windows(conditions: Conditions, mapping: RowMapping, query: Query) -> None:
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
