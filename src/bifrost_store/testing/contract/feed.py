"""The change feed: whatever happens is told at least once, in order per partition key, and from every position on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.feed import Feed
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.feed import FeedItem, FeedRange
from bifrost_store.core.operations import Create, Delete
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, SYSTEM
from bifrost_store.core.spec import FeedName
from bifrost_store.documents import SPECS
from bifrost_store.errors import InvalidContinuationTokenError, InvalidRequestError
from bifrost_store.testing.bulk import create_all, everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.data_documents import RUN, exact_data, flush_of, segment
from bifrost_store.testing.data_documents import stored as stored_flushes
from bifrost_store.testing.examples import (
    ADDED_ONLY,
    EXAMPLES,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    config,
    execution,
    membership,
    touched,
)
from bifrost_store.testing.feeds import Positions, beginning, by_key, drained, pages, tips
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

RECORD_FEEDS: tuple[FeedName, ...] = ("entities", "executions")


def control(name: str = "control", **body: Any) -> Record:
    """Return a record of the library's own."""
    return Record(Key("control", SYSTEM, name), body)


async def test_a_feed_tells_of_everything(backend: Backend, feed: Feed) -> None:
    """From the beginning each feed tells of every record of its kinds, tombstones too, in its present state, as it is read."""
    for record in EXAMPLES:
        created = await backend.create(record)
        if record not in ADDED_ONLY:
            await backend.replace(touched(created), created.etag)
    for gone in (execution(30), config("gone"), membership("gone", scope=OTHER_ORGANIZATION)):
        await backend.create(gone)
        await backend.delete(gone.key)

    stored = await everything(backend)
    for name in RECORD_FEEDS:
        items = await drained(feed, name, await beginning(feed, name))
        assert len(items) == len(by_key(items))
        expected = {key: exactly(record) for key, record in stored.items() if SPECS[key.kind].feed == name}
        assert expected == {key: exactly(record) for key, record in by_key(items).items()}


async def test_an_empty_feed(feed: Feed) -> None:
    """Without items a page is drained, and its position is one to go on from."""
    for name in get_args(FeedName):
        for part in await feed.ranges(name):
            page = await feed.items(name, part)
            assert (page.items, page.unreadable, page.is_drained, page.lag_items) == ((), (), True, 0)
            assert (await feed.items(name, part, page.position)).is_drained


async def test_the_library_s_own_records_are_never_told_of(backend: Backend, feed: Feed) -> None:
    """Created, changed, deleted or purged: nothing of an internal kind is an item, and what lies between is not hidden by it."""
    for number in range(4):
        stored = await backend.create(control(f"c-{number}"))
        await backend.replace(replace(stored, body={"changed": True}), stored.etag)
        await backend.create(config(f"c-{number}"))
    await backend.delete(control("c-0").key)

    items = await drained(feed, "entities", await beginning(feed, "entities"), limit=1)
    assert [config(f"c-{number}").key for number in range(4)] == list(by_key(items))


async def test_a_tip_is_behind_everything(backend: Backend, feed: Feed) -> None:
    """From a tip on, only what happened after it is told, be it a change of something old."""
    stored = await create_all(backend, [config(f"c-{number}") for number in range(3)])
    places = await tips(feed, "entities")
    assert await drained(feed, "entities", dict(places)) == []

    await backend.replace(touched(stored[1]), stored[1].etag)
    await backend.delete(stored[2].key)
    await backend.create(config("new"))
    items = await drained(feed, "entities", places)
    assert [stored[1].key, stored[2].key, config("new").key] == list(by_key(items))
    assert [False, True, False] == [record.is_tombstone for record in by_key(items).values()]


