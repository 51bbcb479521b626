"""Execution data: what runs leave while they go on is created once, read by ranges and pages, and removed with its run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.core.execution_data import (
    MAX_DATA_BYTES,
    MAX_FLUSH_DOCUMENTS,
    DataRange,
    Run,
    body_bytes,
    items_after,
    recordings_from,
    segment_id,
)
from bifrost_store.core.meter import count_requests
from bifrost_store.core.record import NEVER
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.version import new_write_id
from bifrost_store.errors import DocumentExistsError
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.data_documents import RUN, everything_of, exact_data, failure, flush_of, payload, segment, stored
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strategies import execution_ids, json_values, moments, tenants

pytestmark = pytest.mark.anyio

OTHER_SCOPE = replace(RUN, scope=GLOBAL)
RECREATED = replace(RUN, creation="d" * 32)


async def test_what_is_appended_is_read(execution_data: ExecutionData) -> None:
    """A flush is stored whole, and each of its documents is read as it was, by its id and in its range."""
    flush = flush_of(
        segment(1, 3),
        segment(4, type="variables", body={"variables": {"a": 1}, "number": 1}, timestamp=START + timedelta(microseconds=1)),
        segment(5, type="state", body={"state": [1.0, 2**70], "number": 1}, expires_at=START + timedelta(days=28)),
    )
    await stored(execution_data, flush)

    assert list(map(exact_data, flush)) == list(map(exact_data, await everything_of(execution_data)))
    for document in flush:
        assert exact_data(await execution_data.get(RUN, document.id)) == exact_data(document)
    assert await execution_data.get(RUN, segment_id(RUN.scope, 0, 2)) is None


_bodies = st.one_of(
    st.builds(lambda lines: {"lines": lines}, st.lists(json_values, max_size=4)),
    st.builds(lambda value: {"variables": value, "number": 1}, json_values),
    st.builds(lambda value, ends: {"state": value, "number": 2**60, "ends": ends}, json_values, json_values),
    st.dictionaries(st.sampled_from(["id", "type", "ttl", "covers", "writeId", "scope", "value", "creation"]), json_values),
)


@given(
    scope=tenants,
    execution_id=execution_ids,
    body=_bodies,
    timestamp=moments,
    recording=st.integers(0, 10**6 - 1),
    first=st.integers(1, 10**10 - 100),
    count=st.integers(1, 99),
    expires_at=st.just(NEVER) | st.integers(1, 10**9).map(lambda seconds: START + timedelta(seconds=seconds)),
)
async def test_every_document_comes_back_as_it_was(execution_data: ExecutionData, scope: Scope, **given: Any) -> None:
    """Whatever a document holds, wherever it stands: it is read type for type, and removed again."""
    run = Run(scope, given["execution_id"], new_write_id())
    first, last = given["first"], given["first"] + given["count"] - 1
    options = {name: given[name] for name in ("body", "timestamp", "recording", "expires_at")}
    document = segment(first, last, run=run, **options)
    other = payload(given["body"], run=run)
    try:
        await stored(execution_data, [document], [other])
        assert [exact_data(one) for one in (document, other)] == list(map(exact_data, await everything_of(execution_data, run)))
    finally:
        assert await execution_data.remove(run) == 2
    assert await everything_of(execution_data, run) == []


async def test_a_flush_of_the_largest_size(execution_data: ExecutionData) -> None:
    """A document of exactly the limit is stored, even where its values need more room than their JSON; so is a full flush."""
    quotes = {"value": ['"' * 1_000, 2.0]}
    quotes["value"][0] = '"' * ((MAX_DATA_BYTES - body_bytes({"value": ["", 2.0]})) // 2)
    letters = {"value": "é" * ((MAX_DATA_BYTES - body_bytes({"value": ""})) // 2)}
    for body in (quotes, letters):
        assert MAX_DATA_BYTES - 2 <= body_bytes(body) <= MAX_DATA_BYTES
        document = replace(payload(), body=body)
        await stored(execution_data, [document])
        assert exact_data(await execution_data.get(RUN, document.id)) == exact_data(document)
    flush = flush_of(*[segment(n, body={"lines": ["x" * 19_850]}) for n in range(1, MAX_FLUSH_DOCUMENTS + 1)])
    await stored(execution_data, flush)


async def test_appending_again_is_no_second_time(store: StoreUnderTest, execution_data: ExecutionData) -> None:
    """A flush that is sent again as it was, also by another handle, is told as stored, and stored once."""
    flush = flush_of(segment(1, 2), segment(3, type="state", body={"state": 1, "number": 1}))
    await stored(execution_data, flush, flush)
    async with store.open_another() as another:
        assert another.execution_data is not None
        await stored(another.execution_data, flush)

    assert list(map(exact_data, flush)) == list(map(exact_data, await everything_of(execution_data)))


@pytest.mark.parametrize("taken", [1, 4, 5])
async def test_a_conflict_leaves_nothing_of_the_flush(execution_data: ExecutionData, taken: int) -> None:
    """Where another writer has one id of a flush, be it the last, nothing of it is stored, ever; the other one's stays."""
    there = segment(taken, body={"lines": ["theirs"]})
    await stored(execution_data, [there])
    flush = flush_of(segment(1, 3), segment(4), segment(5))

    for _ in range(2):
        error = failure(await execution_data.append([flush]))
        assert isinstance(error, DocumentExistsError)
        assert error.operation == "append_data"
        assert "run-1" in str(error.key)
        assert [exact_data(there)] == list(map(exact_data, await everything_of(execution_data)))


