"""`transfer` of what runs left: carried with everything else, and into a store that keeps none saved with the runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.sqlite import execution_data as sqlite_data
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.execution_data import DataDocument, Run
from bifrost_store.demo.azurite import Azurite
from bifrost_store.documents import Execution
from bifrost_store.errors import BackendUnavailableError, ConfigurationError
from bifrost_store.protocols import ExecutionRef
from bifrost_store.repositories.execution_data.places import run_of
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.data_documents import everything_of, exact_data, flush_of, payload, segment, stored
from bifrost_store.transfer import dumping, loading
from bifrost_store.transfer.data_lines import data_line_of, data_of
from bifrost_store.transfer.records import TransferReport, dump_records, load_records
from tests.emptying import provision_anew

pytestmark = pytest.mark.anyio

SCOPE = Scope.organization("acme")
RESULT = {"rows": ["é" * 100] * 30, "n": 2**70}
PAGE = "<p>x</p>" * 300


@asynccontextmanager
async def sqlite(folder: Path, clock: SettableClock) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=str(folder / "store.db")), clock=clock) as store:
        await store.provision()
        yield store


def line(number: int, message: str) -> dict[str, Any]:
    moment = f"2025-11-14T12:00:00.{number:06}Z"
    return {"number": number, "timestamp": moment, "level": "info", "message": message, "data": {"n": 1.0}}


def recorded(run: Run) -> list[DataDocument]:
    """Return a flush of what a run may leave: two lines, and the variables."""
    lines = {"lines": [line(1, "one"), line(2, "two")]}
    variables = {"variables": {"a": 1.0}, "number": 1, "ends": {"dropped": 0}}
    return flush_of(segment(1, 2, run=run, body=lines), segment(3, run=run, type="variables", body=variables))


async def fill(store: Store) -> tuple[Execution, Execution, Execution]:
    """Make a run that has ended, one whose logs were saved, and one that goes on, each recorded."""
    runs = []
    data = data_of_store(store)
    for _ in range(3):
        run = await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="u")
        await stored(data, recorded(run_of(run.record)))
        runs.append(run)
    ended = await store.executions.complete(runs[0], ExecutionStatus.SUCCESS, result=RESULT)
    saved = await store.executions.save_logs(runs[1], [{"message": "saved"}])
    saved = await store.executions.complete(saved, ExecutionStatus.SUCCESS, result=PAGE)
    return ended, saved, runs[2]


def data_of_store(store: Store) -> ExecutionData:
    data = store.backend.all_backends()[0].execution_data
    assert data is not None
    return data


async def contents(store: Store, *runs: Execution) -> list[Any]:
    """Return all documents of runs, exactly."""
    return [list(map(exact_data, await everything_of(data_of_store(store), run_of(run.record)))) for run in runs]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START + timedelta(days=1))


async def test_execution_data_is_carried(tmp_path: Path, clock: SettableClock) -> None:
    """Every document of every run arrives as it was, with the records that name payloads; loading again changes nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with sqlite(tmp_path / "a", clock) as store:
        runs = await fill(store)
        before = await contents(store, *runs)
        dumped = await dump_records(store, tmp_path / "dump")
    async with sqlite(tmp_path / "b", clock) as store:
        loaded = await load_records(store, tmp_path / "dump")
        again = await load_records(store, tmp_path / "dump", restart=True)
        after = await contents(store, *runs)
        results = [await store.executions.load_result(ExecutionRef(SCOPE, run.execution_id)) for run in runs[:2]]

    assert sum(map(len, before)) == 9
    assert before == after
    assert [dumped.documents, loaded.documents, again.documents] == [9, 9, 9]
    assert all(report.is_complete for report in (dumped, loaded, again))
    assert again.written == 0
    assert [result and (result.type, result.value) for result in results] == [("json", RESULT), ("html", PAGE)]


