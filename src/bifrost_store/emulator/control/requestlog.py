"""`RequestLog`: what was asked and what it cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

MAX_ENTRIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: when it came, what it was, and what was answered.

    Attributes:
        operation: Such as ``Create`` (see `operations`).
        kind: What it was about: ``docs``, ``colls`` …; empty for the account.
        charge: In request units; 0 where the service names none.
        fault: Whether a fault on demand struck it.
    """

    time: float
    method: str
    path: str
    operation: str
    kind: str
    status: int
    sub_status: int
    charge: float
    milliseconds: float
    fault: bool = False


class RequestLog:
    """The last 10,000 requests, the oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self.total_charge = 0.0

    def add(self, entry: Entry) -> None:
        """Keep a request."""
        self._entries.append(entry)
        self.total_charge += entry.charge

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self.total_charge = 0.0

    def as_json(self) -> list[dict[str, Any]]:
        """Return the requests as JSON has them."""
        return [asdict(entry) for entry in self]
