"""Times of calls, and ratios of calls that are made in turns."""

from __future__ import annotations

import math
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

Call = Callable[[], Awaitable[object]]
_CONFIDENCE_95 = 0.98
"""Half of 1.96: by so many square roots of the count do the ranks around the median differ that enclose it in 95 of 100 runs."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long the calls of one kind took.

    Attributes:
        seconds: One for each call, in the order they were made; at least one.
    """

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """Seconds that half of the calls took at most."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """Seconds that 95 of 100 calls took at most."""
        ordered = sorted(self.seconds)
        return ordered[math.ceil(0.95 * len(ordered)) - 1]

    @property
    def per_second(self) -> float:
        """Calls a second, one after the other."""
        return len(self.seconds) / math.fsum(self.seconds)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much longer ours takes than theirs, pair by pair, so that what slows the machine slows both.

    Attributes:
        pairs: Seconds of ours and of theirs, taken right after each other.
    """

    pairs: Sequence[tuple[float, float]]

    @property
    def median(self) -> float:
        """The median of the pairs' ratios; 1.1 is a tenth longer."""
        return statistics.median(self._ratios())

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds that hold the true median in 95 of 100 runs, by ranks: nothing is assumed of how times are spread."""
        ratios = self._ratios()
        middle, reach = (len(ratios) - 1) / 2, _CONFIDENCE_95 * math.sqrt(len(ratios))
        return ratios[max(0, math.floor(middle - reach))], ratios[min(len(ratios) - 1, math.ceil(middle + reach))]

    @property
    def ours(self) -> Times:
        return Times([ours for ours, _ in self.pairs])

    @property
    def theirs(self) -> Times:
        return Times([theirs for _, theirs in self.pairs])

    def _ratios(self) -> list[float]:
        return sorted(ours / theirs for ours, theirs in self.pairs)


async def seconds_of(call: Call, clock: Callable[[], float] = perf_counter) -> float:
    """Make the call and return how long it took by *clock*: `time.process_time` leaves out what other processes do meanwhile."""
    start = clock()
    await call()
    return clock() - start


async def in_turns(ours: Call, theirs: Call, pairs: int, clock: Callable[[], float] = perf_counter) -> Ratio:
    """Make both calls *pairs* times; which goes first alternates, so that neither always finds the machine warm."""
    await ours()
    await theirs()
    measured = []
    for number in range(pairs):
        if number % 2:
            their_seconds, our_seconds = await seconds_of(theirs, clock), await seconds_of(ours, clock)
        else:
            our_seconds, their_seconds = await seconds_of(ours, clock), await seconds_of(theirs, clock)
        measured.append((our_seconds, their_seconds))
    return Ratio(measured)
