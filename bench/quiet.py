"""How much of the machine others used while something was timed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

MOST_OF_OTHERS: Final = 0.2
"""Of one processor: what is timed beside more than that says nothing."""
_EVERY_SECONDS: Final = 0.05
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Others:
    """Watches the processors from now on, until it is asked for the `share` of others.

    Looks often, for a browser's processes end without anybody's counting what they have used.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy()
        self._before = _own()
        self._used: dict[int, float] = {}
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, name="bench-quiet", daemon=True).start()

    def share(self) -> float:
        """Return what processes that are neither this one nor its descendants used since, in processors."""
        self._is_over.set()
        return max(0.0, _busy() - self._busy - self.own_seconds()) / (time.monotonic() - self._began)

    def own_seconds(self) -> float:
        """Return how long this process and its descendants have worked since, those that have ended among them."""
        self._used = {**self._used, **_own()}
        return sum(max(0.0, used - self._before.get(process, 0.0)) for process, used in self._used.items())

    def _watch(self) -> None:
        while not self._is_over.wait(_EVERY_SECONDS):
            self._used = {**self._used, **_own()}


def _busy() -> float:
    """Return the seconds that all processors have worked."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / _TICKS


def _own() -> dict[int, float]:
    """Return the seconds that this process and its descendants have worked, those left out that have ended."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(path.parent.name)
        parents[process] = int(fields[1])
        used[process] = sum(map(int, fields[11:13])) / _TICKS
    own = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in own} - own:
        own |= more
    return {process: used[process] for process in own if process in used}
