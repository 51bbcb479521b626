"""The waist on Azure Table Storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
from azure.core.exceptions import AzureError
from azure.data.tables.aio import TableServiceClient
from typing_extensions import override

from bifrost_store.backends.protocol import Backend, RawRows, Repair, ScanPage
from bifrost_store.backends.table.account import METERED, Remove, TableAccount
from bifrost_store.backends.table.errors import BACKEND, wrap_errors
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.mappings.legacy_row import LegacyRowMapping
from bifrost_store.backends.table.places import TABLES
from bifrost_store.backends.table.query import TableQueries
from bifrost_store.backends.table.reader import TableReader
from bifrost_store.backends.table.repair import TableRepair
from bifrost_store.backends.table.rows import TableRows
from bifrost_store.backends.table.scan import TableScanner
from bifrost_store.backends.table.writer import TableWriter
from bifrost_store.backends.table.writes import ApplyWrite, CreateWrite, DeleteWrite, ReplaceWrite, Write, removals
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace, Result, name_of
from bifrost_store.core.page import Page
from bifrost_store.core.proxies import transport_options
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record, dump_expiry
from bifrost_store.core.retention import Recorded
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.errors import ConfigurationError, CorruptDocumentError, DocumentExistsError, NotProvisionedError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_TRANSPORT: Mapping[str, Any] = {
    **METERED,
    "connection_timeout": 10,
    "read_timeout": 60,
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
    "retry_backoff_max": 2,
}


class TableBackend(Backend):
    """A `Backend` over today's tables: rows that old code reads, plus rows of ours that it never meets.

    Attributes:
        account: The tables themselves, for tools that handle raw rows.
    """

    def __init__(
        self, service: TableServiceClient, specs: Specs, *, clock: Clock = utc_now, recorded: Recorded | None = None
    ) -> None:
        self.account = TableAccount(service)
        self._mappings = Mappings(specs, recorded)
        self._now = clock
        self._reader = TableReader(self.account, self._mappings)
        self._writer = TableWriter(self.account, self._reader)
        self._scanner = TableScanner(self.account, self._mappings)
        self._queries = TableQueries(self.account, self._mappings, self._scanner, self._reader, clock)

    @classmethod
    def from_connection_string(
        cls, connection_string: str, specs: Specs, *, clock: Clock = utc_now, recorded: Recorded | None = None
    ) -> TableBackend:
        """Return a backend for the account that a connection string names.

        Raises:
            ConfigurationError: The text is no connection string. It is not shown: it holds a key.
        """
        try:
            service = TableServiceClient.from_connection_string(connection_string, **_TRANSPORT, **transport_options())
        except (ValueError, KeyError):
            raise ConfigurationError(
                "the Table Storage connection string cannot be read; expected AccountName=...;AccountKey=...;...",
                backend=BACKEND,
            ) from None
        return cls(service, specs, clock=clock, recorded=recorded)

    @classmethod
    def from_endpoint(
        cls,
        endpoint: str,
        credential: AsyncTokenCredential,
        specs: Specs,
        *,
        clock: Clock = utc_now,
        recorded: Recorded | None = None,
    ) -> TableBackend:
        """Return a backend for ``https://<account>.table.core.windows.net``; whoever made *credential* closes it.

        Raises:
            ConfigurationError: *endpoint* is no https address.
        """
        try:
            service = TableServiceClient(endpoint, credential=credential, **_TRANSPORT, **transport_options())
        except ValueError as error:
            raise ConfigurationError(f"the Table Storage endpoint {endpoint!r} cannot be used: {error}", backend=BACKEND) from None
        return cls(service, specs, clock=clock, recorded=recorded)

    @property
    @override
    def name(self) -> str:
        return BACKEND

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        keys = [key] if fallback is None else [key, Key(key.kind, fallback, key.id)]
        with wrap_errors("get", key):
            return await self._reader.first_present(keys, self._now())

    @override
    async def stored(self, key: Key) -> Record | None:
        with wrap_errors("stored", key):
            try:
                state = await self._reader.state(key, None)
            except DocumentExistsError:  # its row is another record's
                return None
            if state.error is not None:
                raise state.error
        return state.record or (None if state.marker is None else state.marker.tombstone)

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        writes = [self._write(operation, attempt) for operation in operations]
        with wrap_errors(name_of(operations), operations[0].key if len(operations) == 1 else None):
            await self._writer.carry_out(writes, attempt)
        return [write.result for write in writes]

    @override
    async def query(self, query: Query) -> Page[Record]:
        with wrap_errors("query"):
            return await self._queries.page(query)

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        with wrap_errors("aggregate"):
            return await self._queries.aggregate(query, group_by, sum_of, histogram_of)

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        with wrap_errors("scan"):
            async for page in self._scanner.pages(resume_token):
                yield page

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        """See `Backend.purge_expired`. Index rows go first, so that a crash leaves the record to be purged again."""
        purged: list[Record] = []
        with wrap_errors("purge_expired"):
            async for record in self._expired(kind):
                if len(purged) == limit:
                    break
                if await self._purge(record):
                    purged.append(record)
        return purged

    async def _expired(self, kind: str) -> AsyncIterator[Record]:
        mapping, now = self._mappings.by_kind[kind], self._now()
        if isinstance(mapping, LegacyRowMapping):
            async for record in self._scanner.unclaimed():
                if isinstance(record, Record) and record.is_expired(now):
                    yield record
            return
        conditions = "RowKey ge @lo and RowKey lt @hi and (BsExpiresAt le @now or RowKey ge @old )"
        old = mapping.oldest(now)
        seen: set[Key] = set()
        for key_range in mapping.ranges(None, ()):
            parameters = {"lo": key_range.lo, "hi": key_range.hi, "now": dump_expiry(now), "old": old or key_range.hi}
            async for stored in self.account.rows(mapping.table, conditions, parameters):
                key = mapping.key_of(stored.partition_key, stored.row_key, stored.properties)
                if key is None or key in seen:
                    continue
                seen.add(key)
                with suppress(CorruptDocumentError):  # told by every list and by repair; it stays
                    rows = [stored] if mapping.span(key) is None else await self._reader.rows(key, "")
                    found = mapping.merge(key, rows)
                    if found is not None and found.is_expired(now):
                        yield found

    async def _purge(self, record: Record) -> bool:
        mapping = self._mappings.by_kind[record.key.kind]
        state, changes = await removals(self._reader, record.key)
        stored = state.whole
        if stored is None or not stored.is_expired(self._now()):
            return False
        await self._writer.word.look()
        if not await self._writer.word.is_stopped():
            await self._writer.write_index([Remove("GLOBAL", str(row["RowKey"])) for row in mapping.index_rows(stored)])
        marker = await self._reader.row(mapping.marker(record.key, record.sort_key)) if mapping.has_marker else None
        if marker is not None:
            changes.append(Remove(marker.partition_key, marker.row_key, marker.etag))
        try:
            await self.account.write(mapping.address(record.key, record.sort_key).table, changes)
        except AzureError as error:
            if getattr(error, "status_code", None) in (404, 412):
                return False
            raise
        return True

    @property
    @override
    def repair(self) -> Repair:
        return TableRepair(self.account, self._writer, self._mappings)

    @property
    @override
    def raw_rows(self) -> RawRows:
        return TableRows(self.account)

    @override
    async def provision(self) -> None:
        with wrap_errors("provision"):
            existing = await self.account.table_names()
            for table in TABLES:
                if table not in existing:
                    await self.account.create_table(table)

    @override
    async def ping(self) -> str:
        with wrap_errors("ping"):
            missing = sorted(set(TABLES) - set(await self.account.table_names()))
        if missing:
            account = f"Table Storage account {self.account.name} at {self.account.endpoint}"
            raise NotProvisionedError(f"{account} lacks {', '.join(missing)}; run `bifrost-store init`", backend=BACKEND)
        return f"table: account {self.account.name}, all tables present"

    @override
    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.account.aclose()

    def _write(self, operation: Operation, attempt: Attempt) -> Write:
        match operation:
            case Create(record):
                return CreateWrite(self._reader, self._now, record, attempt)
            case Replace(record, expected):
                return ReplaceWrite(self._reader, self._now, record, expected, attempt)
            case Delete(key, expected_or_none):
                return DeleteWrite(self._reader, self._now, key, expected_or_none, attempt)
            case Apply(record, over):
                return ApplyWrite(self._reader, self._now, record, over, attempt)