async def test_changes_of_one_scope_come_in_their_order(backend: Backend, feed: Feed) -> None:
    """Within a partition key, the order of items is that of the last change of each."""
    stored = [await backend.create(config(f"c-{number}")) for number in range(6)]
    for number in (4, 0, 2):
        stored[number] = await backend.replace(touched(stored[number]), stored[number].etag)
    await backend.delete(stored[3].key)

    items = await drained(feed, "entities", await beginning(feed, "entities"), limit=2)
    assert [config(f"c-{number}").key for number in (1, 5, 4, 0, 2, 3)] == list(by_key(items))


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_a_transaction_is_never_cut(backend: Backend, feed: Feed, limit: int) -> None:
    """All records of a batch are on one page, however small the limit."""
    await backend.create(config("before"))
    batches = [[config(f"{batch}-{number}") for number in range(5)] for batch in "ab"]
    for batch in batches:
        await backend.batch([Create(record) for record in batch])
        await backend.create(config(f"{batch[0].key.id}-after"))
    await backend.batch([Delete(batches[0][0].key), *(Create(config(f"c-{number}")) for number in range(4))])

    places = await beginning(feed, "entities")
    found = [
        [record.version.write_id for record in by_key(list(page.items)).values()]
        async for page in pages(feed, "entities", places, limit=limit)
    ]
    for write_ids in found:
        elsewhere = {write_id for other in found if other is not write_ids for write_id in other}
        assert not elsewhere & set(write_ids)
    assert 1 + 4 + 1 + 5 + 1 + 5 == sum(map(len, found))


@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_limits(backend: Backend, feed: Feed, limit: int) -> None:
    """Without batches a page has at most as many items as asked for."""
    for number in range(5):
        await backend.create(config(f"c-{number}"))

    found = [page.items async for page in pages(feed, "entities", await beginning(feed, "entities"), limit=limit)]
    assert all(len(items) <= limit for items in found)
    assert 5 == sum(map(len, found))


async def test_a_page_says_what_is_left(backend: Backend, feed: Feed) -> None:
    """While something is left behind a page its lag is not 0; when it is drained it is."""
    for number in range(4):
        await backend.create(config(f"c-{number}"))

    found = [page async for page in pages(feed, "entities", await beginning(feed, "entities"), limit=2) if page.items]
    assert [page.lag_items > 0 for page in found] == [not page.is_drained for page in found]
    assert all(page.lag_seconds >= 0 for page in found)


async def test_deletes_and_new_beginnings(backend: Backend, feed: Feed) -> None:
    """A deleted record is told of as a tombstone, and once it is created again as what it is then."""
    created = await backend.create(config())
    places = await beginning(feed, "entities")
    await drained(feed, "entities", places)
    await backend.delete(created.key)
    (gone,) = await drained(feed, "entities", places)
    again = await backend.create(config())
    (back,) = await drained(feed, "entities", places)

    assert isinstance(gone, Record)
    assert isinstance(back, Record)
    assert (gone.key, gone.is_tombstone, gone.version.revision) == (created.key, True, 2)
    assert exactly(back) == exactly(again)


async def test_what_was_purged_is_not_told_of(backend: Backend, feed: Feed, clock: SettableClock) -> None:
    """It is in no feed from any position, and what comes before and after it is; a new record under its key is told of."""
    soon = START + timedelta(seconds=5)
    await backend.create(config("before"))
    places = await tips(feed, "entities")
    await create_all(backend, [config(f"gone-{number}", expires_at=soon) for number in range(3)])
    await backend.create(config("after"))
    clock.now = soon
    assert 3 == len(await backend.purge_expired(kind="config"))

    assert [config("after").key] == list(by_key(await drained(feed, "entities", dict(places))))
    assert 2 == len(await drained(feed, "entities", await beginning(feed, "entities")))
    await backend.create(config("gone-0"))
    assert [config("after").key, config("gone-0").key] == list(by_key(await drained(feed, "entities", places)))


