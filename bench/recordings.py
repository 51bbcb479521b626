"""`python -m bench.recordings`: what recording costs the workflow, and whether it may go on for hours."""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.handlers
import os
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from pydantic import SecretStr

from bench.emulator import run_emulator
from bench.timing import Ratio
from bifrost_store import GLOBAL, Execution, Store, StoreSettings, open_store
from bifrost_store.changefeed import DataDocument, FeedReader
from bifrost_store.core.clock import parse_time
from bifrost_store.recording import carry

MOST_RATIO: Final = 1.5
"""Of what `logging.handlers.QueueHandler` takes with the same formatting."""
MOST_GROWTH: Final = 1.1
"""Of memory, from when everything was done once to the end."""
MOST_LAG: Final = 1.0
"""Seconds after which 99 of 100 lines have been read from the feed."""
_LAG_RATE, _POLL = 700, 0.5
_THREADS, _LINES, _PAIRS = 4, 2000, 21
_RUNS, _RATE = 20, 10
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def main(arguments: Sequence[str]) -> int:
    """Measure, print the figures, and return 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="bench.recordings", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long twenty runs are recorded; 600 by default")
    options = parser.parse_args(arguments)
    return anyio.run(_measure, options.seconds)


async def _measure(seconds: float) -> int:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="bifrost-store-bench-"))
        settings = StoreSettings(backend="sqlite", sqlite_path=str(Path(folder) / "runs.db"))
        store = await stack.enter_async_context(open_store(settings))
        ratio = await _emit(store)
        low, high = ratio.interval
        print(
            f"emit, {_THREADS} threads: {ratio.median:.2f} of QueueHandler ({low:.2f} to {high:.2f}), at most {MOST_RATIO} promised"
        )
        async with run_emulator_store(Path(folder)) as cosmos:
            lags = {"sqlite": await _lag(store, "sqlite", seconds / 10), "cosmos": await _lag(cosmos, "cosmos", seconds / 10)}
        for name, lag in lags.items():
            what = f"feed of {name} at {_LAG_RATE} lines a second, read every {1000 * _POLL:.0f} ms"
            print(f"{what}: lag p50 {_part(lag, 0.5):.2f} s, p99 {_part(lag, 0.99):.2f} s, at most {MOST_LAG} s")
        first, last, lines = await _go_on(store, seconds)
        growth = last / first
        what = f"{_RUNS} runs at {_RATE} lines a second for {seconds:.0f} s, {lines} lines"
        print(f"{what}: memory {growth:.2f} of {first / 1e6:.0f} MB")
        is_prompt = all(_part(lag, 0.99) <= MOST_LAG for lag in lags.values())
        return 0 if ratio.median <= MOST_RATIO and growth <= MOST_GROWTH and is_prompt else 1


async def _emit(store: Store) -> Ratio:
    """Log from several threads at once, to a queue and to a recording in turns."""
    logger = logging.getLogger("bench.recordings")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    pairs = []
    for _ in range(_PAIRS):
        with _queue_handler(logger):
            theirs = await asyncio.to_thread(_drive, logger)
        run = await _new_run(store)
        async with store.execution_data.recording(run):
            logger.handlers = [one for one in logging.getLogger().handlers if type(one).__name__ == "RecordingHandler"]
            ours = await asyncio.to_thread(_drive, logger)
        pairs.append((ours, theirs))
    return Ratio(pairs)


@contextmanager
def _queue_handler(logger: logging.Logger) -> Iterator[None]:
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue()
    handler = logging.handlers.QueueHandler(waiting)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    listener = threading.Thread(target=_drain, args=[waiting.get])
    listener.start()
    try:
        yield
    finally:
        waiting.put(None)
        listener.join()


def _drain(get: Callable[[], object]) -> None:
    while get() is not None:
        pass


def _drive(logger: logging.Logger) -> float:
    """Return how long it takes several threads to log so many lines each."""

    def work() -> None:
        for number in range(_LINES):
            logger.info("line %d of %s", number, "a workflow that has something to say")

    threads = [threading.Thread(target=carry(work)) for _ in range(_THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


async def _go_on(store: Store, seconds: float) -> tuple[int, int, int]:
    """Record twenty runs at once; return the memory in use after a fifth of the time and at the end, and the lines."""
    runs = [await _new_run(store) for _ in range(_RUNS)]
    began, lines, first = time.monotonic(), 0, 0
    async with AsyncExitStack() as stack:
        recordings = [await stack.enter_async_context(store.execution_data.recording(run)) for run in runs]
        while (elapsed := time.monotonic() - began) < seconds:
            for recording in recordings:
                recording.info(f"line {lines}: {'x' * 80}", data={"number": lines})
                lines += 1
            if not first and elapsed > seconds / 5:
                first = _memory()
            await asyncio.sleep(max(0.0, began + lines / _RUNS / _RATE - time.monotonic()))
        last = _memory()
    for run in runs[:1]:
        page = await store.execution_data.last(run.scope, run.execution_id, limit=1)
        if page[0].number != lines // _RUNS:
            raise AssertionError(f"of {lines // _RUNS} lines of a run the store has {page[0].number}")
    return first, last, lines


def _memory() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


@asynccontextmanager
async def run_emulator_store(folder: Path) -> AsyncIterator[Store]:
    """Open a store of the emulator, which runs in a process of its own."""
    with run_emulator() as server:
        secret = SecretStr(server.connection_string)
        settings = StoreSettings(backend="cosmos", cosmos_connection_string=secret, blob_folder=str(folder / "blobs"))
        async with open_store(settings) as store:
            await store.provision()
            yield store


async def _lag(store: Store, backend: str, seconds: float) -> list[float]:
    """Record on twenty runs; return how long after each line was made a reader of the feed had it, in order."""
    reader = FeedReader(store.backend.backend(backend), "execution_data", poll_seconds=_POLL, limit=500)
    await reader.open()
    lags: list[float] = []
    lines = int(seconds * _LAG_RATE)

    async def read() -> None:
        async for item in reader:
            if isinstance(item, DataDocument):
                now = datetime.now(UTC)
                lags.extend((now - parse_time(line["timestamp"])).total_seconds() for line in item.body.get("lines", ()))
            if len(lags) >= lines:
                return

    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        runs = [await _new_run(store) for _ in range(_RUNS)]
        recordings = [await stack.enter_async_context(store.execution_data.recording(run)) for run in runs]
        began = time.monotonic()
        for number in range(lines):
            await asyncio.sleep(max(0.0, began + number / _LAG_RATE - time.monotonic()))
            recordings[number % _RUNS].info(f"line {number}: {'x' * 80}")
    return sorted(lags)


def _part(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))]


async def _new_run(store: Store) -> Execution:
    return await store.executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
