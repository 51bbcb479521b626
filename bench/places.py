"""Where the benchmark runs: a fresh store of each backend, and the bare SDK on the same data."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import aiosqlite
from azure.data.tables.aio import TableServiceClient
from pydantic import SecretStr

from bench.timing import Call
from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.backends.table.account import MAX_TRANSACTION, Insert, TableAccount
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.core.record import Record
from bifrost_store.demo.azurite import find_command, run_azurite
from bifrost_store.documents import SPECS
from bifrost_store.testing.bulk import create_all

ORGANIZATION: Final = "acme"
"""Id of the organization that library and SDK read."""


@dataclass(frozen=True, slots=True)
class BareSdk:
    """What an application without the library would call.

    Attributes:
        read: A point read of `ORGANIZATION`.
        writes: Ways to store a copy of it under a new key, by what they are.
    """

    read: Call
    writes: Mapping[str, Call]


@dataclass(frozen=True, slots=True)
class Place:
    """One backend under measurement.

    Attributes:
        name: The backend's, which is also what the meter counts its requests under.
        description: What answers, in a few words.
        store: Open, provisioned and empty.
        open_sdk: Opens the bare SDK on the same data, once `ORGANIZATION` is stored.
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
        async with _provisioned(StoreSettings(backend="sqlite", sqlite_path=path)) as store:
            description = "SQLite, a file on the local disk"
            yield Place("sqlite", description, store, partial(_bare_sqlite, path), partial(create_all, store.backend))


@asynccontextmanager
async def _table() -> AsyncIterator[Place]:
    async with run_azurite() as azurite:
        text = azurite.connection_string
        async with _provisioned(StoreSettings(backend="table", table_connection_string=SecretStr(text))) as store:
            description = f"Azurite {_azurite_version()} on the same machine"
            yield Place("table", description, store, partial(_bare_table, text), partial(_insert_rows, text))


PLACES: Final[dict[str, Callable[[], AbstractAsyncContextManager[Place]]]] = {
    "sqlite": _sqlite,
    "table": _table,
}


@asynccontextmanager
async def _provisioned(settings: StoreSettings) -> AsyncIterator[Store]:
    async with open_store(settings) as store:
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

        yield BareSdk(read, {"point write": write})


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

        yield BareSdk(read, {"point write": write, "point write, the same transaction": write_both})


async def _insert_rows(connection_string: str, records: Sequence[Record]) -> None:
    """Insert the executions' own rows alone: Azurite takes minutes for locators and index rows, and no list reads those."""
    mapping = Mappings(SPECS).by_kind["execution"]
    async with TableServiceClient.from_connection_string(connection_string) as service:
        account = TableAccount(service)
        for start in range(0, len(records), MAX_TRANSACTION):
            chunk = records[start : start + MAX_TRANSACTION]
            await account.write(mapping.table, [Insert(mapping.encode(record)[0]) for record in chunk])
