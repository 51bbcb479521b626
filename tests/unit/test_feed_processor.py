"""A processor and a reader over SQLite: what callers see, and what becomes of processes that are killed."""

# ruff: noqa: ASYNC110 - a test waits for what others do.

from __future__ import annotations

import inspect
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from bifrost_store import StoreSettings, open_store
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.changefeed import (
    ChangeFeedProcessor,
    DeadLetters,
    FeedItem,
    FeedReader,
    FeedTiming,
    HandlerError,
    leases_by_processor,
)
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, InvalidContinuationTokenError, InvalidRequestError
from bifrost_store.testing.bulk import create_all, everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import config, execution, touched
from bifrost_store.testing.model import ModelBackend
from bifrost_store.wrappers.checked import CheckedBackend

pytestmark = pytest.mark.anyio

FAST = FeedTiming(look=0.05, expire=5.0, ranges=0.5, first_pause=0.01, longest_pause=0.05)


@pytest.fixture
async def store() -> AsyncIterator[CheckedBackend]:
    opened = SqliteBackend(":memory:", SPECS)
    yield CheckedBackend(opened, SPECS)
    await opened.aclose()


class Seen:
    """A handler that notes what it is given, and cannot take some of it."""

    def __init__(self, *, bad: Sequence[str] = ()) -> None:
        self.bad = set(bad)
        self.ids: list[str] = []

    async def __call__(self, items: Sequence[FeedItem]) -> None:
        names = [item.key.id for item in items if isinstance(item, Record)]
        if self.bad.intersection(names):
            raise ValueError(f"cannot take {names}")
        self.ids += names


def processor(store: Backend, handler: Any, **options: Any) -> ChangeFeedProcessor:
    arguments = {"name": "p", "feed": "entities", "start": "beginning", "poll_seconds": 0.02, "timing": FAST, **options}
    return ChangeFeedProcessor(store, handler=handler, **arguments)


@asynccontextmanager
async def running(followed: ChangeFeedProcessor) -> AsyncIterator[None]:
    """Run a processor beside the block, and stop it at its end."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(followed.run)
        await followed.started.wait()
        yield
        followed.stop()


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.01)


async def test_it_goes_on_where_it_was(store: CheckedBackend) -> None:
    """A processor that is started again is told only what it had not handled, and a lease says how far it has come."""
    await create_all(store, [config(f"c-{number}") for number in range(5)])
    seen = Seen()
    async with running(processor(store, seen, limit=2)):
        await until(lambda: len(seen.ids) == 5)
    (lease,) = (await leases_by_processor(store))["p"]
    assert (None, None, 0) == (lease.owner, lease.problem, lease.lag_items)
    assert lease.position is not None

    await store.create(config("later"))
    again = Seen()
    async with running(processor(store, again)):
        await until(lambda: bool(again.ids))
    assert ["later"] == again.ids


async def test_now_is_where_it_was_started(store: CheckedBackend) -> None:
    """From `now` nothing old is told; what changes after `started` is, be it before the first poll or between two processes."""
    await store.create(config("old"))
    seen = Seen()
    async with running(processor(store, seen, start="now")):
        pass
    await store.create(config("between"))
    async with running(processor(store, seen, start="now")):
        await until(lambda: bool(seen.ids))
    assert ["between"] == seen.ids


async def test_it_starts_where_a_reader_was(store: CheckedBackend) -> None:
    """The position of a reader is a start, of its feed alone."""
    await store.create(config("old"))
    reader = FeedReader(store, "entities")
    position = await reader.open()
    await store.create(config("new"))
    seen = Seen()
    async with running(processor(store, seen, start=position)):
        await until(lambda: bool(seen.ids))
    assert ["new"] == seen.ids
    with pytest.raises(InvalidContinuationTokenError, match="feed entities"):
        processor(store, seen, feed="executions", start=position)


async def test_poison_becomes_a_dead_letter_and_is_replayed(store: CheckedBackend) -> None:
    """It says what and why, in the handler's words, without content; a replay hands over what is there by then."""
    await create_all(store, [config(name) for name in "abcdf"])
    seen = Seen(bad="bd")
    async with running(processor(store, seen)):
        await until(lambda: set(seen.ids) >= {"a", "c", "f"})
        letters = DeadLetters(store, "p")
        await until_async(lambda: _count(letters, 2))
        await store.create(config("e"))
        await until(lambda: "e" in seen.ids)
    found = {row.state.id: row.state for row in [row async for row in letters.all()]}
    assert {"b", "d"} == set(found)
    assert ("config", "org-o-1", "ValueError") == (found["b"].kind, found["b"].scope, found["b"].error)
    assert found["b"].attempts >= 2

    stored = await store.get(config("b").key)
    assert stored is not None
    changed = await store.replace(touched(stored), stored.etag)
    mended: list[Record] = []

    async def handler(items: Sequence[FeedItem]) -> None:
        mended.extend(item for item in items if isinstance(item, Record))
        if mended[-1].key.id == "d":
            raise ValueError("still")

    outcomes = {letter.id: error for letter, error in await letters.replay(handler)}
    assert None is outcomes["b"]
    assert isinstance(outcomes["d"], ValueError)
    assert changed.version in [record.version for record in mended]
    (left,) = [row.state async for row in letters.all()]
    assert ("d", found["d"].attempts + 1, "still") == (left.id, left.attempts, left.message)


