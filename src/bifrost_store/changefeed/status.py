"""How far each processor of a store has come: for commands and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed.dead_letters import dead_letters_by_processor
from bifrost_store.changefeed.leases import FeedLease, leases_by_processor
from bifrost_store.core.spec import FeedName
from bifrost_store.core.tasks import together


@dataclass(frozen=True, slots=True)
class ProcessorStatus:
    """One processor.

    Attributes:
        name: What its processes have in common.
        feed: The feed that it follows.
        leases: Of its ranges, in their order; none where a host of its own keeps the positions, as Azure Functions does.
        dead_letters: How many items it went past.
    """

    name: str
    feed: FeedName
    leases: Sequence[FeedLease]
    dead_letters: int

    @property
    def is_stuck(self) -> bool:
        """A range is held for failures that repeat."""
        return any(lease.stuck_since is not None for lease in self.leases)


async def processors_of(backend: Backend) -> list[ProcessorStatus]:
    """Return every processor that has left a position or a dead letter in *backend*, by name.

    Raises:
        CorruptDocumentError: A lease or a dead letter cannot be read; the message says what to do.
    """
    leases, letters = await together(lambda: leases_by_processor(backend), lambda: dead_letters_by_processor(backend))
    found: list[ProcessorStatus] = []
    for name in sorted({*leases, *letters}):
        followed, lost = leases.get(name, []), letters.get(name, [])
        feed = followed[0].feed if followed else lost[0].feed
        found.append(ProcessorStatus(name, feed, followed, len(lost)))
    return found


def behind_seconds(leases: Sequence[FeedLease]) -> float | None:
    """Return how far those who follow *leases* are behind what happens; None where a range is followed by nobody."""
    if not leases or any(lease.owner is None for lease in leases):
        return None
    return max(lease.lag_seconds if lease.lag_items else 0.0 for lease in leases)
