"""How runs move from status to status, and end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.errors import (
    DocumentNotFoundError,
    InvalidKeyError,
    InvalidRequestError,
    OutcomeUnknownError,
    PreconditionFailedError,
)
from bifrost_store.protocols import ExecutionRef
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.contract.repositories_executions import start
from bifrost_store.testing.examples import ORGANIZATION
from bifrost_store.testing.harness import Fault, StoreUnderTest
from bifrost_store.testing.repositories import Repositories, repositories_over
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio

DATA = "execution-data"
LIVE = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING)
FINAL = tuple(status for status in ExecutionStatus if status not in LIVE)


async def blobs_of(store: StoreUnderTest) -> list[str]:
    """Return the names of all payload blobs."""
    return [blob.name async for blob in store.blobs.list(DATA)]


@pytest.mark.parametrize("before", ExecutionStatus)
@pytest.mark.parametrize("after", LIVE)
async def test_set_status(
    repositories: Repositories, clock: SettableClock, before: ExecutionStatus, after: ExecutionStatus
) -> None:
    """Live runs move between live statuses, but never back from Cancelling; ended runs move nowhere; repeating is fine."""
    run = await start(repositories, status=before)
    clock.advance(seconds=5)
    if before.is_final or (before is ExecutionStatus.CANCELLING and after is not before):
        with pytest.raises(PreconditionFailedError):
            await repositories.executions.set_status(run, after)
        assert await repositories.executions.get(ORGANIZATION, run.execution_id) == run
        return
    moved = await repositories.executions.set_status(run, after)

    assert moved.status is after
    if after is before:
        assert moved == run
    else:
        assert moved.completed_at == (clock.now if after is ExecutionStatus.CANCELLING else None)
    assert await repositories.executions.set_status(moved, after) == moved
    assert await repositories.executions.get(ORGANIZATION, run.execution_id) == moved


@pytest.mark.parametrize("before", ExecutionStatus)
async def test_cancel(repositories: Repositories, before: ExecutionStatus) -> None:
    """Pending becomes Cancelled, Running Cancelling; repeating changes nothing; otherwise ended runs are refused."""
    after = {"Pending": "Cancelled", "Running": "Cancelling", "Cancelling": "Cancelling", "Cancelled": "Cancelled"}
    run = await start(repositories, status=before)
    if before not in after:
        with pytest.raises(PreconditionFailedError):
            await repositories.executions.cancel(run)
        return
    cancelled = await repositories.executions.cancel(run)

    assert cancelled.status == after[before]
    assert cancelled.completed_at == START
    assert await repositories.executions.cancel(cancelled) == cancelled
    assert await repositories.executions.cancel(ExecutionRef(ORGANIZATION, run.execution_id)) == cancelled


@pytest.mark.parametrize("status", FINAL)
async def test_complete(repositories: Repositories, clock: SettableClock, status: ExecutionStatus) -> None:
    """Completing ends a run with all that was given; the same again returns what is stored; another outcome is refused."""
    run = await start(repositories)
    clock.advance(seconds=5)
    outcome: dict[str, Any] = {"duration_ms": 2**31 - 1, "error_message": "é\x00", "error_type": "E", "result": {"a": 1.0}}
    done = await repositories.executions.complete(run, status, **outcome)
    clock.advance(seconds=5)

    assert (done.status, done.duration_ms, done.error_message, done.error_type) == (status, 2**31 - 1, "é\x00", "E")
    assert (exact_json(done.result), done.result_type, done.completed_at) == ('{"a": 1.0}', "json", START.replace(second=5))
    assert await repositories.executions.complete(run, status, **outcome) == done
    assert await repositories.executions.complete(ExecutionRef(ORGANIZATION, run.execution_id), status, **outcome) == done
    for different in ({"duration_ms": 1}, {"error_message": None}, {"error_type": "F"}, {"result": {"a": 1}}):
        with pytest.raises(PreconditionFailedError):
            await repositories.executions.complete(run, status, **{**outcome, **different})
    other = next(one for one in FINAL if one is not status)
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.complete(done, other, **outcome)
    assert await repositories.executions.get(ORGANIZATION, run.execution_id) == done


async def test_one_outcome_wins(repositories: Repositories, store: StoreUnderTest) -> None:
    """Of different outcomes at the same time one is kept whole, its payload included; the others are refused and leave nothing."""
    run = await start(repositories)

    async def complete(number: int) -> Execution | None:
        try:
            return await repositories.executions.complete(run, FINAL[number % 5], result=[number] * 2000)
        except PreconditionFailedError:
            return None

    done = [one for one in await asyncio.gather(*map(complete, range(6))) if one is not None]

    assert len(done) == 1
    stored = await repositories.executions.get(ORGANIZATION, run.execution_id)
    assert stored == done[0]
    result = await repositories.executions.load_result(stored)
    assert result is not None
    assert FINAL[result.value[0] % 5] is stored.status
    assert len(await blobs_of(store)) == 2


async def test_a_stale_model_is_read_again(repositories: Repositories) -> None:
    """A change by a model that is out of date applies to what is stored now; with an etag it is refused."""
    run = await start(repositories)
    saved = await repositories.executions.save_logs(run, [{"m": 1}])
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.complete(run, ExecutionStatus.SUCCESS, etag=run.etag)
    done = await repositories.executions.complete(run, ExecutionStatus.SUCCESS)

    assert done.record.version.revision == saved.record.version.revision + 1
    assert await repositories.executions.load_logs(done) == [{"m": 1}]
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.set_status(run, ExecutionStatus.PENDING)


async def test_changes_of_what_is_not_there(repositories: Repositories, store: StoreUnderTest) -> None:
    """Every change of a run that does not exist raises DocumentNotFoundError and leaves no blob; loads give None."""
    gone = await start(repositories)
    await repositories.executions.delete(ORGANIZATION, gone.execution_id)
    executions = repositories.executions
    large = ["x"] * 2000
    for run in (gone, ExecutionRef(ORGANIZATION, "missing"), ExecutionRef(Scope.organization("o-9"), gone.execution_id)):
        for call in (
            executions.set_status(run, ExecutionStatus.PENDING),
            executions.complete(run, ExecutionStatus.FAILED, result=large, error_message="x" * 40_000),
            executions.cancel(run),
            executions.save_result(run, large),
            executions.save_logs(run, [{"a": 1}]),
            executions.save_variables(run, {"a": 1}),
            executions.save_snapshot(run, large),
        ):
            with pytest.raises(DocumentNotFoundError):
                await call
        for load in (executions.load_result, executions.load_logs, executions.load_variables, executions.load_snapshot):
            assert await load(run) is None
    assert await blobs_of(store) == []


@pytest.mark.parametrize(
    ("method", "arguments", "expected"),
    [
        ("set_status", (ExecutionStatus.SUCCESS,), InvalidRequestError),
        ("set_status", ("Gone",), InvalidRequestError),
        ("complete", (ExecutionStatus.RUNNING,), InvalidRequestError),
        ("complete", ("Done",), InvalidRequestError),
        ("save_result", (float("nan"),), InvalidRequestError),
        ("save_result", ({1, 2},), InvalidRequestError),
        ("save_logs", ("text",), InvalidRequestError),
        ("save_logs", ([1],), InvalidRequestError),
        ("save_logs", ([{"a": float("inf")}],), InvalidRequestError),
        ("save_variables", ([1],), InvalidRequestError),
        ("save_variables", ({1: 1},), InvalidRequestError),
        ("save_snapshot", ({"a": 1},), InvalidRequestError),
        ("save_snapshot", (["\ud800"],), InvalidRequestError),
    ],
)
async def test_bad_arguments(
    repositories: Repositories, store: StoreUnderTest, method: str, arguments: tuple[Any, ...], expected: type[Exception]
) -> None:
    """Bad arguments are refused before anything is written; so is what names no run."""
    run = await start(repositories)
    with pytest.raises(expected):
        await getattr(repositories.executions, method)(run, *arguments)
    with pytest.raises(InvalidKeyError):
        await repositories.executions.cancel(run.execution_id)  # type: ignore[arg-type]

    assert await repositories.executions.get(ORGANIZATION, run.execution_id) == run
    assert await blobs_of(store) == []


@pytest.mark.parametrize(
    "more",
    [
        {"duration_ms": -1},
        {"duration_ms": 2**31},
        {"duration_ms": 1.5},
        {"duration_ms": True},
        {"error_message": "\ud800"},
        {"error_type": 5},
        {"result": 1, "result_type": "text"},
        {"result": "x", "result_type": "xml"},
    ],
    ids=str,
)
async def test_bad_outcomes(repositories: Repositories, more: dict[str, Any]) -> None:
    """Durations beyond 31 bits, texts that are none and results beside their type are refused; the run goes on."""
    run = await start(repositories)
    with pytest.raises(InvalidRequestError) as caught:
        await repositories.executions.complete(run, ExecutionStatus.SUCCESS, **more)

    assert list(more)[-1] in str(caught.value) or next(iter(more)) in str(caught.value)
    assert await repositories.executions.get(ORGANIZATION, run.execution_id) == run


@pytest.mark.parametrize("payload", ["inline", "in a blob"])
async def test_an_end_whose_fate_is_unknown(
    store: StoreUnderTest, repositories: Repositories, clock: SettableClock, refusal: Fault, payload: str
) -> None:
    """An end that is not answered, and refused when it is sent again, is told as unknown; it arrives, and its result is there."""
    run = await start(repositories)
    result = {"r": "x" * (5_000 if payload == "in a blob" else 5)}
    async with store.open_broken(Fault.ANSWER_LATE, refusal) as broken:
        with pytest.raises(OutcomeUnknownError):
            await repositories_over(broken, store.blobs, clock).executions.complete(run, ExecutionStatus.SUCCESS, result=result)

    ended = await repositories.executions.get(ORGANIZATION, run.execution_id)
    assert ended is not None
    assert ended.status is ExecutionStatus.SUCCESS
    loaded = await repositories.executions.load_result(ended)
    assert loaded is not None
    assert exact_json(loaded.value) == exact_json(result)
    again = await repositories.executions.complete(run, ExecutionStatus.SUCCESS, result=result)
    assert again.etag == ended.etag