async def _count(letters: DeadLetters, expected: int) -> bool:
    return expected == len([row async for row in letters.all()])


async def until_async(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(60):
        while not await condition():
            await anyio.sleep(0.01)


async def test_a_range_stands_still_at_poison_if_asked_to(store: CheckedBackend, caplog: pytest.LogCaptureFixture) -> None:
    """With ``stop`` nothing after it is handled, nothing is a dead letter, and lease and log say what stands in the way."""
    await create_all(store, [config(name) for name in "abz"])
    seen = Seen(bad="b")

    async def stands_still() -> bool:
        (lease,) = (await leases_by_processor(store))["p"]
        return lease.problem is not None and "cannot take config org-o-1 'b' (ValueError)" in lease.problem

    with caplog.at_level(logging.ERROR, "bifrost_store"):
        async with running(processor(store, seen, on_poison="stop")):
            await until_async(stands_still)
            await store.create(config("c"))
    assert "c" not in seen.ids
    assert [] == [row async for row in DeadLetters(store, "p").all()]
    assert "stands still" in caplog.text
    seen.bad.clear()
    async with running(processor(store, seen)):
        await until(lambda: "c" in seen.ids)


async def test_an_unreadable_item_is_a_dead_letter(store: CheckedBackend, tmp_path: Path) -> None:
    """It names itself, and the items beside it are handled."""
    path = tmp_path / "store.db"
    backend = SqliteBackend(str(path), SPECS)
    await create_all(backend, [config(name) for name in "abc"])
    await backend._connection.execute("UPDATE records SET body = '[' WHERE id = 'b'", {})
    seen = Seen()
    async with running(processor(CheckedBackend(backend, SPECS), seen)):
        await until(lambda: len(seen.ids) == 2)
        await until_async(lambda: _count(DeadLetters(backend, "p"), 1))
    (letter,) = [row.state async for row in DeadLetters(backend, "p").all()]
    assert ("config", "b", "CorruptDocumentError") == (letter.kind, letter.id, letter.error)
    await backend.aclose()


async def test_a_handler_that_returns_something(store: CheckedBackend) -> None:
    """The processor ends with an error that says so, and the position stays."""
    await store.create(config("a"))

    async def handler(items: Sequence[FeedItem]) -> Any:
        return len(items)

    with pytest.raises(HandlerError, match="returned a int, and must return None"):
        await processor(store, handler).run()
    (lease,) = (await leases_by_processor(store))["p"]
    assert (None, None) == (lease.position, lease.owner)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "Upper"}, "name"),
        ({"name": ""}, "name"),
        ({"feed": "users"}, "feed 'users': there are entities"),
        ({"on_poison": "ignore"}, "on_poison 'ignore': expected dead-letter or stop"),
        ({"poll_seconds": 0}, "poll_seconds"),
        ({"limit": 501}, "limit"),
        ({"start": "yesterday"}, "position"),
        ({"handler": None}, "handler"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    """Each is named, before anything is stored."""
    backend = CheckedBackend(SqliteBackend(":memory:", SPECS), SPECS)
    with pytest.raises(InvalidRequestError, match=words):
        processor(backend, options.pop("handler", Seen()), **options)


async def test_one_name_has_one_feed(store: CheckedBackend) -> None:
    """A second processor of that name for another feed of the store is refused, and disturbs nothing."""
    seen = Seen()
    async with running(processor(store, seen)):
        with pytest.raises(ConfigurationError, match="the feed entities of this store is followed under this name"):
            await processor(store, Seen(), feed="executions").run()
        await store.create(config("a"))
        await until(lambda: seen.ids == ["a"])


async def test_a_store_without_a_feed(tmp_path: Path) -> None:
    """It is named, with what to use instead; and so is a routed store, which has several."""
    for make in (lambda store: processor(store, Seen()), lambda store: FeedReader(store, "entities")):
        with pytest.raises(
            ConfigurationError, match=r"the backend model has no change feed; follow a store of SQLite or Cosmos DB"
        ):
            make(CheckedBackend(ModelBackend(clock=SettableClock()), SPECS))
        async with open_store(StoreSettings(sqlite_path=str(tmp_path / "s.db"))) as opened:
            with pytest.raises(ConfigurationError, match=r"store\.backend\.backend\('sqlite'\)"):
                make(opened.backend)
            make(opened.backend.backend("sqlite"))


async def test_a_reader_reads_on(store: CheckedBackend) -> None:
    """Items as they come, from now, the beginning or a position; the position is behind what was read."""
    await create_all(store, [config(name) for name in "ab"])
    reader = FeedReader(store, "entities", start="beginning", poll_seconds=0.01)
    found = [item.key.id async for page in reader.pages(follow=False) for item in page.items if isinstance(item, Record)]
    assert ["a", "b"] == found
    position = reader.position
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.create, config("c"))
        async for item in FeedReader(store, "entities", start=position, poll_seconds=0.01):
            assert isinstance(item, Record)
            assert "c" == item.key.id
            break
    of_now = FeedReader(store, "entities", poll_seconds=0.01)
    await of_now.open()
    await store.create(execution())
    assert [] == [page async for page in of_now.pages(follow=False)]


