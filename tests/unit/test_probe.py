"""The reads of `bifrost-store usage`: harmless, and not stopped by one that fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bifrost_store import GLOBAL, Scope, Store, StoreSettings, open_store
from bifrost_store.cli.app import app
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.errors import AccessDeniedError, StoreError, ThrottledError
from bifrost_store.probe import READS, ROUNDS, probe
from tests.innermost import innermost

pytestmark = pytest.mark.anyio

THROTTLED = ThrottledError("busy; AccountKey=c2VjcmV0;", backend="table", retry_after_seconds=7)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=str(tmp_path / "store.db"))) as opened:
        await opened.provision()
        await opened.organizations.create("Acme", created_by="ada@msp.example", id="acme")
        await opened.executions.create(
            Scope.organization("acme"), workflow_name="w", executed_by="kim@acme.example", executed_by_name="Kim"
        )
        yield opened


async def test_each_read_is_made_three_times(store: Store) -> None:
    """The newest run is read by its id, and its result; of GLOBAL nobody asks for members, or for a run that is not there."""
    assert await probe(store, Scope.organization("acme")) == []
    calls = {row.operation: row.calls for row in store.usage().operations}

    assert calls["executions.get"] == calls["executions.load_result"] == calls["users.list_organization"] == ROUNDS
    assert await probe(store, GLOBAL) == []
    again = {row.operation: row.calls for row in store.usage().operations}
    assert (again["executions.get"], again["users.list_organization"]) == (ROUNDS, ROUNDS)
    assert again["executions.list"] == again["roles.list"] == 2 * ROUNDS


async def test_nothing_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No method of a backend is called that could change anything."""
    inner = innermost(store.backend.backend("sqlite"))

    async def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a write")

    for method in ("write", "purge_expired", "provision"):
        monkeypatch.setattr(inner, method, refuse)
    assert await probe(store, Scope.organization("acme")) == []


async def test_on_cosmos_it_reads_alone(tmp_path: Path) -> None:
    """Points, queries and what the SDK wants to know of account and containers; each answer is charged and counted."""
    with CosmosEmulator() as emulator:
        settings = StoreSettings(
            backend="cosmos",
            cosmos_connection_string=emulator.connection_string,
            blob_folder=str(tmp_path),
        )
        async with open_store(settings) as store:
            await store.provision()
            await store.executions.create(GLOBAL, workflow_name="w", executed_by="k", executed_by_name="K")
            emulator.log.clear()
            assert await probe(store, GLOBAL) == []
            rows = {row.operation: row for row in store.usage().operations}
            asked = {entry.operation for entry in emulator.log}

    assert {"Read", "ReadFeed", "SqlQuery"} >= asked
    assert (ROUNDS, ROUNDS) == (rows["executions.get"].calls, rows["executions.get"].requests_by_service["cosmos"])
    assert rows["executions.get"].request_units > 0


async def test_a_read_that_fails_stops_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried once and told; whatever else can be measured is."""
    tries = []

    async def fail(*args: Any, **kwargs: Any) -> None:
        tries.append(args)
        raise THROTTLED

    monkeypatch.setattr(store.roles, "list", fail)
    assert await probe(store, GLOBAL) == [THROTTLED]
    assert len(tries) == 1
    assert {row.operation: row.calls for row in store.usage().operations}["forms.list"] == ROUNDS


async def test_a_store_that_cannot_be_used_is_asked_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even a ping fails, nobody waits for fifteen reads to fail."""

    async def fail() -> list[str]:
        raise AccessDeniedError("no")

    monkeypatch.setattr(store, "ping", fail)
    before = store.usage().operations
    with pytest.raises(AccessDeniedError):
        await probe(store, GLOBAL)
    assert store.usage().operations == before


def test_the_command_tells_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With failures it exits with 1, shows the rest, and names each without the secrets that its message quotes."""

    async def half(store: Store, scope: Scope) -> list[StoreError]:
        with suppress(StoreError):
            await store.users.get("")
        return [THROTTLED]

    monkeypatch.setattr("bifrost_store.probe.probe", half)
    for name in ("BIFROST_STORE_BACKEND", "AzureWebJobsStorage"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BIFROST_STORE_SQLITE_PATH", str(tmp_path / "store.db"))
    plain = CliRunner().invoke(app, ["usage"])
    finished = CliRunner().invoke(app, ["usage", "--json"])
    told = json.loads(finished.stdout)

    assert (plain.exit_code, finished.exit_code, told["ok"]) == (1, 1, False)
    assert "users.get" in plain.stdout
    assert [(row["failures"], row["failures_by_error"]) for row in told["operations"]] == [(1, {"InvalidKeyError": 1})]
    assert [(one["type"], one["retry_after_seconds"]) for one in told["failures"]] == [("ThrottledError", 7)]
    assert "c2VjcmV0" not in finished.output + plain.output
    assert len(READS) == 15
