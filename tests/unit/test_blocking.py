"""The store without await: the same calls from threads, what ends them, and what a fork leaves of it."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from bifrost_store import GLOBAL, BlockingStore, ConfigType, ExecutionStatus, Store, StoreSettings, open_store_blocking
from bifrost_store.core.clock import utc_now
from bifrost_store.errors import ConfigurationError, DocumentNotFoundError, EventLoopError, InvalidRequestError
from bifrost_store.protocols import LogLine
from bifrost_store.recording import carry
from bifrost_store.testing.repositories import protocols_of

ROOT = Path(__file__).parents[2]
SETTINGS = StoreSettings(sqlite_path=":memory:")


@pytest.fixture
def store() -> Iterator[BlockingStore]:
    """A blocking store over an empty database in memory."""
    with open_store_blocking(SETTINGS) as opened:
        opened.provision()
        yield opened


def new_run(store: BlockingStore) -> Any:
    return store.executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U")


def test_the_protocols_are_those_of_the_repositories() -> None:
    """What type checkers know of a blocking store was written from the Protocols as they are now."""
    spec = importlib.util.spec_from_file_location("tools_blocking", ROOT / "tools" / "blocking.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    folder = ROOT / "src" / "bifrost_store" / "blocking" / "protocols"
    stored = {path.stem: ast.parse(path.read_text("utf-8")) for path in folder.glob("*.py")}
    wanted = tool.modules()

    def classes(module: ast.Module) -> list[str]:
        module = ast.parse(ast.unparse(ast.fix_missing_locations(module)))  # as it is written
        return [ast.dump(node) for node in module.body if isinstance(node, ast.ClassDef)]

    assert sorted(wanted) == sorted(stored), "run python tools/blocking.py"
    stale = [name for name, module in wanted.items() if classes(module) != classes(stored[name])]
    assert [] == stale, "run python tools/blocking.py"


def test_it_has_what_a_store_has(store: BlockingStore) -> None:
    """Each repository and each method of it is there, with its documentation; a store names its place."""
    inner: Store = store._store
    repositories = set(protocols_of(Store))

    assert repositories == {name for name, one in vars(store).items() if repr(one) == f"<blocking <store.{name}>>"}
    for name in repositories:
        methods = {one for one in dir(type(getattr(inner, name))) if not one.startswith("_")}
        assert methods == {one for one in vars(getattr(store, name)) if not one.startswith("_")}
    assert inspect.getdoc(inner.executions.create) == inspect.getdoc(store.executions.create)
    for name in ("provision", "ping", "usage", "repair", "differences", "fix"):
        assert inspect.signature(getattr(Store, name)) == inspect.signature(getattr(BlockingStore, name))
    assert "<BlockingStore of sqlite :memory:>" == repr(store)
    assert ["SQLite"] == [line.split()[0].rstrip(":") for line in store.ping()][:1]
    assert [] == store.differences() == store.fix()
    assert not store.repair().unreadable


def test_calls_return_and_raise_what_they_are_awaited_for(store: BlockingStore) -> None:
    """Results and errors are those of the store; lists are iterated over without async, also when that is broken off."""
    run = new_run(store)
    store.executions.complete(run, ExecutionStatus.SUCCESS, result={"n": 1})
    runs = {new_run(store).execution_id for _ in range(4)} | {run.execution_id}
    first = next(iter(store.executions.iterate(GLOBAL, page_size=2)))

    assert ExecutionStatus.SUCCESS is store.executions.get_status(GLOBAL, run.execution_id)
    assert runs == {one.execution_id for one in store.executions.iterate(GLOBAL, page_size=2)}
    assert first.execution_id in runs
    assert 5 == next(one.calls for one in store.usage().operations if one.operation == "executions.create")
    with pytest.raises(DocumentNotFoundError):
        store.users.update("nobody@x", display_name="N")
    with pytest.raises(InvalidRequestError, match="limit"):
        next(store.executions.iterate(GLOBAL, page_size=0))


def test_threads_share_a_store(store: BlockingStore) -> None:
    """Of calls of many threads at the same time none is lost, and each thread gets its own answer."""
    key = store.config.set(GLOBAL, "key", 0, config_type=ConfigType.INT, updated_by="a").key

    def work(number: int) -> int:
        store.config.set(GLOBAL, f"{key}-{number}", number, config_type=ConfigType.INT, updated_by="a")
        return store.config.get_value(GLOBAL, f"{key}-{number}", int)

    with ThreadPoolExecutor(8) as pool:
        assert list(range(40)) == list(pool.map(work, range(40)))
    assert 41 == len(store.config.list(GLOBAL))


def test_a_recording_is_of_the_thread_that_opened_it(store: BlockingStore) -> None:
    """What this thread logs inside the block is recorded, and what it carries to others; nothing of it afterwards."""
    logger = logging.getLogger("tests.blocking")
    run = new_run(store)
    with store.execution_data.recording(run) as recording:
        recording.info("said")
        logger.warning("logged")
        thread = threading.Thread(target=carry(partial(logger.warning, "carried")))
        thread.start()
        thread.join()
        assert recording.flush()
    logger.warning("later")
    with store.execution_data.recording(run, capture=False):
        logger.warning("not captured")
    lines = [item.message for item in store.execution_data.iterate(GLOBAL, run.execution_id) if isinstance(item, LogLine)]

    assert ["said", "logged", "carried"] == lines


def test_an_error_leaves_a_recording_as_it_is() -> None:
    """What goes wrong inside the block comes out of it."""
    with open_store_blocking(SETTINGS) as store:
        store.provision()
        run = new_run(store)
        with pytest.raises(ZeroDivisionError), store.execution_data.recording(run):
            raise ZeroDivisionError


def test_the_context_of_the_caller_is_that_of_the_call() -> None:
    """Context variables, such as the present span, are those of the thread that calls."""
    who: ContextVar[str] = ContextVar("who")
    seen: list[str | None] = []

    def clock() -> datetime:
        seen.append(who.get(None))
        return utc_now()

    with open_store_blocking(SETTINGS, clock=clock) as store:
        store.provision()
        who.set("kim")
        seen.clear()
        new_run(store)

    assert {"kim"} == set(seen)


def test_an_event_loop_is_not_kept_waiting(store: BlockingStore) -> None:
    """A call from asynchronous code is refused, and says what to use."""

    async def handler() -> None:
        with pytest.raises(EventLoopError, match="open_store"):
            store.users.list()
        with pytest.raises(EventLoopError, match="open_store"), store.execution_data.recording(run):
            pass

    run = new_run(store)
    asyncio.run(handler())


def test_a_closed_store_says_so() -> None:
    """After the block each call is refused; a list that was begun may be left all the same."""
    with open_store_blocking(SETTINGS) as store:
        store.provision()
        begun = store.executions.iterate(GLOBAL)
        for _ in range(2):
            new_run(store)
        next(begun)
    with pytest.raises(EventLoopError, match="closed"):
        store.users.list()
    assert isinstance(begun, Generator)
    begun.close()


def test_a_wrong_setting_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a store from being opened comes out alone, not in a group."""
    monkeypatch.setenv("BIFROST_STORE_BACKEND", "mongo")
    with pytest.raises(ConfigurationError, match="BIFROST_STORE_BACKEND"), open_store_blocking():
        pass


