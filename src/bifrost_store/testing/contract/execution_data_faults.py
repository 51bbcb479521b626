"""Execution data where something goes wrong: services that fail, callers that are cancelled, input that no backend can keep."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import anyio
import pytest

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.core.execution_data import DataDocument, DataRange, Run, recordings_from, segment_id
from bifrost_store.core.record import NEVER
from bifrost_store.core.scope import SYSTEM
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentTooLargeError,
    InvalidContinuationTokenError,
    InvalidKeyError,
    InvalidRequestError,
    OutcomeUnknownError,
    StoreError,
)
from bifrost_store.testing.clock import START
from bifrost_store.testing.contract.errors import EXPECTED
from bifrost_store.testing.data_documents import RUN, everything_of, exact_data, failure, flush_of, payload, segment, stored
from bifrost_store.testing.harness import Fault, StoreUnderTest
from bifrost_store.testing.strategies import nested

pytestmark = pytest.mark.anyio

_MARKER: Final = "s3cr3t-content"


def _flush() -> list[DataDocument]:
    return flush_of(*[segment(n, body={"lines": [_MARKER * 3_000]}) for n in range(1, 4)])


@pytest.mark.usefixtures("execution_data")
async def test_a_fault_is_the_outcome_of_the_flush(store: StoreUnderTest, fault: Fault) -> None:
    """A lasting fault is told as its error, naming backend and operation, showing no content; the flush can be sent again."""
    flush = _flush()
    async with store.open_broken(fault) as broken:
        assert broken.execution_data is not None
        outcomes = await broken.execution_data.append([flush, [segment(run=replace(RUN, execution_id="run-2"))]])

    for error in outcomes:
        assert error is not None
        assert type(error) is EXPECTED[fault]
        assert (error.backend, error.operation) == (store.backend.name, "append_data")
        assert error.retry_after_seconds == (7 if fault is Fault.THROTTLED else None)
        assert _MARKER not in str(error) + repr(error) + str(error.__cause__)
    if fault is not Fault.NOT_PROVISIONED:
        assert store.backend.execution_data is not None
        assert await everything_of(store.backend.execution_data) == []
        await stored(store.backend.execution_data, flush)


@pytest.mark.usefixtures("execution_data")
async def test_a_passing_fault_leaves_exactly_our_flush(store: StoreUnderTest, passing_fault: Fault) -> None:
    """Where an answer was lost or a refusal was false, a flush is stored once, and told as stored."""
    flush = _flush()
    async with store.open_broken(passing_fault) as broken:
        assert broken.execution_data is not None
        await stored(broken.execution_data, flush)

    assert store.backend.execution_data is not None
    assert list(map(exact_data, flush)) == list(map(exact_data, await everything_of(store.backend.execution_data)))


@pytest.mark.usefixtures("execution_data")
async def test_an_unknown_fate_is_settled_by_sending_again(store: StoreUnderTest, refusal: Fault) -> None:
    """A flush whose answer is lost and whose next sending is refused is not told as refused; sent again it is stored once."""
    flush = _flush()
    async with store.open_broken(Fault.ANSWER_LATE, refusal) as broken:
        assert broken.execution_data is not None
        error = failure(await broken.execution_data.append([flush]))
    assert type(error) is OutcomeUnknownError

    assert store.backend.execution_data is not None
    if refusal is not Fault.NOT_PROVISIONED:
        await stored(store.backend.execution_data, flush)
        assert list(map(exact_data, flush)) == list(map(exact_data, await everything_of(store.backend.execution_data)))


@pytest.mark.usefixtures("execution_data")
async def test_a_lost_answer_hides_no_conflict(store: StoreUnderTest, passing_fault: Fault) -> None:
    """Whatever passes between, a flush that another writer came before is refused, and nothing of it is stored."""
    there, flush = segment(2, body={"lines": ["theirs"]}), _flush()
    assert store.backend.execution_data is not None
    await stored(store.backend.execution_data, [there])
    async with store.open_broken(passing_fault) as broken:
        assert broken.execution_data is not None
        assert isinstance(failure(await broken.execution_data.append([flush])), DocumentExistsError)

    assert [exact_data(there)] == list(map(exact_data, await everything_of(store.backend.execution_data)))


@pytest.mark.usefixtures("execution_data")
async def test_removing_meets_a_passing_fault(store: StoreUnderTest, passing_fault: Fault) -> None:
    """A removal whose answer is lost has removed all the same; one that was refused falsely removes when it is asked again."""
    assert store.backend.execution_data is not None
    await stored(store.backend.execution_data, _flush(), [payload()])
    async with store.open_broken(passing_fault) as broken:
        assert broken.execution_data is not None
        with suppress(StoreError):
            await broken.execution_data.remove(RUN)
    await store.backend.execution_data.remove(RUN)

    assert await everything_of(store.backend.execution_data) == []


async def test_a_cancelled_append_is_whole_or_nothing(execution_data: ExecutionData) -> None:
    """A caller that is cancelled at any moment leaves each flush whole or not at all, and the store usable."""
    runs = [replace(RUN, execution_id=f"run-{number}") for number in range(6)]
    flushes = [flush_of(*[segment(n, run=run) for n in range(1, 20)]) for run in runs]
    for steps in range(12):
        async with anyio.create_task_group() as group:
            group.start_soon(execution_data.append, flushes)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        counts = {len(await everything_of(execution_data, run)) for run in runs}
        assert counts <= {0, 19}
    assert await execution_data.append(flushes) == [None] * len(runs)


async def test_scan_resumes_after_any_page(store: StoreUnderTest, execution_data: ExecutionData) -> None:
    """From every resume token, also by another handle, the scan goes on with exactly what is left."""
    for number in range(8):
        await stored(execution_data, flush_of(*[segment(100 * number + n) for n in range(1, 100)]))
    pages = [page async for page in execution_data.scan()]
    assert len(pages) > 1
    assert sum(len(page.documents) for page in pages) == 8 * 99
    async with store.open_another() as another:
        assert another.execution_data is not None
        for number, page in enumerate(pages):
            rest = [one.id async for left in another.execution_data.scan(page.resume_token) for one in left.documents]
            assert rest == [one.id for left in pages[number + 1 :] for one in left.documents]


@pytest.mark.parametrize("token", ["x", "", "{}", "null", "[1]", '"', "\x00", "[1, 2]"])
async def test_foreign_resume_tokens_are_refused(execution_data: ExecutionData, token: str) -> None:
    """What is no resume token of this backend raises InvalidContinuationTokenError."""
    await stored(execution_data, [segment()])
    with pytest.raises(InvalidContinuationTokenError):
        async for _ in execution_data.scan(token):
            pass


_ELSEWHERE: Final = replace(RUN, execution_id="run-2")
BAD_FLUSHES: Final[dict[str, tuple[list[DataDocument], type[StoreError]]]] = {
    "no documents": ([], InvalidRequestError),
    "too many": (flush_of(*[segment(n) for n in range(1, 102)]), InvalidRequestError),
    "of two runs": (flush_of(segment(), segment(2, run=_ELSEWHERE)), InvalidRequestError),
    "of two creations": (flush_of(segment(), segment(2, run=replace(RUN, creation="d"))), InvalidRequestError),
    "two write ids": ([segment(), segment(2)], InvalidRequestError),
    "no write id": ([segment(write_id="x")], InvalidRequestError),
    "an id twice": (flush_of(segment(), segment(1, 2)), InvalidRequestError),
    "an id of other items": ([replace(segment(), id=segment_id(RUN.scope, 0, 2))], InvalidKeyError),
    "an id of another scope": ([replace(segment(), id=segment_id(SYSTEM, 0, 1))], InvalidKeyError),
    "an id of another write": ([replace(payload(), write_id="0" * 32)], InvalidKeyError),
    "no item": ([replace(segment(), first=0, id=segment_id(RUN.scope, 0, 0))], InvalidKeyError),
    "backward": ([replace(segment(5), last=4)], InvalidKeyError),
    "a recording too many": ([segment(recording=10**6)], InvalidKeyError),
    "an item too many": ([segment(10**10)], InvalidKeyError),
    "an unknown type": ([replace(segment(), type="trace")], InvalidRequestError),  # type: ignore[arg-type]
    "a scope without runs": ([segment(run=replace(RUN, scope=SYSTEM))], InvalidKeyError),
    "no execution id": ([segment(run=replace(RUN, execution_id="a/b"))], InvalidKeyError),
    "no creation": ([segment(run=replace(RUN, creation=""))], InvalidKeyError),
    "no expiry": ([replace(segment(), expires_at=None)], InvalidRequestError),
    "a naive expiry": ([replace(segment(), expires_at=START.replace(tzinfo=None))], InvalidRequestError),
    "a naive time": ([replace(segment(), timestamp=START.replace(tzinfo=None))], InvalidRequestError),
    "no JSON": ([segment(body={"lines": [{"data": float("nan")}]})], InvalidRequestError),
    "too deep": ([segment(body={"lines": [nested(1, 101)]})], InvalidRequestError),
    "a surrogate": ([segment(body={"lines": ["\ud800"]})], InvalidRequestError),
    "no name": ([segment(body={"": 1})], InvalidRequestError),
    "a system name": ([segment(body={"_etag": 1})], InvalidRequestError),
    "too large": ([segment(body={"lines": ["x" * 2_000_000]})], DocumentTooLargeError),
    "too large in all": (flush_of(*[segment(n, body={"lines": ["x" * 700_000]}) for n in (1, 2, 3)]), DocumentTooLargeError),
}


@pytest.mark.parametrize("name", BAD_FLUSHES)
async def test_bad_flushes(execution_data: ExecutionData, name: str) -> None:
    """What no backend can keep is refused alike everywhere, before any other flush of the call is sent."""
    flush, expected = BAD_FLUSHES[name]
    with pytest.raises(expected) as caught:
        await execution_data.append([[segment()], flush])

    assert type(caught.value) is expected
    assert await everything_of(execution_data) == []


async def test_the_deepest_values(execution_data: ExecutionData) -> None:
    """Values as deep as records have them are stored and read."""
    flush = flush_of(segment(body={"lines": [{"data": nested(1.0, 99)}]}), segment(2, body={"variables": nested(1, 100)}))
    await stored(execution_data, flush)

    assert list(map(exact_data, flush)) == list(map(exact_data, await everything_of(execution_data)))


Call = Callable[[ExecutionData], Coroutine[Any, Any, object]]
_ALL: Final = [recordings_from(RUN.scope, 0)]
BAD_CALLS: Final[dict[str, Call]] = {
    "no range": lambda data: data.read(RUN, []),
    "too many ranges": lambda data: data.read(RUN, [DataRange(f"{n:03}", f"{n:03}a") for n in range(101)]),
    "out of order": lambda data: data.read(RUN, [DataRange("b", "c"), DataRange("a", "b")]),
    "overlapping": lambda data: data.read(RUN, [DataRange("a", "c"), DataRange("b", "d")]),
    "backward": lambda data: data.read(RUN, [DataRange("b", "a")]),
    "a surrogate": lambda data: data.read(RUN, [DataRange("a", "\ud800")]),
    "limit 0": lambda data: data.read(RUN, _ALL, limit=0),
    "limit 501": lambda data: data.read(RUN, _ALL, limit=501),
    "no types": lambda data: data.read(RUN, _ALL, types=[]),
    "an unknown type": lambda data: data.read(RUN, _ALL, types=["trace"]),  # type: ignore[list-item]
    "read of no run": lambda data: data.read(Run(SYSTEM, "run-1", "c"), _ALL),
    "get of no run": lambda data: data.get(replace(RUN, execution_id=""), payload().id),
    "get without an id": lambda data: data.get(RUN, ""),
    "get of a hostile id": lambda data: data.get(RUN, "payload-' OR 1=1 --"),
    "remove of no run": lambda data: data.remove(replace(RUN, execution_id="*")),
    "remove of a hostile id": lambda data: data.remove(RUN, ["%"]),
    "remove too many": lambda data: data.remove(RUN, [payload().id] * 501),
    "purge nothing": lambda data: data.purge_expired(limit=0),
    "purge too much": lambda data: data.purge_expired(limit=501),
}


@pytest.mark.parametrize("name", BAD_CALLS)
async def test_bad_calls(execution_data: ExecutionData, name: str) -> None:
    """A call that cannot be meant is refused alike everywhere, and changes nothing."""
    await stored(execution_data, [segment(expires_at=START - timedelta(days=1))])
    with pytest.raises(InvalidRequestError):
        await BAD_CALLS[name](execution_data)

    assert len(await everything_of(execution_data)) == 1


async def test_an_expiry_that_never_comes(execution_data: ExecutionData) -> None:
    """What never expires comes back so, and is never purged."""
    await stored(execution_data, [segment(expires_at=NEVER)])
    await execution_data.purge_expired()

    assert [NEVER] == [document.expires_at for document in await everything_of(execution_data)]
