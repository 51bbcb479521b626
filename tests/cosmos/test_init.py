"""``bifrost-store init`` on Cosmos DB: what differs is told with the next step, and mended on request."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy
from typer.testing import CliRunner

from bifrost_store.backends.cosmos.layout import CONTAINERS
from bifrost_store.cli.app import app
from bifrost_store.emulator import CosmosEmulator

Init = Callable[..., str]


@pytest.fixture
def init(cosmos_emulator: CosmosEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """Runs ``init`` on an empty Cosmos DB account, and returns what it prints."""
    for name in list(os.environ):
        if name.startswith(("BIFROST_STORE_", "AzureWebJobsStorage", "CosmosDBConnection")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BIFROST_STORE_BACKEND", "cosmos")
    monkeypatch.setenv("BIFROST_STORE_COSMOS_CONNECTION_STRING", cosmos_emulator.connection_string)
    monkeypatch.setenv("BIFROST_STORE_BLOB_FOLDER", str(tmp_path / "blobs"))

    def run(*options: str, check: int = 0) -> str:
        # In a thread of its own: this one may have the loop of other tests' fixtures, and a command makes its own.
        with ThreadPoolExecutor(1) as thread:
            result = thread.submit(CliRunner().invoke, app, ["init", *options]).result()
        assert check == result.exit_code, result.output
        return result.stdout

    return run


def with_database(emulator: CosmosEmulator, function: Any) -> Any:
    """Return what an async function makes of the database."""

    async def call() -> Any:
        async with CosmosClient(emulator.endpoint, emulator.key) as client:
            return await function(client.get_database_client("bifrost"))

    return asyncio.run(call())


@pytest.mark.cosmos_emulator(consistency="Strong", is_serverless=True)
def test_an_empty_account_is_set_up(init: Init, cosmos_emulator: CosmosEmulator) -> None:
    """Twice does no harm; every container is there, and nothing differs."""

    async def names(database: DatabaseProxy) -> set[str]:
        return {container["id"] async for container in database.list_containers()}

    for _ in range(2):
        report = json.loads(init("--json"))
        assert (True, [], []) == (report["ok"], report["fixed"], report["differences"])
        assert "database bifrost" in report["stores"][0]
    assert set(CONTAINERS) == with_database(cosmos_emulator, names)


@pytest.mark.cosmos_emulator(consistency="Strong")
def test_a_difference_is_mended_on_request_alone(init: Init, cosmos_emulator: CosmosEmulator) -> None:
    """Without `--fix` it stays, the exit code is 1 and the command that fixes it is named."""
    init()

    async def change(database: DatabaseProxy) -> None:
        policy: Any = CONTAINERS["entities"].indexing_policy
        await database.replace_container("entities", PartitionKey("/scope"), default_ttl=60, indexing_policy=policy)

    with_database(cosmos_emulator, change)
    told = "differs: entities: default TTL is 60, should be -1 - run `bifrost-store init --fix`"
    for _ in range(2):
        assert told in init(check=1).splitlines()
    assert "fixed: entities: default TTL is 60, should be -1" in init("--fix").splitlines()
    assert "TTL" not in init("--fix")


@pytest.mark.cosmos_emulator(consistency="Strong")
def test_what_cannot_be_mended_says_what_to_do(init: Init, cosmos_emulator: CosmosEmulator) -> None:
    """A container with another partition key fails with and without `--fix`, and stays."""

    async def spoil(database: DatabaseProxy) -> None:
        await database.delete_container("executions")
        await database.create_container("executions", PartitionKey("/pk"))

    init()
    with_database(cosmos_emulator, spoil)
    for options in ((), ("--fix",)):
        report = json.loads(init("--json", *options, check=1))
        first = report["differences"][0]
        assert (False, []) == (report["ok"], report["fixed"])
        assert ("executions", False, False) == (first["place"], first["is_fixable"], first["is_warning"])
        assert "should be /scope" in first["problem"]
        assert "BIFROST_STORE_COSMOS_DATABASE" in first["remedy"]


def test_a_weaker_account_is_a_warning(init: Init) -> None:
    """With Session consistency, as emulators have it, the store works; `init` says what is missing and exits with 0."""
    (line,) = [line for line in init().splitlines() if line.startswith("warning: ")]

    assert line.startswith("warning: account: default consistency is Session, should be Strong")


def test_other_backends_have_nothing_to_mend(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite `--fix` does what `init` does."""
    monkeypatch.setenv("BIFROST_STORE_BACKEND", "sqlite")
    monkeypatch.setenv("BIFROST_STORE_SQLITE_PATH", ":memory:")
    monkeypatch.delenv("BIFROST_STORE_COSMOS_CONNECTION_STRING")
    report = json.loads(init("--fix", "--json"))

    assert (True, [], []) == (report["ok"], report["fixed"], report["differences"])
