"""The harnesses of this library's backends."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final
from unittest.mock import patch

from azure.data.tables.aio import TableServiceClient

from bifrost_store.backends import settling
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.table.account import METERED
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.blobs.azure import AzureBlobStore
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL
from bifrost_store.demo.azurite import Azurite
from bifrost_store.documents import SPECS
from bifrost_store.testing.fault_proxy import Answer, DropAfter, FaultProxy, Freeze, Reaction
from bifrost_store.testing.harness import Fault
from bifrost_store.testing.model import ModelBackend
from tests.contract.closing import closing
from tests.contract.cosmos_harness import SHORT_SECONDS, CosmosHarness
from tests.contract.dual import DualHarness
from tests.contract.meeting import OF_CONNECTIONS, meeting
from tests.emptying import provision_anew

_ANYTHING: Final = Key("config", GLOBAL, "x")


@dataclass(frozen=True)
class SqliteStore:
    """One database file."""

    backend: Backend
    blobs: BlobStore
    path: Path
    clock: Clock

    @asynccontextmanager
    async def open_another(self) -> AsyncIterator[Backend]:
        async with closing(SqliteBackend(str(self.path), SPECS, clock=self.clock)) as backend:
            yield backend

    @asynccontextmanager
    async def open_broken(self, fault: Fault, then: Fault | None = None) -> AsyncIterator[Backend]:
        inner = SqliteBackend(str(self.path), SPECS, clock=self.clock, busy_timeout_seconds=0.02)
        async with closing(inner) as backend:
            await backend.get(_ANYTHING)
            if fault is Fault.UNREACHABLE:
                with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as locker:
                    locker.execute("BEGIN IMMEDIATE")
                    yield backend
                return
            for statement in _SQL_OF_FAULT[fault].split("; "):
                await inner._connection.execute(statement, {})
            yield backend


_SQL_OF_FAULT: Final = {
    Fault.DENIED: "PRAGMA query_only = ON",
    Fault.FULL: "PRAGMA max_page_count = 1",
    Fault.NOT_PROVISIONED: "DROP TABLE records; DROP TABLE execution_data",
}


class SqliteHarness:
    """SQLite in files of a temporary folder, each backend with its blobs in a folder beside it."""

    name: ClassVar[str] = "sqlite"
    faults: ClassVar[frozenset[Fault]] = frozenset({Fault.UNREACHABLE, *_SQL_OF_FAULT})
    powers: ClassVar[frozenset[str]] = frozenset({"execution_data", "feed"})

    @asynccontextmanager
    async def open_empty(self, clock: Clock) -> AsyncIterator[SqliteStore]:
        with TemporaryDirectory(prefix="bifrost-store-") as folder:
            path = Path(folder) / "store.db"
            async with closing(SqliteBackend(str(path), SPECS, clock=clock)) as backend:
                await backend.provision()
                yield SqliteStore(backend, FolderBlobStore(Path(f"{path}.blobs")), path, clock)


@dataclass(frozen=True)
class TableStore:
    """The tables and blobs of one account."""

    backend: Backend
    blobs: BlobStore
    azurite: Azurite
    clock: Clock

    @asynccontextmanager
    async def open_another(self) -> AsyncIterator[Backend]:
        inner = TableBackend.from_connection_string(self.azurite.connection_string, SPECS, clock=self.clock)
        async with closing(inner) as backend:
            yield backend

    @asynccontextmanager
    async def open_broken(self, fault: Fault, then: Fault | None = None) -> AsyncIterator[Backend]:
        if fault is Fault.NOT_PROVISIONED:
            await _delete_tables(self.azurite)
        is_late = Fault.TIMEOUT in (fault, then)
        patience = {"read_timeout": SHORT_SECONDS} if is_late else {}
        async with self.proxied(**patience) as (proxy, backend), meeting(proxy, fault, then, _REACTION_TO_FAULT):
            with patch.object(settling, "_ATTEMPTS", 2 if is_late else settling._ATTEMPTS):
                yield backend

    @asynccontextmanager
    async def proxied(self, **options: Any) -> AsyncIterator[tuple[FaultProxy, Backend]]:
        """Yield a proxy, and a backend that reaches the tables through it; *options* are those of the SDK."""
        async with FaultProxy(f"http://127.0.0.1:{self.azurite.table_port}") as proxy:
            service = TableServiceClient.from_connection_string(through(self.azurite, tables=proxy), **{**_PATIENT, **options})
            with patch.object(settling, "_FIRST_PAUSE_SECONDS", 0.001):
                async with closing(TableBackend(service, SPECS, clock=self.clock)) as backend:
                    yield proxy, backend


_PATIENT: Final[Mapping[str, Any]] = {**METERED, "read_timeout": 10, "retry_total": 0}
_REACTION_TO_FAULT: Final[Mapping[Fault, Reaction]] = {
    Fault.TIMEOUT: Freeze(),
    Fault.THROTTLED: Answer(429, "TooManyRequests", {"Retry-After": "7"}),
    Fault.UNAVAILABLE: Answer(500, "InternalError"),
    Fault.DENIED: Answer(403, "AuthorizationFailure"),
    Fault.TOO_LARGE: Answer(413, "RequestBodyTooLarge"),
    Fault.NOT_PROVISIONED: Answer(404, "TableNotFound"),
    Fault.ANSWER_LOST: DropAfter(),
    Fault.FALSE_CONFLICT: Answer(409, "EntityAlreadyExists"),
    Fault.FALSE_MISMATCH: Answer(412, "UpdateConditionNotSatisfied"),
}


class TableHarness:
    """Table and Blob Storage of one Azurite, emptied before each store is opened.

    Args:
        azurite: Used by one store at a time.
    """

    name: ClassVar[str] = "table"
    faults: ClassVar[frozenset[Fault]] = frozenset({*OF_CONNECTIONS, *_REACTION_TO_FAULT})
    powers: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, azurite: Azurite) -> None:
        self.azurite = azurite

    @asynccontextmanager
    async def open_empty(self, clock: Clock) -> AsyncIterator[TableStore]:
        async with AsyncExitStack() as stack:
            provision_anew(self.azurite)
            connection_string = self.azurite.connection_string
            inner = TableBackend.from_connection_string(connection_string, SPECS, clock=clock)
            backend = await stack.enter_async_context(closing(inner))
            blobs = AzureBlobStore.from_connection_string(connection_string)
            stack.push_async_callback(blobs.aclose)
            yield TableStore(backend, blobs, self.azurite, clock)


class ModelHarness:
    """The model itself: what the suite demands, the reference must keep too."""

    name: ClassVar[str] = "model"
    faults: ClassVar[frozenset[Fault]] = frozenset()
    powers: ClassVar[frozenset[str]] = frozenset({"execution_data"})

    @asynccontextmanager
    async def open_empty(self, clock: Clock) -> AsyncIterator[SqliteStore]:
        with TemporaryDirectory(prefix="bifrost-store-") as folder:
            async with closing(ModelBackend(clock=clock)) as backend:
                yield _ModelStore(backend, FolderBlobStore(Path(folder)), Path(folder), clock)


class _ModelStore(SqliteStore):
    @asynccontextmanager
    async def open_another(self) -> AsyncIterator[Backend]:
        yield self.backend


HARNESSES: Final = (SqliteHarness, TableHarness, CosmosHarness, ModelHarness, DualHarness)


def through(azurite: Azurite, *, tables: FaultProxy, blobs: FaultProxy | None = None) -> str:
    """Return the connection string that leads to the tables of *azurite*, and maybe its blobs, through proxies."""
    text = azurite.connection_string.replace(f"http://127.0.0.1:{azurite.table_port}", tables.url)
    return text if blobs is None else text.replace(f"http://127.0.0.1:{azurite.blob_port}", blobs.url)


async def rows_of(azurite: Azurite) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the columns of today's layout in every row, our own left out."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    async with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        async for table in service.list_tables():
            async for row in service.get_table_client(table.name).list_entities():
                key = (table.name, str(row["PartitionKey"]), str(row["RowKey"]))
                found[key] = {name: value for name, value in row.items() if not name.startswith("Bs")}
    return found


async def _delete_tables(azurite: Azurite) -> None:
    async with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        for table in [table.name async for table in service.list_tables()]:
            await service.delete_table(table)
