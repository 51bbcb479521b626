"""Payloads in execution data: large results, logs, variables and snapshots are documents of their run, where a store keeps such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.core.execution_data import payload_id
from bifrost_store.core.meter import count_requests
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ExecutionStatus
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError, PreconditionFailedError
from bifrost_store.protocols import ExecutionRef
from bifrost_store.repositories.execution_data.places import run_of
from bifrost_store.testing import strategies
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.contract.interruptions import contents, die
from bifrost_store.testing.contract.repositories_executions import start
from bifrost_store.testing.contract.repositories_payloads import RESULTS, blobs_of
from bifrost_store.testing.data_documents import everything_of, flush_of, segment, stored
from bifrost_store.testing.examples import ORGANIZATION
from bifrost_store.testing.harness import Harness, StoreUnderTest
from bifrost_store.testing.interruptions import Countdown
from bifrost_store.testing.operations import NOW, OPERATIONS, view
from bifrost_store.testing.repositories import RETENTION, Repositories, repositories_over
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio

LARGE = {"rows": ["x" * 100] * 30}


@dataclass(frozen=True)
class Live:
    """Repositories whose large payloads go to execution data, and those whose go to blobs, over one store."""

    store: StoreUnderTest
    data: ExecutionData
    on: Repositories
    off: Repositories

    async def documents(self, record: Record) -> list[str]:
        """Return the ids of the payloads of a run that lie in execution data."""
        return [one.id for one in await everything_of(self.data, run_of(record), types=["payload"])]

    async def blobs(self) -> list[str]:
        """Return the names of all payload blobs."""
        return await blobs_of(self.store)


@pytest.fixture
def live(store: StoreUnderTest, execution_data: ExecutionData, clock: SettableClock) -> Live:
    """The repositories over the store, with real time on and off."""
    on, off = (repositories_over(store.backend, store.blobs, clock, is_realtime=is_on) for is_on in (True, False))
    return Live(store, execution_data, on, off)


@pytest.mark.parametrize("case", RESULTS)
async def test_results_in_documents(live: Live, case: str) -> None:
    """Any result comes back with its type and the size that it has elsewhere; a large one is one document and no blob."""
    value, given_type, known_type = RESULTS[case]
    run = await live.on.executions.save_result(await start(live.on), value, result_type=given_type)
    elsewhere = await live.off.executions.save_result(await start(live.off), value, result_type=given_type)
    result = await live.on.executions.load_result(ExecutionRef(ORGANIZATION, run.execution_id))

    assert result is not None
    assert (result.type, exact_json(result.value)) == (known_type, exact_json(value))
    assert (run.result_in_blob, run.result_size) == (elsewhere.result_in_blob, elsewhere.result_size)
    assert len(await live.documents(run.record)) == int(run.result_in_blob)
    assert all(name.startswith(elsewhere.execution_id) for name in await live.blobs())


@given(value=strategies.json_objects)
async def test_any_payload_in_documents(live: Live, value: dict[str, Any]) -> None:
    """Logs, variables and snapshot keep any JSON in documents, each apart from the others; a replaced one leaves nothing."""
    executions = live.on.executions
    run = await start(live.on)
    for number in (1, 2):
        run = await executions.save_logs(run, [value, {"n": number}])
        run = await executions.save_variables(run, value)
        run = await executions.save_snapshot(run, [*value.values(), number])
    assert len(await live.documents(run.record)) == 3
    ref = ExecutionRef(ORGANIZATION, run.execution_id)

    assert exact_json(await executions.load_logs(ref)) == exact_json([value, {"n": 2}])
    assert exact_json(await live.off.executions.load_variables(ref)) == exact_json(value)
    assert exact_json(await executions.load_snapshot(run)) == exact_json([*value.values(), 2])
    assert await live.blobs() == []
    await executions.delete(ORGANIZATION, run.execution_id)
    assert await live.documents(run.record) == []


async def test_what_a_document_cannot_hold_is_a_blob(live: Live) -> None:
    """A payload beyond the size of a document is a blob, as are input and error message of any size; all are loaded alike."""
    values = [{"text": "x" * size} for size in (1_899_900, 1_900_000)]
    found = []
    for value in values:
        run = await live.on.executions.save_variables(await start(live.on), value)
        found.append(len(await live.documents(run.record)))
        assert await live.on.executions.load_variables(run) == value
    spilled = await start(live.on, input_data={"text": "x" * 40_000})
    failed = await live.on.executions.complete(spilled, ExecutionStatus.FAILED, error_message="y" * 40_000)

    assert found == [1, 0]
    assert await live.documents(failed.record) == []
    again = await live.on.executions.get(ORGANIZATION, failed.execution_id)
    assert again is not None
    assert (again.input_data, again.error_message) == ({"text": "x" * 40_000}, "y" * 40_000)


async def test_real_time_is_switched_at_any_time(live: Live) -> None:
    """What was saved while it was on is read and replaced while it is off, and the other way round; nothing stays behind."""
    ref = ExecutionRef(ORGANIZATION, (await start(live.on)).execution_id)
    for number, repositories in enumerate([live.on, live.off, live.on, live.on, live.off]):
        run = await repositories.executions.save_result(ref, [number])
        for reader in (live.on, live.off):
            result = await reader.executions.load_result(ref)
            assert result is not None
            assert result.value == [number]
        assert len(await live.documents(run.record)) == (repositories is live.on)
        names = [name for name in await live.blobs() if name.count("/") == 2]
        assert len(names) == (repositories is live.off)
    await live.on.executions.save_result(ref, None)
    assert (await live.documents(run.record), await live.blobs()) == ([], [])


async def test_an_old_model_loads_what_is_saved_now(live: Live) -> None:
    """A model whose payload has been replaced since loads the present one."""
    before = await live.on.executions.save_logs(await start(live.on), [{"n": 1}])
    await live.on.executions.save_logs(ExecutionRef(ORGANIZATION, before.execution_id), [{"n": 2}])

    assert await live.on.executions.load_logs(before) == [{"n": 2}]


async def test_a_refused_change_leaves_no_document(live: Live) -> None:
    """A payload whose change is refused is removed again, and what was there before stays."""
    run = await live.on.executions.complete(await start(live.on), ExecutionStatus.SUCCESS, result=LARGE)
    await live.on.executions.save_logs(run, [])
    before = await live.documents(run.record)
    with pytest.raises(PreconditionFailedError):
        await live.on.executions.complete(run, ExecutionStatus.FAILED, result={**LARGE, "n": 1})
    with pytest.raises(PreconditionFailedError):
        await live.on.executions.save_result(run, {**LARGE, "n": 2}, etag=run.etag)
    with pytest.raises(InvalidRequestError):
        await live.on.executions.save_result(run, object())

    assert await live.documents(run.record) == before
    result = await live.on.executions.load_result(run)
    assert result is not None
    assert result.value == LARGE


async def test_a_run_takes_everything_with_it(live: Live, clock: SettableClock) -> None:
    """Deleting or purging a run removes all that it left, and nothing of the run of another scope with the same id."""

    async def recorded() -> Record:
        run = await start(live.on, execution_id="e-1")
        run = await live.on.executions.complete(run, ExecutionStatus.SUCCESS, result=LARGE)
        await stored(live.data, flush_of(segment(1, 3, run=run_of(run.record)), segment(4, run=run_of(run.record))))
        assert len(await everything_of(live.data, run_of(run.record))) == 3
        return run.record

    kept = await live.on.executions.save_logs(await start(live.on, scope=GLOBAL, execution_id="e-1"), [{}])
    deleted = await recorded()
    assert await live.on.executions.delete(ORGANIZATION, "e-1")
    assert await everything_of(live.data, run_of(deleted)) == []
    purged = await recorded()
    clock.advance(days=RETENTION.days - 1)
    await live.on.executions.save_variables(kept, {})
    clock.advance(days=1)
    assert await live.on.executions.purge_expired() == 1

    assert await everything_of(live.data, run_of(purged)) == []
    assert len(await live.documents(kept.record)) == 2


async def test_what_nobody_removed_goes_when_it_has_expired(live: Live, clock: SettableClock) -> None:
    """Payloads are kept twice as long as their run; a purge then removes what was left of runs that are gone."""
    run = await live.on.executions.save_logs(await start(live.on), [{}])
    await live.store.backend.delete(run.record.key)
    clock.advance(days=RETENTION.days)
    await live.on.executions.purge_expired()
    assert len(await live.documents(run.record)) == 1
    clock.advance(days=RETENTION.days)
    assert await live.on.executions.purge_expired() == 0

    assert await live.documents(run.record) == []


async def test_a_run_that_is_created_again_has_no_payloads(live: Live) -> None:
    """A run under the id of a deleted one loads nothing of its predecessor's, though a process died before it was removed."""
    first = await live.on.executions.save_logs(await start(live.on, execution_id="e-1"), [{"first": True}])
    await live.store.backend.delete(first.record.key)
    second = await start(live.on, execution_id="e-1")
    second = await live.on.executions.save_variables(ExecutionRef(ORGANIZATION, "e-1"), {"second": True})

    assert await live.on.executions.load_logs(second) is None
    assert await live.on.executions.load_variables(second) == {"second": True}
    with pytest.raises(PreconditionFailedError):
        await live.on.executions.save_logs(first, [], etag=first.etag)
    saved = await live.on.executions.save_logs(first, [{"through an old model": True}])
    assert await live.on.executions.load_logs(saved) == [{"through an old model": True}]