async def test_a_conflicting_flush_alone_is_refused(execution_data: ExecutionData) -> None:
    """Of several flushes in one call, those around one that conflicts are stored, in every run."""
    runs = [replace(RUN, execution_id=f"run-{number}") for number in range(5)]
    await stored(execution_data, [segment(run=runs[2]), segment(run=runs[2], recording=1)][:1])
    outcomes = await execution_data.append([[segment(run=run)] for run in runs])

    assert [None, None, DocumentExistsError, None, None] == [None if error is None else type(error) for error in outcomes]
    assert [1, 1, 1, 1, 1] == [len(await everything_of(execution_data, run)) for run in runs]


async def test_nothing_to_append(execution_data: ExecutionData) -> None:
    """No flushes, no outcomes, no requests."""
    with count_requests() as counted:
        assert await execution_data.append([]) == []
    assert sum(counted.values()) == 0


async def test_claiming_a_recording_succeeds_once(store: StoreUnderTest, execution_data: ExecutionData) -> None:
    """Of several writers who begin the same recording at the same time, exactly one does, and all others hear of it."""
    async with store.open_another() as another:
        assert another.execution_data is not None
        handles = [execution_data, another.execution_data] * 4
        outcomes = await at_once(len(handles), lambda number: handles[number].append([[segment()]]))

    refused = [outcome[0] for outcome in outcomes if isinstance(outcome, list) and outcome[0] is not None]
    assert len(refused) == len(handles) - 1
    assert {DocumentExistsError} == {type(error) for error in refused}
    assert len(await everything_of(execution_data)) == 1


async def test_runs_are_kept_apart(execution_data: ExecutionData) -> None:
    """Neither another scope with the same execution id, nor a run that had the id before, is read, counted or removed."""
    own, foreign = segment(1, 2), segment(1, 2, run=OTHER_SCOPE)
    earlier = segment(1, 9, run=RECREATED, recording=1)
    kept = payload(1, run=OTHER_SCOPE)
    await stored(execution_data, [own], [foreign], [earlier], [kept])

    assert [exact_data(own)] == list(map(exact_data, await everything_of(execution_data)))
    for document in (foreign, earlier, kept):
        assert await execution_data.get(RUN, document.id) is None
        assert exact_data(await execution_data.get(document.run, document.id)) == exact_data(document)
    page = await execution_data.read(RUN, [DataRange("", "~")], limit=1)
    assert (page.is_last, len(page.documents)) == (True, 1)
    assert await execution_data.remove(RUN, [foreign.id, earlier.id, kept.id]) == 0
    assert await execution_data.remove(RUN) == 1
    assert [foreign, kept] == await everything_of(execution_data, OTHER_SCOPE)
    assert [earlier] == await everything_of(execution_data, RECREATED)


async def test_a_predecessor_holds_the_recordings_that_it_had(execution_data: ExecutionData) -> None:
    """A run under a re-created id that begins a recording of its predecessor's hears so, and takes the next one."""
    await stored(execution_data, [segment(run=RECREATED)])

    assert isinstance(failure(await execution_data.append([[segment()]])), DocumentExistsError)
    await stored(execution_data, [segment(recording=1)])
    assert len(await everything_of(execution_data)) == 1


