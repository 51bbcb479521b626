"""Recordings of real processes, on SQLite and Cosmos DB: killed, forked, ended, and on other stores' terms."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from bifrost_store import GLOBAL, ExecutionStatus, LogLine, Store, StoreSettings, open_store
from bifrost_store.documents import Execution
from tests.contract.cosmos_harness import CosmosServer
from tests.thorough import examples

pytestmark = [pytest.mark.anyio, pytest.mark.long]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "cosmos"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the store is, as variables."""
    if request.param == "sqlite":
        return {"BIFROST_STORE_BACKEND": "sqlite", "BIFROST_STORE_SQLITE_PATH": str(tmp_path / "runs.db")}
    cosmos: CosmosServer = request.getfixturevalue("cosmos_server")
    return {
        "BIFROST_STORE_BACKEND": "cosmos",
        "BIFROST_STORE_COSMOS_CONNECTION_STRING": cosmos.connection_string,
        "BIFROST_STORE_COSMOS_DATABASE": f"recording-{uuid4().hex[:12]}",
        "BIFROST_STORE_BLOB_FOLDER": str(tmp_path / "blobs"),
    }


@asynccontextmanager
async def opened(environment: dict[str, str]) -> AsyncIterator[Store]:
    async with open_store(StoreSettings.from_environment(environment)) as store:
        await store.provision()
        yield store


async def new_run(store: Store) -> str:
    run = await store.executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U")
    return run.execution_id


def start(environment: dict[str, str], mode: str, run: str) -> subprocess.Popen[bytes]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("BIFROST_STORE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.recording.program", mode, run],
        env={**given, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def messages(store: Store, run: str) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await store.execution_data.items(GLOBAL, run, after=after, limit=500)
        found += [item.message for item in page if isinstance(item, LogLine)]
        after = page.after
        if page.is_last:
            return found


async def test_what_was_acknowledged_survives_a_kill(environment: dict[str, str]) -> None:
    """Whenever it is killed: each acknowledged line is there once, in order, and a second process goes on beside them."""
    async with opened(environment) as store:
        run = await new_run(store)
        acknowledged = []
        for seed in range(examples(2).max_examples):
            process = start(environment, "endless", run)
            assert process.stdout is not None
            last = 0
            for _ in range(random.Random(seed).randint(1, 12)):
                line = await anyio.to_thread.run_sync(process.stdout.readline)
                last = int(line.split()[1])
            await anyio.sleep(random.Random(seed).random() / 20)
            process.send_signal(signal.SIGKILL)
            rest = await anyio.to_thread.run_sync(process.communicate)
            for line in rest[0].splitlines():
                if line.startswith(b"stored ") and line.split()[1].isdigit():
                    last = max(last, int(line.split()[1]))
            acknowledged.append(last)
        page = await store.execution_data.items(GLOBAL, run, limit=500)
        lines: dict[int, list[int]] = {}
        while True:
            for item in page:
                assert isinstance(item, LogLine)
                lines.setdefault(item.recording, []).append(int(item.message))
            if page.is_last:
                break
            page = await store.execution_data.items(GLOBAL, run, after=page.after, limit=500)
        assert sorted(lines) == list(range(len(acknowledged)))
        for recording, last in enumerate(acknowledged):
            assert lines[recording] == list(range(len(lines[recording])))
            assert len(lines[recording]) >= last
        # A timer ends the run, in a process that recorded nothing of it.
        ended = await store.executions.complete(await current(store, run), ExecutionStatus.TIMEOUT)
        logs = await store.executions.load_logs(ended)
        assert logs is not None
        assert len(logs) == sum(map(len, lines.values()))


async def current(store: Store, run: str) -> Execution:
    found = await store.executions.get(GLOBAL, run)
    assert found is not None
    return found


async def test_a_process_that_exits_stores_what_it_recorded(environment: dict[str, str]) -> None:
    async with opened(environment) as store:
        run = await new_run(store)
        process = start(environment, "leave", run)
        out, error = await anyio.to_thread.run_sync(process.communicate)
        assert out == b"left\n", error.decode()
        assert await messages(store, run) == [str(number) for number in range(200)]


async def test_a_child_that_is_forked_records_for_itself(environment: dict[str, str]) -> None:
    async with opened(environment) as store:
        run = await new_run(store)
        process = start(environment, "fork", run)
        out, error = await anyio.to_thread.run_sync(process.communicate)
        assert out == b"child stored\n", error.decode()
        found = await messages(store, run)
        for who, count in (("parent", 100), ("child", 50)):
            assert [one for one in found if one.startswith(who)] == [f"{who} {number}" for number in range(count)]


async def test_a_full_disk_loses_nothing_silently(tmp_path: Path) -> None:
    """Of a run that is kept whole until its end lines beyond memory are dropped; a line says how many, and the workflow goes on."""
    environment = {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "runs.db"), "BIFROST_STORE_REALTIME": "off"}
    async with opened(environment) as store:
        run = await new_run(store)
        process = await anyio.to_thread.run_sync(lambda: start(environment, "full", run))
        _, complaint = await anyio.to_thread.run_sync(process.communicate)
        assert process.returncode == 0, complaint
        ended = await store.executions.get(GLOBAL, run)
        assert ended is not None
        logs = await store.executions.load_logs(ended) or []
    told = [entry["message"].split(maxsplit=1) for entry in logs]
    kept = [int(number) for number, text in told if text.startswith("x")]
    dropped = [int(number) for number, text in told if text.startswith("items of the log were dropped")]
    assert sorted(kept) == kept
    assert 500 < len(kept) < 700
    assert 700 == len(kept) + sum(dropped)
    assert "there is room again" == " ".join(told[-1])