_NEVER_CLOSED = """
import sys
from contextlib import ExitStack
from bifrost_store import GLOBAL, StoreSettings, open_store_blocking

stack = ExitStack()
store = stack.enter_context(open_store_blocking(StoreSettings(sqlite_path=sys.argv[1])))
run = store.executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U")
with store.execution_data.recording(run) as recording:
    recording.info("said")
"""


def test_a_process_may_end_with_its_store_open(tmp_path: Path) -> None:
    """It ends at once and says nothing, and what it stored is there."""
    command = [sys.executable, "-c", _NEVER_CLOSED, str(tmp_path / "x.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    with open_store_blocking(StoreSettings(sqlite_path=str(tmp_path / "x.db"))) as store:
        (run,) = store.executions.iterate(GLOBAL)
        lines = [item.message for item in store.execution_data.iterate(GLOBAL, run.execution_id) if isinstance(item, LogLine)]

    assert "" == done.stdout + done.stderr
    assert ["said"] == lines


def test_an_interruption_cancels_the_call(store: BlockingStore) -> None:
    """Ctrl-C ends the waiting and what was waited for, and the store goes on."""
    ended = threading.Event()

    async def interrupted() -> None:
        try:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await anyio.sleep_forever()
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        store._loop.call(interrupted)

    assert ended.wait(60)
    assert 0 == len(store.users.list())


def test_an_interruption_ends_a_list(store: BlockingStore) -> None:
    """Ctrl-C while the next item is waited for comes out as it is, though what was waited for takes a while to end."""
    ended = threading.Event()

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(1000):
                    await checkpoint()
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        list(store._loop.iterate(items()))

    assert ended.wait(60)
    assert 0 == len(store.users.list())


_FORKED = """
import os, sys
from bifrost_store import StoreSettings, open_store_blocking
from bifrost_store.errors import EventLoopError

def count(store):
    return len(store.users.list())

with open_store_blocking(StoreSettings(sqlite_path=sys.argv[1])) as store:
    store.provision()
    store.users.create("kim@x.example")
    child = os.fork()
    if child == 0:
        try:
            count(store)
        except EventLoopError as error:
            print("child:", error, flush=True)
        with open_store_blocking(StoreSettings(sqlite_path=sys.argv[1])) as own:
            print("its own:", count(own), flush=True)
    else:
        os.waitpid(child, 0)
        print("parent:", count(store))
"""


def test_after_a_fork_each_process_opens_its_own(tmp_path: Path) -> None:
    """A child's call is refused without waiting, its own store works, it leaves the block, and the parent goes on."""
    command = [sys.executable, "-W", "ignore", "-c", _FORKED, str(tmp_path / "x.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    child, own, parent = done.stdout.splitlines()
    assert child.startswith("child: the store was opened before this process was forked")
    assert ("its own: 1", "parent: 1") == (own, parent)
