"""The waist on Azure Cosmos DB for NoSQL."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import CosmosClient
from typing_extensions import override

from bifrost_store.backends.cosmos.account import CosmosAccount, Remove
from bifrost_store.backends.cosmos.errors import BACKEND, understood, wrap_errors
from bifrost_store.backends.cosmos.exchanges import Exchanges
from bifrost_store.backends.cosmos.execution_data import CosmosExecutionData
from bifrost_store.backends.cosmos.feed import CosmosFeed
from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.backends.cosmos.provisioning import CosmosLayout, differences, provision
from bifrost_store.backends.cosmos.queries import CosmosQueries
from bifrost_store.backends.cosmos.reader import CosmosReader
from bifrost_store.backends.cosmos.removing import remove
from bifrost_store.backends.cosmos.scan import CosmosScanner
from bifrost_store.backends.cosmos.writer import CosmosWriter
from bifrost_store.backends.cosmos.writes import ApplyWrite, CreateWrite, DeleteWrite, ReplaceWrite, Write, native_of
from bifrost_store.backends.protocol import Backend, Layout, ScanPage
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace, Result, name_of
from bifrost_store.core.page import Page
from bifrost_store.core.proxies import transport_options
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import for_each
from bifrost_store.errors import ConfigurationError, NotProvisionedError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_OPTIONS: Final[Mapping[str, Any]] = {
    # Without these the SDK sends a write again whose connection was lost, though it may have been carried out: the write
    # loop settles those by the write's id. What remains of its retries is right: 503 once, 429 after as long as the service
    # asks, for as long as a handler should wait; see `exchanges`.
    "retry_connect": 0,
    "retry_read": 0,
    "retry_throttle_backoff_max": 5,
    "connection_timeout": 5,
    "read_timeout": 30,
    "enable_compact_utf8_item_writes": True,
}


class CosmosBackend(Backend):
    """A `Backend` over one database: see `bifrost_store.backends.cosmos.layout` for its containers.

    Requests use the account's consistency. The contract needs Strong with one region, which `ping` checks.

    Args:
        make_client: Makes the SDK's client, given the options with which it is to work.
        database: Name of the database.
        specs: The kinds to keep.
        clock: Decides what has expired.
    """

    def __init__(self, make_client: Callable[..., CosmosClient], database: str, specs: Specs, *, clock: Clock = utc_now) -> None:
        exchanges = Exchanges()

        def make() -> CosmosClient:
            return make_client(**_OPTIONS, **exchanges.options(), transport=AioHttpTransport(**transport_options()))

        self._account = CosmosAccount(make, database)
        self._now = clock
        self._specs = specs
        self._reader = CosmosReader(self._account, specs)
        self._writer = CosmosWriter(self._account, self._reader, clock)
        self._queries = CosmosQueries(self._account, self._reader, clock)
        self._scanner = CosmosScanner(self._account, self._reader, clock)
        self._feed = CosmosFeed(self._account, specs, clock)
        self._execution_data = CosmosExecutionData(self._account, clock)

    @classmethod
    def from_connection_string(
        cls, connection_string: str, specs: Specs, *, database: str = "bifrost", clock: Clock = utc_now
    ) -> CosmosBackend:
        """Return a backend for the account that ``AccountEndpoint=...;AccountKey=...;`` names.

        Raises:
            ConfigurationError: The text is no connection string. It is not shown: it holds a key.
        """
        parts = dict(part.strip().split("=", 1) for part in connection_string.split(";") if "=" in part)
        endpoint, key = parts.get("AccountEndpoint", "").strip(), parts.get("AccountKey", "").strip()
        if not _is_address(endpoint, "http", "https") or not _is_key(key):
            raise ConfigurationError(
                "the Cosmos DB connection string cannot be read; expected AccountEndpoint=https://...;AccountKey=...;",
                backend=BACKEND,
            )
        return cls(lambda **options: CosmosClient(endpoint, key, **options), database, specs, clock=clock)

    @classmethod
    def from_endpoint(
        cls, endpoint: str, credential: AsyncTokenCredential, specs: Specs, *, database: str = "bifrost", clock: Clock = utc_now
    ) -> CosmosBackend:
        """Return a backend for ``https://<account>.documents.azure.com``; whoever made *credential* closes it.

        Raises:
            ConfigurationError: *endpoint* is no https address, which access by identity needs. It is not shown: a connection
                string in its place would hold a key.
        """
        if not _is_address(endpoint, "https"):
            raise ConfigurationError(
                "the Cosmos DB endpoint cannot be used; access by identity needs https://<account>.documents.azure.com",
                backend=BACKEND,
            )
        return cls(lambda **options: CosmosClient(endpoint, credential, **options), database, specs, clock=clock)

    @property
    @override
    def name(self) -> str:
        return BACKEND

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        keys = [key] if fallback is None else [key, Key(key.kind, fallback, key.id)]
        with wrap_errors("get", key):
            records = await for_each(self._reader.state, keys)
        now = self._now()
        return next((record for record in records if record is not None and record.is_present(now)), None)

    @override
    async def stored(self, key: Key) -> Record | None:
        with wrap_errors("stored", key):
            return await self._reader.state(key)

    @override
    async def stored_all(self, keys: Sequence[Key]) -> list[Record | None]:
        with wrap_errors("stored"):
            return await self._reader.states(keys)

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
        purged: list[Record] = []
        with wrap_errors("purge_expired"):
            async for record in self._scanner.expired(kind):
                if len(purged) == limit:
                    break
                if await self._purge(record):
                    purged.append(record)
        return purged

    async def _purge(self, record: Record) -> bool:
        key, etag = record.key, native_of(record)
        assert etag is not None
        return await remove(self._account, self._reader.container(key.kind), key.scope.value, [Remove(document_id(key), etag)]) == 1

    @override
    async def provision(self) -> None:
        with wrap_errors("provision"), understood():
            await provision(await self._account.client(), self._account.database)

    @property
    @override
    def layout(self) -> Layout:
        return CosmosLayout(self._account)

    @property
    @override
    def feed(self) -> CosmosFeed:
        return self._feed

    @property
    @override
    def execution_data(self) -> CosmosExecutionData:
        return self._execution_data

    @override
    async def ping(self) -> str:
        """Return the account, the database, and what makes it promise less than it should.

        Raises:
            NotProvisionedError: A container is missing, or cannot serve, as its partition key is another one.
        """
        with wrap_errors("ping"), understood():
            client = await self._account.client()
            found = await differences(client, self._account.database)
            for difference in found:
                if not difference.is_fixable and not difference.is_warning:
                    raise NotProvisionedError(f"{difference}; {difference.remedy}")
        host = urlsplit(client.client_connection.url_connection).netloc
        warnings = [str(difference) for difference in found if difference.is_warning]
        return "; ".join([f"cosmos: {host}, database {self._account.database}, all containers present", *warnings])

    @override
    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._account.aclose()

    def _write(self, operation: Operation, attempt: Attempt) -> Write:
        match operation:
            case Create(record):
                return CreateWrite(self._now, record, attempt)
            case Replace(record, expected):
                return ReplaceWrite(self._now, record, expected, attempt)
            case Delete(key, expected_or_none):
                return DeleteWrite(self._now, key, expected_or_none, attempt)
            case Apply(record, over):
                return ApplyWrite(self._now, record, over, attempt)


def _is_address(endpoint: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)


def _is_key(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False
