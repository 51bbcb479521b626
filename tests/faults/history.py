"""What a worker did and saw, a line each, and what may be stored after it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Value = str | None
"""What one write made of a record: a text that no other write uses; None: it was deleted."""

What = Literal["begun", "done", "not done", "unknown", "read", "wrong"]
COUNTER = "counter"
COUNTERS = (COUNTER, "second-counter")
"""The records that all workers add 1 to; most runs use the first alone."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line.

    Attributes:
        key: Of the record, as `records.key_of` reads it.
        what: A write is ``begun`` before the call; then it is ``done``, ``not done`` (so the library says) or ``unknown``.
            A ``read`` saw the value; one that could not be is ``wrong``, like whatever else must not happen.
        value: That was written or read.
        seconds: That the call took.
        note: The error, or what is wrong.
    """

    key: str
    what: What
    value: Value = None
    seconds: float = 0.0
    note: str = ""


class EventLog:
    """A file of one process. What was added is there even if the process is killed right after."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, event: Event) -> None:
        """Write one line, in one call of the system."""
        line = {"key": event.key, "what": event.what, "value": event.value, "seconds": event.seconds, "note": event.note}
        os.write(self._file, json.dumps(line).encode() + b"\n")


def events_of(path: Path) -> Iterator[Event]:
    """Return what a process wrote; a line that its death cut short is left out."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield Event(**json.loads(line))


@dataclass(slots=True)
class Possible:
    """What may be stored under a key that one task alone writes, one write after the other.

    Attributes:
        certain: What was written or read last.
        open: What writes may make of it whose outcome nobody knows; None in it stands for a deletion.
    """

    certain: Value = None
    open: list[Value] = field(default_factory=list)

    def allows(self, value: Value) -> bool:
        """Return whether *value* may be stored."""
        return value == self.certain or value in self.open

    def take(self, event: Event) -> None:
        """Go on from *event*. Whatever was read or written after an open write, with its base gone, ends that one."""
        match event.what:
            case "begun":
                self.open.append(event.value)
            case "done":
                self.certain, self.open = event.value, []
            case "not done":
                self.open.remove(event.value)
            case "read":
                if event.value != self.certain:
                    self.certain, self.open = event.value, []


@dataclass(slots=True)
class Expected:
    """What all logs together say.

    Attributes:
        records: By key.
        counted: Additions that were acknowledged, by counter.
        open_counts: Additions whose outcome nobody knows, by counter.
        outcomes: How many events there are of each sort.
        slowest: The call that took longest, reads left out.
        wrong: What must not have happened.
    """

    records: dict[str, Possible] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    open_counts: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, int] = field(default_factory=dict)
    slowest: Event | None = None
    wrong: list[str] = field(default_factory=list)


def expected(logs: Iterable[Path]) -> Expected:
    """Return what the stores must hold after all of *logs* were written."""
    found = Expected()
    for path in logs:
        for event in events_of(path):
            found.outcomes[event.what] = found.outcomes.get(event.what, 0) + 1
            if event.what == "wrong":
                found.wrong.append(f"{path.name}: {event.key}: {event.note}")
            elif event.key in COUNTERS:
                _count(found, event)
            else:
                found.records.setdefault(event.key, Possible()).take(event)
            if event.what in ("done", "not done", "unknown") and (found.slowest is None or event.seconds > found.slowest.seconds):
                found.slowest = event
    return found


def _count(found: Expected, event: Event) -> None:
    match event.what:
        case "begun":
            found.open_counts[event.key] += 1
        case "done":
            found.open_counts[event.key] -= 1
            found.counted[event.key] += 1
        case "not done":
            found.open_counts[event.key] -= 1
