"""Answers queries and aggregates from one partition where a scope is given, else from all."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from bifrost_store.backends.cosmos.account import CosmosAccount
from bifrost_store.backends.cosmos.reader import CosmosReader
from bifrost_store.backends.cosmos.sql import (
    NO_BUCKET,
    Statement,
    columns_of,
    compile_aggregate,
    compile_filters,
    compile_page,
    is_pushed,
    sum_of_halves,
)
from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import ID, SORT_KEY, Group, Query, matches
from bifrost_store.core.record import Record
from bifrost_store.core.totals import Totals
from bifrost_store.errors import CorruptDocumentError

_logger = logging.getLogger("bifrost_store.cosmos")
_LARGE_PAGE: Final = 1000
"""Rows asked for at a time where every one is wanted."""
_ALL_GROUPS: Final = 10_000
"""The same of groups: a further page would be another run of the whole query."""


class CosmosQueries:
    """Compiles and runs queries. Raises the SDK's errors."""

    def __init__(self, account: CosmosAccount, reader: CosmosReader, clock: Clock) -> None:
        self._account = account
        self._reader = reader
        self._now = clock

    async def page(self, query: Query) -> Page[Record]:
        """Return the next page of *query*."""
        if query.scope is None and query.continuation_token is None:
            documents = await self._all_unordered(query)
            if documents is not None:
                return await self._page_of(query, _each(sorted(documents, key=_stored_position)))
        statement = compile_page(query, decode_token(query), self._now())
        if query.without:
            statement.columns = columns_of(self._reader.fields(query.kind).difference(query.without))
        return await self._page_of(query, self._documents(query, statement, query.limit + 1))

    async def _all_unordered(self, query: Query) -> list[Any] | None:
        """Return all that *query* describes in every partition, if that is one page; None if it is more.

        One request: the service orders what lies in several partitions only by way of a plan, which is two more.
        """
        documents: list[Any] = []
        async for document in self._documents(query, compile_filters(query, self._now()), query.limit + 1):
            documents.append(document)
            if len(documents) > query.limit:
                return None
        return documents

    async def _page_of(self, query: Query, documents: AsyncIterator[Any]) -> Page[Record]:
        """Return the page that *documents*, in order, begin with."""
        rest = [condition for condition in query.filters if not is_pushed(condition, query.scope)]
        records: list[Record] = []
        unreadable: list[CorruptDocumentError] = []
        async for document in documents:
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

    async def aggregate(
        self, query: Query, group_by: Sequence[str], sum_of: Sequence[str], histogram_of: str | None
    ) -> list[Group]:
        """Count and sum: in the partition itself, or of the rows of all partitions here, where the service cannot group."""
        names = {*group_by, *sum_of, histogram_of}
        is_plain = all(is_pushed(condition, query.scope) for condition in query.filters)
        if names == {None} and query.scope is None and is_plain:
            return await self._count(query)
        if query.scope is not None and is_plain and names.isdisjoint({ID, SORT_KEY}):
            statement = compile_aggregate(query, group_by, sum_of, histogram_of, self._now())
            totals = Totals(group_by, sum_of, histogram_of)
            if await self._add_rows(totals, query, statement, len(group_by), len(sum_of)):
                return totals.groups()
        return await self._aggregate_here(query, Totals(group_by, sum_of, histogram_of))

    async def _count(self, query: Query) -> list[Group]:
        """Count what *query* describes in all partitions, without reading it."""
        statement = compile_filters(query, self._now())
        statement.columns = "VALUE COUNT(1)"
        count = await self._account.count(self._reader.container(query.kind), statement.text, statement.parameters)
        return [Group((), count)] if count else []

    async def _add_rows(self, totals: Totals, query: Query, statement: Statement, field_count: int, sum_count: int) -> bool:
        """Add up what the service says of groups; False: some value is none that it can group by, add or compare."""
        async for row in self._documents(query, statement, _ALL_GROUPS):
            values = [row.get(f"g{number}") for number in range(field_count)]
            odd = row.get("ob") or any(row.get(f"o{number}") for number in range(sum_count))
            if odd or any(isinstance(value, list | dict) for value in values):
                return False
            if not row["count"]:
                continue
            # Absent and null are two rows here and one group.
            tally = totals.group(values)
            tally.count += row["count"]
            for number in range(sum_count):
                tally.sums[number] += sum_of_halves(row[f"h{number}"], row[f"l{number}"])
                tally.sum_counts[number] += int(row[f"n{number}"])
            bucket = row.get("b", NO_BUCKET)
            if bucket != NO_BUCKET:
                tally.histogram[int(bucket)] += row["count"]
        return True

    async def _aggregate_here(self, query: Query, totals: Totals) -> list[Group]:
        statement = compile_filters(query, self._now())
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


def _stored_position(document: Any) -> str:
    position = document.get("sortKey")
    return position if isinstance(position, str) else ""


async def _each(documents: Sequence[Any]) -> AsyncIterator[Any]:
    for document in documents:
        yield document