async def test_a_document_that_is_gone_is_named(live: Live) -> None:
    """A payload whose document is missing raises CorruptDocumentError naming it, and so does one of another shape."""
    run = await live.on.executions.save_logs(await start(live.on), [{}])
    (name,) = await live.documents(run.record)
    await live.data.remove(run_of(run.record), [name])
    with pytest.raises(CorruptDocumentError, match=name):
        await live.on.executions.load_logs(run)
    again = await live.on.executions.save_logs(run, [{}])
    assert await live.on.executions.load_logs(again) == [{}]


async def test_a_blob_of_a_documents_name_is_found(live: Live) -> None:
    """Where the document is not in execution data, a blob of its name stands for it: a dump was loaded into another store."""
    run = await live.on.executions.save_result(await start(live.on), "<p>x</p>" * 200)
    name = run.blobs["result"]
    (document,) = await everything_of(live.data, run_of(run.record))
    assert document.id == payload_id(document.write_id)
    assert document.body == {"name": name, "value": "<p>x</p>" * 200}
    await live.data.remove(run_of(run.record))
    await live.store.blobs.put("execution-data", name, document.body["value"].encode())
    result = await live.on.executions.load_result(run)

    assert result is not None
    assert (result.type, result.value) == ("html", "<p>x</p>" * 200)
    await live.on.executions.save_result(run, None)
    assert await live.blobs() == []


