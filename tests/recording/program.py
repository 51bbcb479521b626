"""A process that records, run by tests that kill it, fork it, or let it end: ``python -m tests.recording.program MODE RUN``.

Where the store is, the environment says. It prints ``stored N`` once all lines up to the N-th are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys

from bifrost_store import GLOBAL, ExecutionRef, ExecutionStatus, Recording, Store, open_store


async def main(mode: str, run: str) -> None:
    logging.getLogger().setLevel(logging.INFO)
    async with open_store() as store:
        block = store.execution_data.recording(ExecutionRef(GLOBAL, run))
        if mode == "leave":
            recording = await block.__aenter__()
            for number in range(200):
                recording.info(f"{number}")
            os.write(1, b"left\n")
            sys.exit(0)  # without leaving the block, or closing the store: what has begun to be stored goes on at exit
        if mode == "full":
            await full_disk(store, run)
            return
        async with block as recording:
            await (fork(recording) if mode == "fork" else endless(recording))


async def full_disk(store: Store, run: str) -> None:
    """Record more than memory takes while no file can grow beyond a megabyte; then there is room again, and the run ends."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, most))
    async with store.execution_data.recording(ExecutionRef(GLOBAL, run), capture=False) as recording:
        for number in range(700):
            recording.info(f"{number} {'x' * 30_000}")
            await asyncio.sleep(0.001)
        await recording.flush(seconds=60)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        recording.info("there is room again")
    await store.executions.complete(ExecutionRef(GLOBAL, run), ExecutionStatus.SUCCESS)


async def endless(recording: Recording) -> None:
    number = 0
    while True:
        for _ in range(7):
            logging.getLogger("workflow").info("%d", number)
            number += 1
        if await recording.flush(seconds=60):
            os.write(1, f"stored {number}\n".encode())


async def fork(recording: Recording) -> None:
    for number in range(50):
        recording.info(f"parent {number}")
    child = os.fork()
    if child == 0:
        for number in range(50):
            recording.info(f"child {number}")
        asyncio.set_event_loop(None)
        is_stored = recording_stored(recording)
        os.write(1, b"child stored\n" if is_stored else b"child failed\n")
        os._exit(0)
    for number in range(50, 100):
        recording.info(f"parent {number}")
    await asyncio.to_thread(os.waitpid, child, 0)


def recording_stored(recording: Recording) -> bool:
    """Wait in a child, in which no event loop of the parent's may be used."""
    future = recording._attendant.stored(recording, 60)  # type: ignore[attr-defined]
    return bool(future.result(60))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
