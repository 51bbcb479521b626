"""How far each processor of a store has come: for commands and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed.dead_letters import DeadLetters
from bifrost_store.changefeed.leases import FeedLease, leases_by_processor


@dataclass(frozen=True, slots=True)
class ProcessorStatus:
    """One processor.

    Attributes:
        name: What its processes have in common.
        leases: Of its ranges, in their order; one at least.
        dead_letters: How many items it went past.
    """

    name: str
    leases: Sequence[FeedLease]
    dead_letters: int

    @property
    def feed(self) -> str:
        """The feed that it follows."""
        return self.leases[0].feed

    @property
    def is_stuck(self) -> bool:
        """A range is held for failures that repeat."""
        return any(lease.stuck_since is not None for lease in self.leases)


async def processors_of(backend: Backend) -> list[ProcessorStatus]:
    """Return every processor that has ever followed a feed of *backend*, by name.

    Raises:
        CorruptDocumentError: A lease or a dead letter cannot be read; the message says what to do.
    """
    found: list[ProcessorStatus] = []
    for name, leases in (await leases_by_processor(backend)).items():
        letters = [row async for row in DeadLetters(backend, name).all()]
        found.append(ProcessorStatus(name, leases, len(letters)))
    return found


def behind_seconds(leases: Sequence[FeedLease]) -> float | None:
    """Return how far those who follow *leases* are behind what happens; None where a range is followed by nobody."""
    if not leases or any(lease.owner is None for lease in leases):
        return None
    return max(lease.lag_seconds if lease.lag_items else 0.0 for lease in leases)
