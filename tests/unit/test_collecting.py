"""Which payload blobs are collected: those that an execution of ours does not name, and never a younger or a foreign one."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bifrost_store import ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.protocols import ExecutionRef
from bifrost_store.repositories.execution_data.places import run_of
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.data_documents import everything_of, payload, segment, stored
from tests.innermost import innermost

pytestmark = pytest.mark.anyio
SCOPE = Scope.organization("acme")
BIG = {"r": "x" * 5_000}
LEFT = "a" * 32


async def fill(store: Store, folder: Path) -> tuple[ExecutionRef, set[str]]:
    """Make one execution with a result in a blob, and blobs beside it; return it, and what must be left."""
    await store.provision()
    run = await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="u")
    await store.executions.complete(run, ExecutionStatus.SUCCESS, result=BIG)
    blobs = store.backend.blobs("sqlite")
    kept = {blob.name async for blob in blobs.list(EXECUTION_DATA)}
    foreign = {f"e-unknown/{LEFT}/result.json", f"{run.execution_id}/anything.json"}
    for name in (f"{run.execution_id}/{LEFT}/result.json", *foreign):
        await blobs.put(EXECUTION_DATA, name, b"{}")
    make_old(folder)
    await blobs.put(EXECUTION_DATA, f"{run.execution_id}/{'b' * 32}/result.json", b"{}")
    return ExecutionRef(SCOPE, run.execution_id), kept | foreign | {f"{run.execution_id}/{'b' * 32}/result.json"}


def make_old(folder: Path) -> None:
    """Let every file be of two days ago."""
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (long_ago, long_ago))


async def names_in(store: Store) -> set[str]:
    return {blob.name async for blob in store.backend.blobs("sqlite").list(EXECUTION_DATA)}


async def test_what_no_execution_names_is_collected(tmp_path: Path) -> None:
    """The one blob goes that its execution does not name; by a plain repair nothing does."""
    settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"), blob_folder=str(tmp_path / "blobs"), realtime="off")
    async with open_store(settings) as store:
        run, kept = await fill(store, tmp_path / "blobs")
        assert (await store.repair()).repaired == {}
        report = await store.repair(collect_payloads=True)

        assert report.repaired == {"payload blobs removed that no execution names": 1}
        assert await names_in(store) == kept
        assert (await store.repair(collect_payloads=True)).repaired == {}
        result = await store.executions.load_result(run)
        assert result is not None
        assert result.value == BIG


async def test_a_row_that_cannot_be_read_keeps_every_blob(tmp_path: Path) -> None:
    """It may be the execution that names one of them."""
    settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"), blob_folder=str(tmp_path / "blobs"), realtime="off")
    async with open_store(settings) as store:
        run, kept = await fill(store, tmp_path / "blobs")
        other = await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="u")
        connection = innermost(store.backend.backend("sqlite"))._connection
        await connection.execute("UPDATE records SET body = '{' WHERE id = :id RETURNING id", {"id": other.execution_id})
        assert (await store.repair(collect_payloads=True)).repaired == {}

        assert await names_in(store) == {*kept, f"{run.execution_id}/{LEFT}/result.json"}


async def test_documents_that_no_execution_names_are_collected(tmp_path: Path) -> None:
    """A payload goes that its run does not name, and one of a predecessor; younger ones stay, foreign ones, and all else."""
    clock = SettableClock()
    settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"))
    async with open_store(settings, clock=clock) as store:
        await store.provision()
        run = await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="u")
        done = await store.executions.complete(run, ExecutionStatus.SUCCESS, result=BIG)
        data = store.backend.backend("sqlite").execution_data
        assert data is not None
        own = run_of(done.record)
        predecessor, foreign = replace(own, creation="before"), replace(own, execution_id="unknown")
        for left in (payload(run=own), payload(run=predecessor), payload(run=foreign), segment(run=own)):
            await stored(data, [left])
        clock.advance(days=2)
        await stored(data, [replace(payload(run=own), timestamp=clock.now)])
        assert (await store.repair()).repaired == {}
        report = await store.repair(collect_payloads=True)

        assert report.repaired == {"payload documents removed that no execution names": 2}
        assert [3, 0, 1] == [len(await everything_of(data, which)) for which in (own, predecessor, foreign)]
        result = await store.executions.load_result(ExecutionRef(SCOPE, run.execution_id))
        assert result is not None
        assert result.value == BIG