async def test_ranges(execution_data: ExecutionData) -> None:
    """Ranges are read in the order of ids, each from its beginning up to but without its end."""
    documents = [segment(first, recording=recording) for recording in (0, 1, 2) for first in (1, 2, 10)]
    await stored(execution_data, *[[document] for document in documents])

    async def firsts(*ranges: DataRange, **options: Any) -> list[tuple[int, int]]:
        page = await execution_data.read(RUN, list(ranges), **options)
        return [(document.recording, document.first) for document in page.documents]

    scope = RUN.scope
    assert await firsts(items_after(scope, 1, 0)) == [(1, 1), (1, 2), (1, 10)]
    assert await firsts(items_after(scope, 1, 1)) == [(1, 2), (1, 10)]
    assert await firsts(items_after(scope, 1, 10)) == []
    assert await firsts(items_after(scope, 0, 2), recordings_from(scope, 2)) == [(0, 10), (2, 1), (2, 2), (2, 10)]
    assert await firsts(items_after(scope, 0, 2), recordings_from(scope, 2), backwards=True) == [(2, 10), (2, 2), (2, 1), (0, 10)]
    assert await firsts(DataRange(segment_id(scope, 1, 2), segment_id(scope, 1, 10))) == [(1, 2)]
    assert await firsts(DataRange("b", "b")) == []


async def test_types(execution_data: ExecutionData) -> None:
    """Only the types that are asked for are read, counted and paged over."""
    flush = flush_of(segment(1), segment(2, type="variables", body={}), segment(3), segment(4, type="state", body={}))
    await stored(execution_data, flush, [payload()])

    for types in (["log"], ["state", "variables"], {"payload"}, ("log", "payload")):
        found = await everything_of(execution_data, types=types, limit=1)
        assert {document.type for document in found} == set(types)
    assert len(await everything_of(execution_data, types=["log", "variables", "state", "payload"])) == 5


@given(
    numbers=st.sets(st.tuples(st.integers(0, 3), st.integers(1, 30)), min_size=1, max_size=25),
    limit=st.integers(1, 30),
    backwards=st.booleans(),
)
async def test_pages_joined_are_the_whole(
    execution_data: ExecutionData, numbers: set[tuple[int, int]], *, limit: int, backwards: bool
) -> None:
    """Whatever the limit and direction: pages repeat and skip nothing, are full but for the last, and the last one says so."""
    run = Run(Scope.organization("o-1"), "paged", new_write_id())
    run = replace(run, execution_id=run.creation)
    documents = {one: segment(one[1], run=run, recording=one[0]) for one in numbers}
    by_recording = [[documents[one]] for one in sorted(numbers)]
    await stored(execution_data, *by_recording)
    whole = recordings_from(run.scope, 0)
    found: list[tuple[int, int]] = []
    while True:
        page = await execution_data.read(run, [whole], limit=limit, backwards=backwards)
        found += [(document.recording, document.first) for document in page.documents]
        assert page.is_last == (len(found) == len(numbers))
        if page.is_last:
            break
        assert len(page.documents) == limit
        edge = page.documents[-1].id
        whole = DataRange(whole.ge, edge) if backwards else DataRange(edge + "\0", whole.lt)
    assert found == sorted(numbers, reverse=backwards)
    assert await execution_data.remove(run) == len(numbers)


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_page_ends_at_its_size(execution_data: ExecutionData, *, backwards: bool) -> None:
    """A page of large documents is cut after a few megabytes, and says that more follows."""
    for number in range(1, 8):
        await stored(execution_data, [segment(number, body={"lines": ["x" * 1_500_000]})])
    page = await execution_data.read(RUN, [recordings_from(RUN.scope, 0)], limit=500, backwards=backwards)

    order = list(range(7, 0, -1)) if backwards else list(range(1, 8))
    found = [document.first for document in page.documents]
    assert found == order[: len(found)]
    assert 1 <= len(found) <= 4
    assert not page.is_last
    assert [document.first for document in await everything_of(execution_data, limit=500)] == list(range(1, 8))


