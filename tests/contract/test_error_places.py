"""An error about a store that is away or lacks something names it: endpoint or file, account, database, container, table."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from azure.cosmos.aio import CosmosClient
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from bifrost_store.backends import settling
from bifrost_store.backends.cosmos.backend import CosmosBackend
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.blobs.azure import AzureBlobStore
from bifrost_store.core.operations import Create
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.demo.azurite import Azurite
from bifrost_store.documents import SPECS
from bifrost_store.emulator.wire.auth import EMULATOR_KEY
from bifrost_store.errors import BackendUnavailableError, DocumentNotFoundError, NotProvisionedError, StoreError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, touched
from tests.contract.closing import closing
from tests.contract.cosmos_harness import CosmosHarness, hurried
from tests.contract.harness import TableHarness

pytestmark = pytest.mark.anyio

KEY = "c2VjcmV0c2VjcmV0"
CALLS: dict[str, Callable[[Backend, Record], Awaitable[object]]] = {
    "get": lambda backend, record: backend.get(record.key),
    "stored": lambda backend, record: backend.stored(record.key),
    "query": lambda backend, _: backend.query(Query("config", ORGANIZATION)),
    "query of all scopes": lambda backend, _: backend.query(Query("config", None)),
    "aggregate": lambda backend, _: backend.aggregate(Query("config", ORGANIZATION)),
    "scan": lambda backend, _: everything(backend),
    "create": lambda backend, _: backend.create(config("new")),
    "replace": lambda backend, record: backend.replace(touched(record), record.etag),
    "delete": lambda backend, record: backend.delete(record.key),
    "apply": lambda backend, record: backend.apply(replace(touched(record), version=record.version.next())),
    "batch": lambda backend, _: backend.batch([Create(config(key)) for key in "ab"]),
    "ping": lambda backend, _: backend.ping(),
}


async def _listed(blobs: AzureBlobStore) -> list[object]:
    return [blob async for blob in blobs.list("files")]


OF_BLOBS: dict[str, Callable[[AzureBlobStore], Awaitable[object]]] = {
    "put": lambda blobs: blobs.put("files", "a", b"x"),
    "get": lambda blobs: blobs.get("files", "a"),
    "describe": lambda blobs: blobs.describe("files", "a"),
    "copy": lambda blobs: blobs.copy("files", "a", "b"),
    "copy_for": lambda blobs: blobs.copy_for("org-a", "files", "a", "b"),
    "delete": lambda blobs: blobs.delete("files", "a"),
    "delete_for": lambda blobs: blobs.delete_for("org-a", "files", "a"),
    "list": _listed,
    "provision": lambda blobs: blobs.provision(),
    "ping": lambda blobs: blobs.ping(),
}


@pytest.fixture
def address() -> str:
    """Where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


async def refused(call: Awaitable[object], kind: type[StoreError], *named: str) -> None:
    """Hold that *call* raises *kind* with all of *named* in its message, and no key."""
    with pytest.raises(kind) as caught:
        await call
    assert [] == [one for one in named if one not in str(caught.value)], str(caught.value)
    assert KEY not in str(caught.value) + repr(caught.value)


@asynccontextmanager
async def away_table(address: str) -> AsyncIterator[Backend]:
    text = f"DefaultEndpointsProtocol=http;AccountName=acme;AccountKey={KEY};TableEndpoint=http://{address}/acme?sig={KEY}"
    service = TableServiceClient.from_connection_string(text, retry_total=0)
    with patch.object(settling, "_FIRST_PAUSE_SECONDS", 0.001):
        async with closing(TableBackend(service, SPECS)) as backend:
            yield backend


@asynccontextmanager
async def away_cosmos(address: str) -> AsyncIterator[Backend]:
    def make(**options: Any) -> CosmosClient:
        return CosmosClient(f"http://{address}/", EMULATOR_KEY, **{**options, "retry_total": 0})

    with hurried():
        async with closing(CosmosBackend(make, "bifrost", SPECS)) as backend:
            yield backend


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("away", [away_table, away_cosmos])
async def test_who_cannot_be_reached_is_named(away: Any, call: str, address: str) -> None:
    """Host and port, whatever is asked, and what to check."""
    async with away(address) as backend:
        await refused(CALLS[call](backend, config()), BackendUnavailableError, f" at {address} cannot be reached", "check endpoint")


@pytest.mark.parametrize("call", OF_BLOBS)
async def test_blob_storage_that_cannot_be_reached_is_named(call: str, address: str) -> None:
    """The same of blobs."""
    text = f"AccountName=acme;AccountKey={KEY};BlobEndpoint=http://{address}/acme"
    async with BlobServiceClient.from_connection_string(text, retry_total=0) as client:
        await refused(OF_BLOBS[call](AzureBlobStore(client)), BackendUnavailableError, f" at {address} cannot be reached")


@pytest.mark.parametrize("call", sorted(CALLS.keys() - {"scan"}))  # which goes through the tables that are there
async def test_a_missing_table_is_named(table_harness: TableHarness, clock: SettableClock, call: str) -> None:
    """Table, account and endpoint, and the command that makes it."""
    azurite = table_harness.azurite
    named = ["Config", "devstoreaccount1", "bifrost-store init", f":{azurite.table_port}"]
    async with table_harness.open_empty(clock) as store:
        record = await store.backend.create(config())
        async with TableServiceClient.from_connection_string(azurite.connection_string) as service:
            await service.delete_table("Config")
        await refused(CALLS[call](store.backend, record), NotProvisionedError, *named)


@pytest.mark.parametrize("call", CALLS)
async def test_a_missing_container_is_named(cosmos_harness: CosmosHarness, clock: SettableClock, call: str) -> None:
    """Container, database and endpoint."""
    async with cosmos_harness.open_empty(clock) as store:
        record = await store.backend.create(config())
        await store.delete_containers("entities")
        endpoint = store.server.endpoint.partition("//")[2].rstrip("/")
        named = ["container entities", f"database {store.database}", endpoint, "bifrost-store init"]
        await refused(CALLS[call](store.backend, record), NotProvisionedError, *named)


@pytest.mark.parametrize("call", ["create", "ping", "list"])
async def test_a_missing_container_of_blobs_is_named(azurite: Azurite, call: str) -> None:
    """Container, account and endpoint; what is not there is not listed, and a payload makes its container."""
    blobs = AzureBlobStore.from_connection_string(azurite.connection_string)
    async with BlobServiceClient.from_connection_string(azurite.connection_string) as client:
        async for container in client.list_containers():
            await client.delete_container(container.name)
    try:
        if call == "list":
            assert [] == await _listed(blobs)
        elif call == "create":
            await refused(blobs.copy("execution-data", "a", "b"), DocumentNotFoundError, "execution-data")
        else:
            named = ["no container", "devstoreaccount1", f":{azurite.blob_port}", "bifrost-store init"]
            await refused(blobs.ping(), NotProvisionedError, *named)
    finally:
        await blobs.provision()
        await blobs.aclose()


@pytest.mark.parametrize("call", CALLS)
async def test_a_file_without_its_table_is_named(tmp_path: Path, call: str) -> None:
    """SQLite names its file."""
    path = tmp_path / "store.db"
    async with closing(SqliteBackend(str(path), SPECS)) as backend:
        await backend.provision()
        record = await backend.create(config())
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DROP TABLE records")
        await refused(CALLS[call](backend, record), NotProvisionedError, str(path), "bifrost-store init")
