"""Queries over today's rows: keys first, at most 15 comparisons, the rest applied here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from operator import itemgetter

from bifrost_store.backends.table.account import MAX_SERVICE_PAGE, StoredRow, TableAccount
from bifrost_store.backends.table.conditions import Conditions, conditions_of, push_filters, push_windows
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
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import ID, SORT_KEY, Filter, Group, Query, matches
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.tasks import begun_together, for_each
from bifrost_store.core.totals import Totals
from bifrost_store.core.whole import kept
from bifrost_store.errors import CorruptDocumentError

_logger = logging.getLogger("bifrost_store.table")


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
                if query.first_found and len(records) == query.limit:
                    break
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
        if mapping.is_ordered(query.scope, query.filters):
            return self._ordered(mapping, query, after, fields)
        if query.first_found and not mapping.is_spread:
            return self._in_no_order(mapping, query)
        return self._sorted(mapping, query, after)

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
        is_exact = push_filters(conditions, mapping, query, key_range)
        if select is not None:
            push_windows(conditions, mapping, query)
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

    async def _in_no_order(self, mapping: RowMapping, query: Query) -> AsyncIterator[_Found]:
        """Go through what *query* describes as it is stored, for whoever stops at the first."""
        size = MAX_SERVICE_PAGE if query.filters else query.limit
        for key_range in mapping.ranges(query.scope, query.filters):
            conditions = conditions_of(mapping, query, key_range)
            async for rows, _ in self._account.pages(mapping.table, conditions.text, conditions.parameters, page_size=size):
                for stored in await self._homes.tell(mapping, rows, query.scope):
                    key = _key(mapping, query, stored)
                    one = None if key is None else self._judge(mapping, query, key, [stored], None)
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
        if mapping.has_copies and query.filters:
            await self._add_anchors(mapping, by_key)
        for key, parts in by_key.items():
            if len(parts) > 1:
                order = [address.row_key for address in mapping.addresses(key)]
                parts.sort(key=lambda row: order.index(row.row_key))
        placed = [((key.scope.value, mapping.sort_key_of(key, parts[0].row_key)), key, parts) for key, parts in by_key.items()]
        return sorted(placed, key=itemgetter(0))

    async def _add_anchors(self, mapping: RowMapping, by_key: Mapping[Key, list[StoredRow]]) -> None:
        """Read anchors that the service left out though a copy was found: what they say contradicts their keys."""

        async def add(key: Key) -> None:
            row = await self._reader.row(mapping.address(key, ""))
            by_key[key].extend([] if row is None else [row])

        without = [key for key, rows in by_key.items() if not any(row.row_key == mapping.address(key, "").row_key for row in rows)]
        await for_each(add, without)

    async def _rows_of(self, mapping: RowMapping, query: Query, key_range: KeyRange) -> list[StoredRow]:
        conditions = conditions_of(mapping, query, key_range)
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
