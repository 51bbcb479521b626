"""Who follows which range: decided by each process alone, from all feed leases as it sees them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence

from bifrost_store.changefeed.leases import FeedLeaseRow
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS


def to_claim(
    rows: Sequence[FeedLeaseRow], me: str, is_silent: Callable[[FeedLeaseRow], bool], choose: random.Random
) -> list[FeedLeaseRow]:
    """Return the leases to take next: free ones up to a fair share, else one of the process that has most.

    Args:
        rows: All of the processor.
        me: The token of this process.
        is_silent: Whether a lease's owner has been silent for too long.
        choose: Decides among equals, so that processes do not reach for the same.
    """
    free = [row for row in rows if row.state.owner is None or (row.state.owner != me and is_silent(row))]
    claimed: dict[str, list[FeedLeaseRow]] = {me: []}
    for row in rows:
        if row not in free and row.state.claimant is not None:
            claimed.setdefault(row.state.claimant, []).append(row)
    mine = len(claimed[me])
    lacking = math.ceil(len(rows) / len(claimed)) - mine
    if lacking <= 0:
        return []
    if free:
        return choose.sample(free, min(lacking, len(free)))
    busiest = max((owner for owner in claimed if owner != me), key=lambda owner: len(claimed[owner]))
    settled = [row for row in claimed[busiest] if row.state.owner == busiest]
    return [choose.choice(settled)] if settled and len(claimed[busiest]) > mine + 1 else []


def gaps(ranges: Iterable[FeedRange], leased: Iterable[FeedRange]) -> list[FeedRange]:
    """Return the parts of *ranges* that nothing of *leased* covers."""
    known = sorted(leased)
    found: list[FeedRange] = []
    for part in ranges:
        low = part.low
        for lease in known:
            if lease.high <= low or part.high <= lease.low:
                continue
            if low < lease.low:
                found.append(FeedRange(low, lease.low))
            low = max(low, lease.high)
        if low < part.high:
            found.append(FeedRange(low, part.high))
    return found


def pieces(part: FeedRange, ranges: Iterable[FeedRange]) -> list[FeedRange]:
    """Return the parts into which the feed has split *part*; none if it lies in one range still, or is one.

    Of very many the last ones are one part, which is split in its turn: all are exchanged in one write.
    """
    cuts = (FeedRange(max(part.low, each.low), min(part.high, each.high)) for each in ranges)
    found = [piece for piece in cuts if piece.low < piece.high]
    if len(found) >= MAX_BATCH_OPERATIONS:
        found[MAX_BATCH_OPERATIONS - 2 :] = [FeedRange(found[MAX_BATCH_OPERATIONS - 2].low, part.high)]
    return found if len(found) > 1 else []
