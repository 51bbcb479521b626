"""Recordings on the stores themselves: what they cost, whom they are shown to, and what a migration changes for them: nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from bifrost_store import GLOBAL, Execution, ExecutionStatus, LogLine, Recording, Scope, Store, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.errors import DocumentNotFoundError, InvalidContinuationTokenError, InvalidRequestError
from tests.contract.cosmos_harness import CosmosServer
from tests.e2e.migrating import migrate, settings_of

pytestmark = pytest.mark.anyio
ONE, TWO = Scope.organization("one"), Scope.organization("two")


@pytest.fixture(params=["sqlite", "memory", "cosmos"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """A store that keeps execution data."""
    if request.param != "cosmos":
        path = str(tmp_path / "runs.db") if request.param == "sqlite" else ":memory:"
        return StoreSettings(backend="sqlite", sqlite_path=path)
    cosmos: CosmosServer = request.getfixturevalue("cosmos_server")
    return StoreSettings(
        backend="cosmos",
        cosmos_connection_string=cosmos.connection_string,
        cosmos_database=f"recording-{uuid4().hex[:12]}",
        blob_folder=str(tmp_path / "blobs"),
    )


@pytest.fixture
async def store(settings: StoreSettings) -> AsyncIterator[Store]:
    async with open_store(settings) as opened:
        await opened.provision()
        yield opened


async def new_run(store: Store, scope: Scope = GLOBAL, execution_id: str | None = None) -> Execution:
    return await store.executions.create(scope, workflow_name="w", executed_by="u", executed_by_name="U", execution_id=execution_id)


async def messages(store: Store, run: Execution) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await store.execution_data.items(run.scope, run.execution_id, after=after, limit=500, fallback=False)
        found += [item.message for item in page if isinstance(item, LogLine)]
        after = page.after
        if page.is_last:
            return found


def appended(store: Store) -> int:
    """Return how many requests recordings have made."""
    return sum(row.requests for row in store.usage().operations if row.operation == "backend.append_data")


async def test_a_burst_of_500_lines_takes_six_requests_at_most(store: Store, settings: StoreSettings) -> None:
    run = await new_run(store)
    async with store.execution_data.recording(run) as recording:
        for number in range(500):
            recording.info(f"line {number}")
    assert await messages(store, run) == [f"line {number}" for number in range(500)]
    per_transaction = 1 if settings.backend == "cosmos" else 10  # statements
    assert appended(store) <= 6 * per_transaction


@pytest.mark.parametrize(("rate", "share"), [(200, 1 / 8), (2000, 1 / 50)])
async def test_lines_share_requests(store: Store, settings: StoreSettings, rate: int, share: float) -> None:
    """On one run, for two seconds: every line is emitted when it is due, or at once if that has passed."""
    if settings.backend != "cosmos":
        pytest.skip("SQLite takes no requests")
    run = await new_run(store)
    lines = 2 * rate
    async with store.execution_data.recording(run) as recording:
        began = time.monotonic()
        for number in range(lines):
            if (wait := began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            recording.info(f"line {number}")
    assert await messages(store, run) == [f"line {number}" for number in range(lines)]
    assert appended(store) <= lines * share


async def test_one_id_in_two_scopes_is_two_runs(store: Store) -> None:
    runs = [await new_run(store, scope, "same") for scope in (ONE, TWO, GLOBAL)]
    blocks = [store.execution_data.recording(run) for run in runs for _ in range(2)]
    recordings = [await block.__aenter__() for block in blocks]
    for number, recording in enumerate(recordings):
        recording.info(f"of {runs[number // 2].scope}")
    for block in reversed(blocks):
        await block.__aexit__(None, None, None)
    for run in runs:
        assert await messages(store, run) == [f"of {run.scope}"] * 2
    assert await store.executions.delete(ONE, "same")
    with pytest.raises(DocumentNotFoundError):
        await store.execution_data.items(ONE, "same", fallback=False)
    assert await messages(store, runs[1]) == ["of org-two"] * 2
    again = await new_run(store, ONE, "same")
    assert await messages(store, again) == []
    async with store.execution_data.recording(again) as recording:
        recording.info("anew")
    assert await messages(store, again) == ["anew"]


async def test_cursors_belong_to_their_run(store: Store) -> None:
    run, other = await new_run(store, ONE), await new_run(store, ONE)
    for one in (run, other):
        async with store.execution_data.recording(one) as recording:
            for number in range(10):
                recording.info(str(number))
    page = await store.execution_data.last(ONE, run.execution_id, limit=3)
    assert page.before is not None
    reads: list[tuple[str, dict[str, Any]]] = [
        (other.execution_id, {"after": page.after}),
        (other.execution_id, {"before": page.before}),
        (run.execution_id, {"after": page.before}),
        (run.execution_id, {"before": page.after}),
        (run.execution_id, {"after": page.after[:-4] + "AAAA"}),
        (run.execution_id, {"after": "no cursor"}),
        (run.execution_id, {"after": "x" * 200_000}),
    ]
    for execution_id, cursor in reads:
        with pytest.raises(InvalidContinuationTokenError):
            await store.execution_data.items(ONE, execution_id, **cursor)
    with pytest.raises(InvalidRequestError, match="after and before"):
        await store.execution_data.items(ONE, run.execution_id, after=page.after, before=page.before)


async def test_without_real_time_a_run_is_saved_at_its_end(settings: StoreSettings) -> None:
    async with open_store(settings.model_copy(update={"realtime": "off"})) as store:
        await store.provision()
        run = await new_run(store)
        async with store.execution_data.recording(run) as recording:
            recording.info("one")
            recording.set_variables({"a": 1})
        assert await messages(store, run) == []
        ended = await store.executions.complete(run, ExecutionStatus.SUCCESS)
        assert {"logs", "variables"} <= ended.blobs.keys()
        assert appended(store) == 0
        assert await messages(store, ended) == ["one"]


async def test_table_storage_has_the_run_at_its_end(empty_azurite: Azurite) -> None:
    table = StoreSettings(backend="table", table_connection_string=empty_azurite.connection_string)
    async with open_store(table) as store:
        await store.provision()
        run = await new_run(store, ONE)
        async with store.execution_data.recording(run) as recording:
            recording.info("one")
            recording.error("two")
            page = await store.execution_data.items(ONE, run.execution_id)
            assert (page.items, page.is_live, page.is_last) == ((), False, True)
        ended = await store.executions.complete(run, ExecutionStatus.FAILED)
        assert [entry["message"] for entry in await store.executions.load_logs(ended) or ()] == ["one", "two"]
        last = await store.execution_data.last(ONE, run.execution_id, limit=1)
        assert [item.number for item in last] == [2]
        assert last.before is not None
        first = await store.execution_data.items(ONE, run.execution_id, before=last.before)
        assert [item.number for item in first] == [1]
        found = await store.execution_data.find(ONE, run.execution_id, "TWO")
        assert [item.number for item in found] == [2]


@pytest.mark.long
async def test_hand_overs_change_nothing_for_a_recording(empty_azurite: Azurite) -> None:
    """A run that goes on from before the start of a migration to after its cut-over, and others that begin in between."""
    with CosmosEmulator(options=Options(consistency="Strong")) as cosmos:
        environment = settings_of(empty_azurite, cosmos)
        steps: list[tuple[str, ...]] = [("start",), ("backfill",), ("verify",), ("cutover", "--yes"), ("rollback", "--yes")]
        async with open_store(StoreSettings.from_environment(environment)) as store:
            await store.provision()
            said = Said(store)
            async with said.recorded("before"):
                for number, step in enumerate(steps):
                    await anyio.to_thread.run_sync(partial(migrate, *step, settings=environment))
                    said.everywhere(f"after {step[0]}")
                    if number < 4:
                        async with said.recorded(f"begun after {step[0]}"):
                            pass
            for run, lines in said.lines.items():
                found = await store.executions.get(GLOBAL, run)
                assert found is not None
                logs = await store.executions.load_logs(found)
                assert [entry["message"] for entry in logs or ()] == lines


class Said:
    """Runs, and what was said in their recordings."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lines: dict[str, list[str]] = {}
        self.open: dict[str, Recording] = {}

    @asynccontextmanager
    async def recorded(self, text: str) -> AsyncIterator[None]:
        run = await new_run(self.store)
        self.lines[run.execution_id] = []
        async with self.store.execution_data.recording(run) as self.open[run.execution_id]:
            self.everywhere(text)
            yield
            del self.open[run.execution_id]
        await self.store.executions.complete(await self._present(run), ExecutionStatus.SUCCESS)

    async def _present(self, run: Execution) -> Execution:
        found = await self.store.executions.get(run.scope, run.execution_id)
        assert found is not None
        return found

    def everywhere(self, text: str) -> None:
        for run, recording in self.open.items():
            recording.info(text)
            self.lines[run].append(text)
