"""One storage account's tables: point reads, ranges, single writes and transactions, each one request and counted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final, cast
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from bifrost_store.backends.table.answers import Answer, take_parts
from bifrost_store.backends.table.errors import Place, understood
from bifrost_store.core.attempts import Attempt, sending
from bifrost_store.core.http_meter import metered

Row = dict[str, Any]
"""A row's properties by name, PartitionKey and RowKey among them; values as the SDK gives them."""

MAX_SERVICE_PAGE = 1000
"""Rows that one answer holds at most ("Query timeout and pagination", Microsoft)."""
MAX_TRANSACTION = 100
"""Operations of one transaction ("Performing entity group transactions", Microsoft)."""
_PORTS: Final = {"http": 80, "https": 443}
_SENT_ONCE: Mapping[str, Any] = {"retry_total": 0}
"""Writes are sent once: the write loop must know what was sent, to settle a write whose answer was lost."""
_what_counts: ContextVar[str] = ContextVar("bifrost_store_table_request", default="table")
METERED: Final[Mapping[str, Any]] = metered(lambda request: _what_counts.get())
"""Options of a client whose requests are counted, as what the present context says they are."""


# Made for every row that is read: `Final` says to type checkers what `frozen` would, and costs nothing.
@dataclass(slots=True)
class StoredRow:
    """A row as it was read, with its etag. Immutable."""

    properties: Final[Row]
    etag: Final[str]

    @property
    def partition_key(self) -> str:
        return str(self.properties["PartitionKey"])

    @property
    def row_key(self) -> str:
        return str(self.properties["RowKey"])


@dataclass(frozen=True, slots=True)
class Insert:
    """Fails if the row is there."""

    row: Row


@dataclass(frozen=True, slots=True)
class Put:
    """Replaces the row: exactly the state *etag* names, or whatever is there, or nothing."""

    row: Row
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Deletes the row: exactly the state *etag* names, or whatever is there; fails if it is not."""

    partition_key: str
    row_key: str
    etag: str | None = None


Change = Insert | Put | Remove


class TableAccount:
    """The tables of one account. Raises the SDK's errors; callers map them."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        address = urlsplit(service.url)
        port = address.port or _PORTS[address.scheme]
        self._place = Place(self.name, f"{address.hostname}:{port}")
        self._tables: dict[str, TableClient] = {}

    @property
    def name(self) -> str:
        """The account's name."""
        return str(self._service.account_name)

    @property
    def endpoint(self) -> str:
        """Host and port of its tables."""
        return self._place.endpoint

    def _at(self, table: str) -> Place:
        return replace(self._place, table=table)

    def _table(self, table: str) -> TableClient:
        client = self._tables.get(table)
        if client is None:
            client = self._tables[table] = self._service.get_table_client(table)
        return client

    async def read(self, table: str, partition_key: str, row_key: str) -> StoredRow | None:
        """Return one row, or None. A point read."""
        try:
            with understood(self._at(table)):
                answer = Answer(is_page=False)
                entity = await self._table(table).get_entity(partition_key, row_key, raw_response_hook=answer.take)
                return _stored(entity) if answer.rows is None else StoredRow(*answer.rows[0])
        except ResourceNotFoundError as error:
            if _is_missing_table(error):
                raise
            return None

    async def rows(
        self,
        table: str,
        conditions: str,
        parameters: Mapping[str, Any],
        *,
        page_size: int = MAX_SERVICE_PAGE,
        select: Sequence[str] | None = None,
    ) -> AsyncIterator[StoredRow]:
        """Go through the rows that meet *conditions*, in key order; *page_size* rows are asked for per request."""
        async for page, _ in self.pages(table, conditions, parameters, page_size=page_size, select=select):
            for row in page:
                yield row

    async def pages(
        self,
        table: str,
        conditions: str,
        parameters: Mapping[str, Any],
        *,
        page_size: int = MAX_SERVICE_PAGE,
        select: Sequence[str] | None = None,
        continuation: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[list[StoredRow], dict[str, str] | None]]:
        """Go through the service's pages; with each comes the service's own continuation, None after the last."""
        answer = Answer(is_page=True)
        pager = (
            self._table(table)
            .query_entities(
                conditions,
                parameters=dict(parameters),
                results_per_page=page_size,
                select=None if select is None else list(select),
                raw_response_hook=answer.take,
            )
            .by_page(continuation_token=cast(Any, continuation))
        )
        what = "table"
        while True:
            try:
                with counted_as(what), understood(self._at(table)):
                    entities = await anext(pager)
                    page = [_stored(e) async for e in entities] if answer.rows is None else [StoredRow(*row) for row in answer.rows]
            except StopAsyncIteration:
                return
            token = getattr(pager, "continuation_token", None)
            what = "table_short_page" if len(page) < page_size else "table"
            yield page, token or None
            if not token:
                return

    async def write(
        self, table: str, changes: Sequence[Change], *, attempt: Attempt | None = None, is_repeatable: bool = False
    ) -> list[str]:
        """Carry out *changes* to rows of one partition, all or nothing; return the new etags, empty for removed rows.

        Sent once, unless *is_repeatable* lets the SDK send it again after a failure. *attempt* is the write that it is part of.
        """
        options: Mapping[str, Any] = {} if is_repeatable else _SENT_ONCE
        # Always a transaction, which is a POST: a lone PUT would be sent again below the SDK when its connection drops.
        with sending(attempt) as sendings, understood(self._at(table), sendings):
            operations = [_operation(change) for change in changes]
            results = await self._table(table).submit_transaction(operations, raw_response_hook=take_parts, **options)
        return [str(result.get("etag") or "") for result in results]

    async def table_names(self) -> list[str]:
        """Return the names of every table in the account, sorted."""
        with counted_as("table_metadata"), understood(self._place):
            return sorted([str(table.name) async for table in self._service.list_tables()])

    async def create_table(self, table: str) -> bool:
        """Make a table; return False if it was there."""
        with counted_as("table_metadata"), contextlib.suppress(ResourceExistsError), understood(self._at(table)):
            await self._service.create_table(table)
            return True
        return False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.close()


def _operation(change: Change) -> tuple[str, Row] | tuple[str, Row, dict[str, Any]]:
    match change:
        case Insert(row):
            return ("create", row)
        case Put(row, None):
            return ("upsert", row, {"mode": UpdateMode.REPLACE})
        case Put(row, etag):
            return (
                "update",
                row,
                {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified},
            )
        case Remove(partition_key, row_key, etag):
            row = {"PartitionKey": partition_key, "RowKey": row_key}
            if etag is None:
                return ("delete", row)
            return ("delete", row, {"etag": etag, "match_condition": MatchConditions.IfNotModified})


@contextlib.contextmanager
def counted_as(what: str) -> Iterator[None]:
    """Count the requests of the block as *what*; see `bifrost_store.core.meter.Meter.requests`."""
    token = _what_counts.set(what)
    try:
        yield
    finally:
        _what_counts.reset(token)


def _stored(entity: TableEntity) -> StoredRow:
    for name in ("PartitionKey", "RowKey"):
        if not isinstance(entity[name], str):
            raise TypeError(name)
    return StoredRow(dict(entity), str(entity.metadata["etag"]))


def _is_missing_table(error: ResourceNotFoundError) -> bool:
    return "TableNotFound" in (error.message or "")