@pytest.mark.parametrize("limit", [1, 500])
async def test_execution_data_is_told_of(feed: Feed, execution_data: ExecutionData, limit: int) -> None:
    """Documents of a run come in the order of their flushes, each flush on one page; what is removed is told of no more."""
    flushes = [flush_of(segment(number * 10 + 1), segment(number * 10 + 2), segment(number * 10 + 3)) for number in range(4)]
    other = flush_of(segment(1, run=replace(RUN, execution_id="other")))
    await stored_flushes(execution_data, flushes[0], other)
    places = await tips(feed, "execution_data")
    for flush in flushes[1:]:
        await stored_flushes(execution_data, flush)

    found = [list(page.items) async for page in pages(feed, "execution_data", dict(places), limit=limit)]
    items = [item for page in found for item in page]
    assert [exact_data(document) for flush in flushes[1:] for document in flush] == _data(items)
    assert all(len({item.write_id for item in page if isinstance(item, DataDocument)}) <= max(1, limit // 3) for page in found)
    assert 3 * 4 + 1 == len(await drained(feed, "execution_data", await beginning(feed, "execution_data"), limit=limit))
    await execution_data.remove(RUN)
    left = await drained(feed, "execution_data", await beginning(feed, "execution_data"), limit=limit)
    assert [exact_data(other[0])] == _data(left)
    assert [] == await drained(feed, "entities", await beginning(feed, "entities"))


def _data(items: list[FeedItem]) -> list[Any]:
    return [exact_data(item) for item in items if isinstance(item, DataDocument)]


async def test_positions_are_good_in_other_processes(store: StoreUnderTest, feed: Feed) -> None:
    """A second handle goes on where the first one was, tells the same, and is told of what either wrote."""
    await create_all(store.backend, [config(f"c-{number}") for number in range(5)])
    places = await beginning(feed, "entities")
    async with store.open_another() as another:
        assert another.feed is not None
        assert list(places) == await another.feed.ranges("entities")
        first = [page async for page in pages(feed, "entities", dict(places), limit=2)]
        second = [page async for page in pages(another.feed, "entities", places, limit=2)]
        assert [page.items for page in first] == [page.items for page in second]
        await another.create(config("theirs"))
        await store.backend.create(config("ours"))

        expected = {config("theirs").key, config("ours").key}
        for reader in (feed, another.feed):
            assert expected == set(by_key(await drained(reader, "entities", dict(places))))


async def test_nothing_is_skipped_while_many_write(store: StoreUnderTest, feed: Feed) -> None:
    """Writers of two handles, alone and in batches, and a reader beside them: what it was told last is what is stored."""
    seen: dict[Key, Record] = {}
    is_done = anyio.Event()

    async def write(backend: Backend, name: str) -> None:
        for number in range(12):
            if number % 3 == 0:
                batch = [config(f"{name}-{number}-{part}") for part in range(3)]
                await backend.batch([Create(record) for record in batch])
            stored = await backend.create(config(f"{name}-{number}", scope=GLOBAL if number % 2 else ORGANIZATION))
            if number % 4 == 1:
                await backend.replace(touched(stored), stored.etag)
            if number % 4 == 2:
                await backend.delete(stored.key)

    async def read() -> None:
        places = await beginning(feed, "entities")
        while True:
            # Whatever is written by now is told of by the reading that follows.
            was_done = is_done.is_set()
            async for page in pages(feed, "entities", places, limit=2):
                seen.update(by_key(list(page.items)))
            if was_done:
                return
            await anyio.lowlevel.checkpoint()

    async with store.open_another() as another, anyio.create_task_group() as readers:
        readers.start_soon(read)
        async with anyio.create_task_group() as writers:
            for number in range(3):
                writers.start_soon(write, store.backend, f"a{number}")
                writers.start_soon(write, another, f"b{number}")
        is_done.set()

    assert {key: exactly(record) for key, record in (await everything(store.backend)).items()} == {
        key: exactly(record) for key, record in seen.items()
    }


@given(data=st.data())
async def test_every_position_leads_to_the_present(backend: Backend, feed: Feed, data: st.DataObject) -> None:
    """From any position, whenever it was given out, the feed tells the present state of all that changed since, and of little else.

    Items that did not change after the position was taken are told again only where they shared a page with it.
    """
    keys = [f"k-{number}" for number in range(4)]
    taken: list[tuple[Positions, dict[Key, Record]]] = []
    for _ in range(data.draw(st.integers(1, 12))):
        action = data.draw(st.sampled_from(["write", "write", "delete", "batch", "own", "take", "tip"]))
        key = data.draw(st.sampled_from(keys))
        stored = await backend.get(config(key).key)
        if action == "write":
            await (backend.create(config(key)) if stored is None else backend.replace(touched(stored), stored.etag))
        elif action == "delete":
            await backend.delete(config(key).key)
        elif action == "batch":
            missing = [config(name) for name in keys if await backend.get(config(name).key) is None]
            if missing:
                await backend.batch([Create(record) for record in missing])
        elif action == "own":
            own = await backend.get(control().key)
            await (backend.create(control()) if own is None else backend.replace(own, own.etag))
        else:
            places = await (tips(feed, "entities") if action == "tip" else beginning(feed, "entities"))
            if action == "take":
                await drained(feed, "entities", places, limit=data.draw(st.integers(1, 3)))
            taken.append((places, await everything(backend)))

    now = await everything(backend)
    for places, before in taken:
        told = by_key(await drained(feed, "entities", places, limit=data.draw(st.integers(1, 3))))
        changed = {key: record for key, record in now.items() if key not in before or before[key].version != record.version}
        assert {key: exactly(record) for key, record in changed.items()} == {key: exactly(record) for key, record in told.items()}


@given(data=st.data())
async def test_altered_positions_are_refused(backend: Backend, feed: Feed, data: st.DataObject) -> None:
    """Any change to a position raises InvalidContinuationTokenError, and never another error."""
    (part, *_) = await feed.ranges("entities")
    position = await feed.tip("entities", part)
    place = data.draw(st.integers(0, len(position) - 2))
    letter = data.draw(st.sampled_from("Ab9-_=é\x00").filter(lambda letter: letter != position[place]))
    for altered in (position[:place] + letter + position[place + 1 :], position[:place]):
        with pytest.raises(InvalidContinuationTokenError):
            await feed.items("entities", part, altered)
        with pytest.raises(InvalidContinuationTokenError):
            feed.narrowed("entities", altered, part)


async def test_positions_of_others_are_refused(backend: Backend, feed: Feed, other: Backend) -> None:
    """Those of another feed, another store, a list, and what is no text; the message says which."""
    (part, *_) = await feed.ranges("entities")
    of_executions = await feed.tip("executions", part)
    foreign: list[tuple[Any, str]] = [(of_executions, "feed executions"), ("", "position"), (7, "position"), ("WzFd", "position")]
    if other.feed is not None:
        foreign.append((await other.feed.tip("entities", (await other.feed.ranges("entities"))[0]), "another store|the range"))
    for position, words in foreign:
        with pytest.raises(InvalidContinuationTokenError, match=words):
            await feed.items("entities", part, position)


@pytest.mark.parametrize("limit", [0, -1, 501, True, 1.5, "5"])
async def test_bad_limits_are_refused(feed: Feed, limit: Any) -> None:
    """A page has 1 to 500 items."""
    (part, *_) = await feed.ranges("entities")
    with pytest.raises(InvalidRequestError, match="limit"):
        await feed.items("entities", part, limit=limit)


async def test_bad_feeds_and_ranges_are_refused(feed: Feed) -> None:
    """What is no feed, and what is no range, is named, with what there is."""
    (part, *_) = await feed.ranges("entities")
    bad: Any = "Entities"
    for call in (feed.ranges(bad), feed.items(bad, part), feed.tip(bad, part)):
        with pytest.raises(InvalidRequestError, match=r"feed 'Entities': there are entities, executions, execution_data"):
            await call
    for wrong in (FeedRange("FF", ""), FeedRange("", ""), FeedRange("x", "y"), FeedRange("' OR 1", "FF")):
        with pytest.raises(InvalidRequestError, match="range"):
            await feed.items("entities", wrong)


async def test_a_position_is_narrowed_to_itself(backend: Backend, feed: Feed) -> None:
    """Narrowed to its own range a position stays where it is."""
    await create_all(backend, [config(f"c-{number}") for number in range(3)])
    for part, tip in (await tips(feed, "entities")).items():
        assert tip is not None
        same = feed.narrowed("entities", tip, part)
        assert (await feed.items("entities", part, same)).items == ()
