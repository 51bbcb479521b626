"""Ends what a test process started once that process is gone, however it went: interrupted, stopped by its time limit, killed.

Every process that a test starts inherits a mark in its environment. The reaper, a process of its own, waits until the
pipe from the test process closes and then kills whatever carries the mark, in whatever session or process group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

VARIABLE = "BIFROST_TEST_PROCESS"
_PROCESSES = Path("/proc")
_LOOKS = 10
_PAUSE_SECONDS = 0.1


def reaper() -> Callable[[], None]:
    """Mark what this process starts from now on, and have it ended with this process; return what ends it earlier."""
    if not _PROCESSES.is_dir():
        return lambda: None
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    os.environ[VARIABLE] = uuid4().hex
    # Unmarked itself, and in a session of its own: Ctrl-C must not end it before the others.
    command = [sys.executable, __file__, os.environ[VARIABLE]]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)

    def end() -> None:
        process.communicate()

    return end


def marked(mark: str) -> Iterator[int]:
    """Yield the ids of the processes that carry *mark*."""
    for folder in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{VARIABLE}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def reap(mark: str) -> None:
    """Kill the processes that carry *mark*, and those that they start meanwhile.

    One that was being started as its parent ended carries none yet: it is looked for a while.
    """
    looks = _LOOKS
    while looks:
        found = list(marked(mark))
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        looks = _LOOKS if found else looks - 1
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    reap(sys.argv[1])
