"""What costs are for: writes, the change feed, or reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

Share = Literal["writes", "feed", "reads"]
SHARES: Final[tuple[Share, ...]] = ("writes", "feed", "reads")
_FEED: Final = "feed"
_WRITING: Final = frozenset(
    """append assign cancel claim complete copy create deactivate delete demote fix link promote provision purge put record rename
    renew repair replace revoke save set unassign update""".split()
)
"""First words of operations that write."""
_BESIDE: Final = ("expired", "noted")
"""Words by which a mix tells writes apart that come with a read."""


def share_of(operation: str) -> Share:
    """Return what an operation is for, by its name in a `Mix` or in `UsageReport`: one that is not known to write reads."""
    name, _, what = operation.partition(", ")
    layer, _, method = name.partition(".")
    word = method.partition("_")[0]
    if _FEED in (layer, word):
        return "feed"
    return "writes" if word in _WRITING or any(one in what for one in _BESIDE) else "reads"


def shares_of(charges: Iterable[tuple[str, float]]) -> dict[Share, float]:
    """Return the sum of each share, of operations with what they cost."""
    sums = dict.fromkeys(SHARES, 0.0)
    for operation, cost in charges:
        sums[share_of(operation)] += cost
    return sums
