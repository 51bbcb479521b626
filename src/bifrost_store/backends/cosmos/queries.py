"""Answers queries and aggregates from one partition where a scope is given, else from all."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from bifrost_store.backends.cosmos.account import CosmosAccount
from bifrost_store.backends.cosmos.reader import CosmosReader
from bifrost_store.backends.cosmos.sql import Statement, compile_aggregate, compile_filters, compile_page, is_pushed, sum_of_halves
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import ID, SORT_KEY, Group, Query, group_order, matches
from bifrost_store.core.record import Record
from bifrost_store.core.totals import Totals
from bifrost_store.errors import CorruptDocumentError

_logger = logging.getLogger("bifrost_store.cosmos")
_LARGE_PAGE: Final = 1000
"""Rows asked for at a time where every one is wanted."""


class CosmosQueries:
    """Compiles and runs queries. Raises the SDK's errors."""

    def __init__(self, account: CosmosAccount, reader: CosmosReader, clock: Clock) -> None:
        self._account = account
        self._reader = reader
        self._now = clock

    async def page(self, query: Query) -> Page[Record]:
        """Return the next page of *query*."""
        statement = compile_page(query, decode_token(query), self._now())
        rest = [condition for condition in query.filters if not is_pushed(condition, query.scope)]
        records: list[Record] = []
        unreadable: list[CorruptDocumentError] = []
        async for document in self._documents(query, statement, query.limit + 1):
            try:
                record = self._reader.decode(document)
            except CorruptDocumentError as error:
                log_event(_logger, logging.WARNING, "cosmos.unreadable_document", document=error.key)
                unreadable.append(error)
                continue
            if not matches(record, rest):
                continue
            if len(records) == query.limit:
                return Page(tuple(records), encode_token(query, _position(query, records[-1])), tuple(unreadable))
            records.append(record)
        return Page(tuple(records), None, tuple(unreadable))

    async def aggregate(self, query: Query, group_by: Sequence[str], sum_of: Sequence[str]) -> list[Group]:
        """Count and sum: in the partition itself, or of the rows of all partitions here, where the service cannot group."""
        is_plain = all(is_pushed(condition, query.scope) for condition in query.filters)
        if query.scope is not None and is_plain and not {ID, SORT_KEY}.intersection([*group_by, *sum_of]):
            groups = await self._aggregate_there(query, group_by, sum_of)
            if groups is not None:
                return groups
        return await self._aggregate_here(query, group_by, sum_of)

    async def _aggregate_there(self, query: Query, group_by: Sequence[str], sum_of: Sequence[str]) -> list[Group] | None:
        """Return the groups, or None if some value is none that the service can group by or add."""
        statement = compile_aggregate(query, group_by, sum_of, self._now())
        totals: dict[tuple[tuple[type, Any], ...], list[int]] = {}
        async for row in self._documents(query, statement, _LARGE_PAGE):
            values = [row.get(f"g{number}") for number in range(len(group_by))]
            if any(isinstance(value, list | dict) for value in values) or any(row.get(f"o{n}") for n in range(len(sum_of))):
                return None
            counts = [row["count"], *(sum_of_halves(row.get(f"h{n}", 0), row.get(f"l{n}", 0)) for n in range(len(sum_of)))]
            # Absent and null are one group here. With their types, as True and 1 are equal keys.
            group = tuple((type(value), value) for value in values)
            totals[group] = [a + b for a, b in zip(totals.get(group, [0] * len(counts)), counts, strict=True)]
        found = [Group(tuple(value for _, value in group), n, tuple(sums)) for group, (n, *sums) in totals.items() if n]
        return sorted(found, key=group_order)

    async def _aggregate_here(self, query: Query, group_by: Sequence[str], sum_of: Sequence[str]) -> list[Group]:
        statement = compile_filters(query, self._now())
        totals = Totals(group_by, sum_of)
        async for document in self._documents(query, statement, _LARGE_PAGE):
            try:
                record = self._reader.decode(document)
            except CorruptDocumentError:
                continue
            if matches(record, query.filters):
                totals.add([record])
        return totals.groups()

    async def _documents(self, query: Query, statement: Statement, size: int) -> AsyncIterator[Any]:
        container = self._reader.container(query.kind)
        scope = None if query.scope is None else query.scope.value
        async for page, _ in self._account.pages(container, scope, statement.text, statement.parameters, size=size):
            for document in page:
                yield document


def _position(query: Query, last: Record) -> list[str]:
    return [last.sort_key] if query.scope is not None else [last.key.scope.value, last.sort_key]