PROGRAM = """
    import anyio, os, sys
    from bifrost_store.backends.sqlite.backend import SqliteBackend
    from bifrost_store.changefeed import ChangeFeedProcessor, FeedTiming
    from bifrost_store.documents import SPECS
    from bifrost_store.wrappers.checked import CheckedBackend

    async def handle(items):
        await anyio.sleep(0.02)
        with open(sys.argv[2], "a") as out:
            out.write("".join(f"{os.getpid()} {item.key.id} {item.version.revision}\\n" for item in items))

    async def main():
        store = CheckedBackend(SqliteBackend(sys.argv[1], SPECS, busy_timeout_seconds=30), SPECS)
        timing = FeedTiming(look=0.2, expire=2.0)
        processor = ChangeFeedProcessor(
            store, name="p", feed="entities", handler=handle, start="beginning", poll_seconds=0.05, limit=5, timing=timing
        )
        await processor.run()

    anyio.run(main)
"""


@pytest.mark.long
async def test_processes_that_are_killed(tmp_path: Path) -> None:
    """Three processes share one SQLite file, and whichever follows its feed is killed, four times: every change is handled."""
    path, out = tmp_path / "store.db", tmp_path / "handled"
    out.touch()
    backend = SqliteBackend(str(path), SPECS, busy_timeout_seconds=30)
    await backend.provision()
    command = [sys.executable, "-c", inspect.cleandoc(PROGRAM), str(path), str(out)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)})

    processes = [start() for _ in range(3)]
    deadline = time.monotonic() + 240

    def handled() -> list[list[str]]:
        return [line.split() for line in out.read_text().splitlines()]

    try:
        for turn in range(5):
            for number in range(12):
                stored = await backend.get(config(f"c-{number}").key)
                await (backend.create(config(f"c-{number}")) if stored is None else backend.replace(touched(stored), stored.etag))
            if turn == 4:
                break
            before = len(handled())
            while len(handled()) == before:
                assert time.monotonic() < deadline
                await anyio.sleep(0.05)
            pid = int(handled()[-1][0])
            victim = next(process for process in processes if process.pid == pid)
            victim.send_signal(signal.SIGKILL)
            processes[processes.index(victim)] = start()
            victim.wait()
        expected = {record.key.id: record.version.revision for record in (await everything(backend)).values()}
        while {key: int(revision) for _, key, revision in handled()} != expected:
            assert time.monotonic() < deadline, json.dumps(handled()[-30:])
            await anyio.sleep(0.1)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        await backend.aclose()
    last: dict[str, int] = {}
    for _, key, revision in handled():
        assert int(revision) >= last.get(key, 0)
        last[key] = int(revision)
