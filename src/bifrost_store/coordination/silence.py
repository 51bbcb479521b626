"""For how long rows were seen unchanged, by the clock of whoever looks: rows hold no time, so no clock need be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bifrost_store.core.record import Record
from bifrost_store.core.version import Version


@dataclass(frozen=True, slots=True)
class _Seen:
    version: Version
    since: float
    changes: int


class Silence:
    """What one watcher has seen of a set of rows.

    Args:
        monotonic: Seconds of a clock that runs on while the machine sleeps.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, _Seen] = {}

    def see(self, records: Iterable[Record]) -> None:
        """Take note of all rows as they are now; those that are left out are forgotten."""
        now = self._monotonic()
        seen: dict[str, _Seen] = {}
        for record in records:
            before = self._seen.get(record.key.id)
            if before is not None and before.version == record.version:
                seen[record.key.id] = before
            else:
                seen[record.key.id] = _Seen(record.version, now, 0 if before is None else before.changes + 1)
        self._seen = seen

    def seconds(self, row_id: str) -> float:
        """Return for how long the row was seen unchanged."""
        return self._monotonic() - self._seen[row_id].since

    def changes(self, row_id: str) -> int:
        """Return how often the row was seen changed since it was first seen."""
        return self._seen[row_id].changes