async def test_what_is_appended_meanwhile_is_not_missed(execution_data: ExecutionData) -> None:
    """A reader that goes on after its last document meets whatever was appended in its recording since."""
    await stored(execution_data, [segment(1)], [segment(2)])
    page = await execution_data.read(RUN, [items_after(RUN.scope, 0, 0)])
    assert page.is_last
    await stored(execution_data, [segment(3)])

    after = await execution_data.read(RUN, [items_after(RUN.scope, 0, page.documents[-1].last)])
    assert [document.first for document in after.documents] == [3]


async def test_remove(execution_data: ExecutionData) -> None:
    """Documents are removed by id, or all of a run; how many tells; what is not there is no error."""
    many = [flush_of(*[segment(100 * n + k) for k in range(1, 100)]) for n in range(3)]
    kept, gone = payload(1), payload(2)
    await stored(execution_data, *many, [kept], [gone])

    assert await execution_data.remove(RUN, []) == 0
    assert await execution_data.remove(RUN, [gone.id, payload().id]) == 1
    assert await execution_data.remove(RUN, [gone.id]) == 0
    assert await execution_data.get(RUN, kept.id) is not None
    assert await execution_data.remove(RUN) == 3 * 99 + 1
    assert await execution_data.remove(RUN) == 0
    assert await everything_of(execution_data) == []


async def test_what_was_removed_can_be_stored_again(execution_data: ExecutionData) -> None:
    """Nothing stays of a removed document that would be in the way of another one."""
    await stored(execution_data, [segment()])
    await execution_data.remove(RUN)
    again = segment(run=RECREATED)
    await stored(execution_data, [again])

    assert await everything_of(execution_data, RECREATED) == [again]


async def test_expired_documents_are_purged(execution_data: ExecutionData, clock: SettableClock) -> None:
    """What has expired stays readable until it is purged, at most so much at a time; what has not, and what never does, stays."""
    expiring = [segment(n, expires_at=clock.now + timedelta(seconds=n)) for n in range(1, 8)]
    elsewhere = segment(run=OTHER_SCOPE, expires_at=clock.now + timedelta(seconds=1))
    await stored(execution_data, *[[document] for document in expiring], [elsewhere], [segment(9)])
    assert await execution_data.purge_expired() == 0
    clock.advance(seconds=5)

    assert len(await everything_of(execution_data)) == 8
    assert await execution_data.purge_expired(limit=4) == 4
    assert await execution_data.purge_expired(limit=4) == 2
    assert await execution_data.purge_expired() == 0
    assert [6, 7, 9] == [document.first for document in await everything_of(execution_data)]


async def test_what_requests_cost(store: StoreUnderTest, execution_data: ExecutionData) -> None:
    """No more than one request for a flush, however many documents it has, for a page, and for a document."""
    await stored(execution_data, [segment(recording=9)])
    flush = flush_of(*[segment(n) for n in range(1, 41)])
    for call in (
        lambda: execution_data.append([flush]),
        lambda: execution_data.read(RUN, [items_after(RUN.scope, 0, 0), recordings_from(RUN.scope, 1)], types=["log"], limit=10),
        lambda: execution_data.get(RUN, flush[0].id),
        lambda: execution_data.get(RUN, payload().id),
    ):
        with count_requests() as counted:
            await call()
        assert sum(counted.values()) <= 1, counted


@given(first=st.integers(1, 50), second=st.integers(1, 50))
async def test_a_document_claims_its_first_item(execution_data: ExecutionData, first: int, second: int) -> None:
    """Two writers of one recording conflict exactly where their documents begin with the same item."""
    assume(first <= second)
    run = replace(RUN, execution_id=new_write_id())
    await stored(execution_data, [segment(first, run=run)])
    (error,) = await execution_data.append([[segment(second, run=run, type="state", body={"state": 1})]])

    assert (error is not None) is (first == second)
    await execution_data.remove(run)


async def test_scan_finds_everything_once(execution_data: ExecutionData) -> None:
    """Every document of every run is met exactly once, expired ones included."""
    documents = [segment(n, run=replace(RUN, execution_id=f"run-{n % 3}", creation=f"{n}")) for n in range(1, 10)]
    documents += [segment(1, run=OTHER_SCOPE), payload({"n": 2.0}), segment(20, expires_at=START - timedelta(days=1))]
    await stored(execution_data, *[[document] for document in documents])
    found = [document async for page in execution_data.scan() for document in page.documents]

    assert sorted(map(str, map(exact_data, documents))) == sorted(map(str, map(exact_data, found)))
