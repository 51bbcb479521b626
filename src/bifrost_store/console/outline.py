"""What a page of lines amounts to, for whoever has not read them: how many of which level, when, and where errors are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, Self

from bifrost_store.core.clock import format_time
from bifrost_store.protocols import ItemsPage, Level, LogLine

_BINS: Final = 50


@dataclass(frozen=True, slots=True)
class Slice:
    """A page of lines. There is at least one."""

    lines: list[LogLine]
    after: str

    @classmethod
    def of(cls, page: ItemsPage) -> Self | None:
        """Return what *page* amounts to; None if there are no lines on it."""
        lines = [item for item in page if isinstance(item, LogLine)]
        return cls(lines, page.after) if lines else None

    def shown(self) -> dict[str, Any]:
        """Return it as JSON.

        ``bins`` counts lines in equal parts of the time between first and last line, ``errors`` has the first error of each;
        ``after`` reads on behind the slice.
        """
        first, last = self.lines[0], self.lines[-1]
        seconds = (last.timestamp - first.timestamp).total_seconds()
        bins = [0] * (_BINS if seconds else 1)
        errors: dict[int, LogLine] = {}
        for line in self.lines:
            share = (line.timestamp - first.timestamp).total_seconds() / seconds if seconds else 0
            place = min(int(share * _BINS), len(bins) - 1)
            bins[place] += 1
            if line.level.rank >= Level.ERROR.rank:
                errors.setdefault(place, line)
        return {
            "first": _place(first),
            "last": _place(last),
            "levels": Counter(line.level.value for line in self.lines),
            "bins": bins,
            "errors": [_place(line) for line in errors.values()],
            "recordings": sorted({line.recording for line in self.lines}),
            "dropped": self._dropped(),
            "after": self.after,
        }

    def _dropped(self) -> dict[int, int]:
        """Return by recording how many items its lines say were dropped; nothing of those that do not."""
        dropped = Counter[int]()
        for line in self.lines:
            if line.dropped:
                dropped[line.recording] += line.dropped
        return dropped


def _place(line: LogLine) -> dict[str, Any]:
    return {"recording": line.recording, "number": line.number, "timestamp": format_time(line.timestamp)}
