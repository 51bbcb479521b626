"""A process that records, run by tests that kill it, fork it, or let it end: ``python -m tests.recording.program MODE RUN``.

Where the store is, the environment says. It prints ``stored N`` once all lines up to the N-th are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from bifrost_store import GLOBAL, ExecutionRef, Recording, open_store


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
        async with block as recording:
            await (fork(recording) if mode == "fork" else endless(recording))


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