async def test_what_payloads_cost(live: Live) -> None:
    """Saving costs one request more than the change, loading one: nothing is asked of blobs."""
    run = await start(live.on)
    await live.on.executions.save_logs(run, [])
    ref = ExecutionRef(ORGANIZATION, run.execution_id)
    with count_requests() as changing:
        await live.on.executions.set_status(ref, ExecutionStatus.PENDING)
    with count_requests() as completing:
        done = await live.on.executions.complete(ref, ExecutionStatus.SUCCESS, result=LARGE)
    with count_requests() as loading:
        await live.on.executions.load_result(done)

    assert sum(completing.values()) <= sum(changing.values()) + 1
    assert sum(loading.values()) <= 1
    assert "blob" not in changing | completing | loading


@pytest.mark.usefixtures("execution_data")
@pytest.mark.parametrize("name", [name for name in OPERATIONS if "complete" in name or "save" in name or "delete" in name])
async def test_what_a_dead_process_left_in_documents_is_completed(harness: Harness, clock: SettableClock, name: str) -> None:
    """Before any write it may die, those of documents among them: the same call again leaves what it would have left."""
    clock.now = NOW
    operation = OPERATIONS[name]
    async with harness.open_empty(clock) as store:
        sound = repositories_over(store.backend, store.blobs, clock, is_realtime=True)
        await operation.before(sound)
        before = await view(sound)
        await operation.step(sound)
        after, contents_after = await view(sound), await contents(store)
    writes = 0
    while True:
        countdown = Countdown(writes)
        async with harness.open_empty(clock) as store:
            sound = repositories_over(store.backend, store.blobs, clock, is_realtime=True)
            await operation.before(sound)
            await die(store, clock, operation.step, countdown, is_realtime=True)
            assert await view(sound) in (before, after) or not operation.is_single_record, writes
            await operation.step(sound)
            assert await view(sound) == after, writes
            assert await contents(store) == contents_after, writes
        if not countdown.has_stopped:
            break
        writes += 1

    assert writes > 0
