"""How long what takes between the processes of one processor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedTiming:
    """Durations in seconds; the same in all processes of a processor.

    Attributes:
        look: Between looks at the feed leases of all; an own one that was not written for so long is renewed.
        expire: A feed lease seen unchanged for so long is anybody's, and whoever could not write its own for so long lets go of it.
        ranges: Between looks at the ranges of the feed.
        first_pause, longest_pause: After a failure; twice as long after each.
    """

    look: float = 15.0
    expire: float = 30.0
    ranges: float = 60.0
    first_pause: float = 1.0
    longest_pause: float = 60.0

    def pause(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.first_pause * 2.0 ** min(failures - 1, 30), self.longest_pause)