async def test_dump_and_load_go_on_where_they_stopped(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails again and again: the same command, given again, goes on, and carries each document once."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(sqlite_data, "_SCAN_PAGE_SIZE", 2)
    monkeypatch.setattr(loading, "_LINES_PER_STATE", 2)
    async with sqlite(tmp_path / "a", clock) as store:
        runs = await fill(store)
        before = await contents(store, *runs)
        monkeypatch.setattr(dumping, "data_line_of", failing(data_line_of))
        dumped = await until_done(lambda: dump_records(store, tmp_path / "dump"))
    assert dumped.documents == len((tmp_path / "dump" / "execution_data.jsonl").read_bytes().splitlines()) == 9
    async with sqlite(tmp_path / "b", clock) as store:
        monkeypatch.setattr(loading, "data_of", failing(data_of))
        loaded = await until_done(lambda: load_records(store, tmp_path / "dump"))
        assert await contents(store, *runs) == before
    assert loaded.is_complete
    assert loaded.documents >= 9


def failing(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return *function*, which fails at every fourth call."""
    calls = count(1)

    def call(given: Any) -> Any:
        if next(calls) % 4 == 0:
            raise BackendUnavailableError("away")
        return function(given)

    return call


async def until_done(call: Callable[[], Awaitable[TransferReport]]) -> TransferReport:
    """Make *call* until it does not fail, which takes a few."""
    for attempt in count():
        try:
            report = await call()
        except BackendUnavailableError:
            continue
        assert attempt >= 2
        return report
    raise AssertionError


async def test_damaged_lines_and_conflicts_are_named(tmp_path: Path, clock: SettableClock) -> None:
    """A line that is no document, and one whose place another writer has, are named by where they stand; the others are carried."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with sqlite(tmp_path / "a", clock) as store:
        runs = await fill(store)
        await dump_records(store, tmp_path / "dump")
    path = tmp_path / "dump" / "execution_data.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"type": "', b'"type": "x', 1)[: len(lines[0]) - 1] + b"\n"
    path.write_bytes(b"".join(lines))
    async with sqlite(tmp_path / "b", clock) as store:
        theirs = segment(1, run=run_of(runs[2].record))
        await stored(data_of_store(store), [theirs])
        report = await load_records(store, tmp_path / "dump")
        assert theirs in await everything_of(data_of_store(store), run_of(runs[2].record))

    assert len(report.unreadable) in (1, 2)
    assert all("execution_data.jsonl at byte" in line for line in report.unreadable)
    path.write_bytes(path.read_bytes()[:-1])
    async with sqlite(tmp_path / "b", clock) as store:
        with pytest.raises(ConfigurationError, match="execution_data"):
            await load_records(store, tmp_path / "dump", restart=True)


async def test_into_a_store_that_keeps_none(tmp_path: Path, clock: SettableClock, azurite: Azurite) -> None:
    """On Table Storage payloads are blobs, under today's names too, what else was left is saved with the runs, once."""
    (tmp_path / "a").mkdir()
    async with sqlite(tmp_path / "a", clock) as store:
        ended, saved, live = await fill(store)
        unnamed = payload(run=run_of(ended.record))
        gone = replace(unnamed, body={"name": f"{ended.execution_id}/{unnamed.id}/result.json", "value": {"n": 1}})
        await stored(data_of_store(store), [gone])
        await dump_records(store, tmp_path / "dump")
    provision_anew(azurite)
    table = StoreSettings(backend="table", table_connection_string=azurite.connection_string)
    async with open_store(table, clock=clock) as store:
        report = await load_records(store, tmp_path / "dump")
        executions = store.executions
        refs = [ExecutionRef(SCOPE, run.execution_id) for run in (ended, saved)]
        results = [await executions.load_result(ref) for ref in refs]
        logs = [await executions.load_logs(ref) for ref in refs]
        variables = [await executions.load_variables(ref) for ref in refs]
        blobs = store.backend.blobs("table")
        names = {blob.name async for blob in blobs.list(EXECUTION_DATA)}
        going_on = await executions.load_logs(ExecutionRef(SCOPE, live.execution_id))
        again = await load_records(store, tmp_path / "dump", restart=True)
        assert [await executions.load_logs(ref) for ref in refs] == logs
        changed = await executions.save_result(refs[1], {"small": 1})
        left = {blob.name async for blob in blobs.list(EXECUTION_DATA, f"{saved.execution_id}/")}

    assert [result and (result.type, result.value) for result in results] == [("json", RESULT), ("html", PAGE)]
    assert [entry["message"] for entry in logs[0] or ()] == ["one", "two"]
    assert logs[1] == [{"message": "saved"}]
    assert variables == [{"a": 1.0}, {"a": 1.0}]
    assert {f"{ended.execution_id}/result.json", f"{saved.execution_id}/result.html", f"{saved.execution_id}/logs.json"} <= names
    assert {f"{ended.execution_id}/logs.json", f"{ended.execution_id}/variables.json"} <= names
    assert not [name for name in names if gone.id in name]
    assert changed.result == {"small": 1}
    assert not [name for name in left if "result" in name]
    assert [entry["message"] for entry in going_on or ()] == ["one", "two"]
    assert report.unreadable == again.unreadable == []
