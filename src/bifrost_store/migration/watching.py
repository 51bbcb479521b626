"""Watches the lease rows of one store, and takes away those of processes that are silent. Rules L5 and J4 of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.version import Version
from bifrost_store.routing.control import Control
from bifrost_store.routing.lease_rows import LeaseRow, LeaseRows, Timing
from bifrost_store.wrappers.journal import Journal

LAPSED: Final = "lapsed"


@dataclass(frozen=True, slots=True)
class _Seen:
    version: Version
    since: float
    changes: int


class Watch:
    """What one coordinator has seen of the leases of one store.

    Args:
        name: Of the store.
        backend: It, addressed directly.
        monotonic: Seconds of a clock that runs on while the machine sleeps.
        timing: Of the migration.

    Attributes:
        taken_away: The processes whose leases were taken away by this coordinator.
    """

    def __init__(self, name: str, backend: Backend, *, monotonic: Callable[[], float], timing: Timing) -> None:
        self._name = name
        self._rows = LeaseRows(backend)
        self._journal = Journal(backend)
        self._monotonic = monotonic
        self._timing = timing
        self._seen: dict[str, _Seen] = {}
        self.taken_away: list[str] = []

    async def look(self, control: Control) -> list[LeaseRow]:
        """Return the live rows as they are now; those that were taken away, by whomever, are buried first."""
        rows = [row async for row in self._rows.all()]
        now = self._monotonic()
        seen: dict[str, _Seen] = {}
        for row in rows:
            before = self._seen.get(row.id)
            if before is not None and before.version == row.record.version:
                seen[row.id] = before
            else:
                seen[row.id] = _Seen(row.record.version, now, 0 if before is None else before.changes + 1)
        self._seen = seen
        for row in rows:
            if row.state.state == LAPSED:
                await self._bury(row, control)
        return [row for row in rows if row.state.state != LAPSED]

    def is_silent(self, row: LeaseRow) -> bool:
        """Return whether *row* was seen unchanged for so long that it may be taken away."""
        return self._monotonic() - self._seen[row.id].since >= self._timing.watch

    def changes(self, row: LeaseRow) -> int:
        """Return how often *row* was seen changed since it was first seen."""
        return self._seen[row.id].changes

    async def take_away(self, row: LeaseRow, control: Control) -> bool:
        """End the lease of a silent process, if it still is silent; return whether it was ended."""
        lapsed = await self._rows.write(row, row.state.model_copy(update={"state": LAPSED}))
        if lapsed is None:
            return False
        self.taken_away.append(row.state.process)
        await self._bury(lapsed, control)
        return True

    async def _bury(self, row: LeaseRow, control: Control) -> None:
        """Note what the gone process may owe, and delete its row."""
        if any(route.primary == self._name and route.secondary is not None for route in control.routes.values()):
            await self._journal.note_writer(row.id)
        await self._rows.delete(row)
