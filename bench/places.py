"""Where the benchmark runs: a fresh store of each backend, and the bare SDK on the same data."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import aiosqlite
from azure.cosmos.aio import CosmosClient
from azure.data.tables.aio import TableServiceClient
from pydantic import SecretStr

from bench.clock import now
from bench.emulator import Server, run_emulator
from bench.timing import Call
from bifrost_store import Scope, Store, StoreSettings, open_store
from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.backends.cosmos.sql import compile_page
from bifrost_store.backends.table.account import MAX_TRANSACTION, Insert, TableAccount
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.core.clock import utc_now
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.demo.azurite import find_command, run_azurite
from bifrost_store.documents import SPECS
from bifrost_store.testing.bulk import create_all

ORGANIZATION: Final = "acme"
"""Id of the organization that library and SDK read."""
PAGED: Final = Scope.organization("paged")
"""Scope of the executions that library and SDK list."""
PAGE_SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class BareSdk:
    """What an application without the library would call.

    Attributes:
        read: A point read of `ORGANIZATION`.
        writes: Ways to store a copy of it under a new key, by what they are.
        pages: Ways to list the first `PAGE_SIZE` executions of `PAGED`.
    """

    read: Call
    writes: Mapping[str, Call]
    pages: Mapping[str, Call] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """One backend under measurement.

    Attributes:
        name: The backend's, which is also what the meter counts its requests under.
        description: What answers, in a few words.
        store: Open, provisioned and empty.
        open_sdk: Opens the bare SDK on the same data, once `ORGANIZATION` and `PAGED` are stored.
        load: Stores many new executions of one scope.
    """

    name: str
    description: str
    store: Store
    open_sdk: Callable[[], AbstractAsyncContextManager[BareSdk]]
    load: Callable[[Sequence[Record]], Coroutine[Any, Any, object]]


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Place]:
    with TemporaryDirectory(prefix="bifrost-store-bench-") as folder:
        path = str(Path(folder) / "store.db")
        async with _provisioned(StoreSettings(backend="sqlite", sqlite_path=path, metrics="aggregated")) as store:
            description = "SQLite, a file on the local disk"
            yield Place("sqlite", description, store, partial(_bare_sqlite, path), partial(create_all, store.backend))


@asynccontextmanager
async def _table() -> AsyncIterator[Place]:
    async with run_azurite() as azurite:
        text = azurite.connection_string
        settings = StoreSettings(backend="table", table_connection_string=SecretStr(text), metrics="aggregated")
        async with _provisioned(settings) as store:
            description = f"Azurite {_azurite_version()} on the same machine"
            yield Place("table", description, store, partial(_bare_table, text), partial(_insert_rows, text))


@asynccontextmanager
async def _cosmos() -> AsyncIterator[Place]:
    async with run_azurite() as azurite:
        with run_emulator() as server:
            settings = StoreSettings(
                backend="cosmos",
                cosmos_connection_string=SecretStr(server.connection_string),
                blob_connection_string=SecretStr(azurite.connection_string),
                metrics="aggregated",
            )
            async with _provisioned(settings) as store:
                description = "the project's emulator, with Strong consistency, on the same machine; blobs in Azurite"
                load = partial(create_all, store.backend)
                yield Place("cosmos", description, store, partial(_bare_cosmos, server, settings.cosmos_database), load)


PLACES: Final[dict[str, Callable[[], AbstractAsyncContextManager[Place]]]] = {
    "sqlite": _sqlite,
    "table": _table,
    "cosmos": _cosmos,
}


@asynccontextmanager
async def _provisioned(settings: StoreSettings) -> AsyncIterator[Store]:
    async with open_store(settings, clock=now) as store:
        await store.provision()
        yield store


def _azurite_version() -> str:
    command = find_command() or []
    return subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.strip()


@asynccontextmanager
async def _bare_sqlite(path: str) -> AsyncIterator[BareSdk]:
    key = "kind = 'organization' AND scope = 'GLOBAL' AND id = ?"
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA synchronous = FULL")
        columns = [str(row[1]) for row in await connection.execute_fetchall("PRAGMA table_info(records)")]
        copied = ", ".join("?" if name == "id" else name for name in columns)

        async def read() -> object:
            return await (await connection.execute(f"SELECT * FROM records WHERE {key}", (ORGANIZATION,))).fetchone()

        async def write() -> object:
            insert = f"INSERT INTO records SELECT {copied} FROM records WHERE {key}"
            return await connection.execute(insert, (uuid4().hex, ORGANIZATION))

        async def page() -> object:
            listed = "SELECT * FROM records WHERE kind = 'execution' AND scope = ? ORDER BY sort_key LIMIT ?"
            return await (await connection.execute(listed, (PAGED.value, PAGE_SIZE + 1))).fetchall()

        yield BareSdk(read, {"point write": write}, {f"page of {PAGE_SIZE}": page})


@asynccontextmanager
async def _bare_table(connection_string: str) -> AsyncIterator[BareSdk]:
    async with TableServiceClient.from_connection_string(connection_string) as service:
        table: Any = service.get_table_client("Entities")
        rows = [await table.get_entity("GLOBAL", f"{prefix}{ORGANIZATION}") for prefix in ("org:", "bs-tomb:org:")]

        def copies() -> list[dict[str, Any]]:
            new = uuid4().hex
            return [{**row, "RowKey": row["RowKey"].replace(ORGANIZATION, new)} for row in rows]

        async def read() -> object:
            return await table.get_entity("GLOBAL", f"org:{ORGANIZATION}")

        async def write() -> object:
            return await table.create_entity(copies()[0])

        async def write_both() -> object:
            return await table.submit_transaction([("create", row) for row in copies()])

        async def page() -> object:
            listed: Any = table.query_entities(
                "PartitionKey eq @p and RowKey ge 'execution:' and RowKey lt 'execution;'",
                parameters={"p": PAGED.partition_key},
                results_per_page=PAGE_SIZE + 1,
            ).by_page()
            return [row async for row in await anext(listed)]

        writes = {"point write": write, "point write, the same transaction": write_both}
        yield BareSdk(read, writes, {f"page of {PAGE_SIZE}": page})


@asynccontextmanager
async def _bare_cosmos(server: Server, database: str) -> AsyncIterator[BareSdk]:
    name, scope = document_id(Key("organization", GLOBAL, ORGANIZATION)), GLOBAL.value
    compiled = compile_page(Query("execution", PAGED, limit=PAGE_SIZE), None, utc_now())
    plain = "SELECT * FROM c WHERE c.scope = @scope AND c.type = @type ORDER BY c.sortKey"
    named = [one for one in compiled.parameters if one["name"] in plain]
    async with CosmosClient(server.endpoint, server.key) as client:
        proxy = client.get_database_client(database)
        entities, executions = (proxy.get_container_client(name) for name in ("entities", "executions"))
        stored = await entities.read_item(name, scope)
        own = {field: value for field, value in stored.items() if not field.startswith("_")}

        async def read() -> object:
            return await entities.read_item(name, scope)

        async def write(**options: Any) -> object:
            return await entities.create_item({**own, "id": f"{name}-{uuid4().hex}"}, **options)

        async def page(text: str, parameters: list[dict[str, Any]], size: int) -> object:
            found: Any = executions.query_items(
                text, parameters=parameters, partition_key=PAGED.value, max_item_count=size
            ).by_page()
            return [document async for document in await anext(found)]

        pages = {
            f"page of {PAGE_SIZE}": partial(page, plain, named, PAGE_SIZE),
            f"page of {PAGE_SIZE}, the same query": partial(page, compiled.text, compiled.parameters, PAGE_SIZE + 1),
        }
        yield BareSdk(read, {"point write": write, "point write, the same options": partial(write, no_response=True)}, pages)


async def _insert_rows(connection_string: str, records: Sequence[Record]) -> None:
    """Insert the executions' own rows alone: Azurite takes minutes for locators and index rows, and no list reads those."""
    mapping = Mappings(SPECS).by_kind["execution"]
    async with TableServiceClient.from_connection_string(connection_string) as service:
        account = TableAccount(service)
        for start in range(0, len(records), MAX_TRANSACTION):
            chunk = records[start : start + MAX_TRANSACTION]
            await account.write(mapping.table, [Insert(mapping.encode(record)[0]) for record in chunk])
