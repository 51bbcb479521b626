"""How much of the machine others used while something was timed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

MOST_OF_OTHERS: Final = 0.2
"""Of one processor: what is timed beside more than that says nothing."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Others:
    """Watches the processors from now on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy()
        self._own = _own()

    def share(self) -> float:
        """Return what processes that are neither this one nor its descendants used since, in processors."""
        return max(0.0, _busy() - self._busy - self.own_seconds()) / (time.monotonic() - self._began)

    def own_seconds(self) -> float:
        """Return how long this process and its descendants have worked since."""
        return sum(max(0.0, used - self._own.get(process, 0.0)) for process, used in _own().items())


def _busy() -> float:
    """Return the seconds that all processors have worked."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / _TICKS


def _own() -> dict[int, float]:
    """Return the seconds that this process and its descendants have worked, with children that have ended."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(path.parent.name)
        parents[process] = int(fields[1])
        used[process] = sum(map(int, fields[11:15])) / _TICKS
    own = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in own} - own:
        own |= more
    return {process: used[process] for process in own if process in used}
