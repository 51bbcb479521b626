"""Watches the lease rows of one store, and revokes those of processes that are silent. Rules L5 and J4 of the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.coordination.silence import Silence
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.control import Control, Route, Target
from bifrost_store.routing.membership.lease_rows import LeaseRow, LeaseRows
from bifrost_store.routing.timing import Timing

LAPSED: Final = "lapsed"


class Watch:
    """What one coordinator, or one process that sweeps, has seen of the leases of one store.

    Args:
        name: Name of the store.
        backend: The store, addressed directly.
        monotonic: Seconds of a clock that runs on while the machine sleeps.
        timing: Durations of the migration.

    Attributes:
        revoked: The processes whose leases it revoked.
    """

    def __init__(self, name: str, backend: Backend, *, monotonic: Callable[[], float], timing: Timing) -> None:
        self._name = name
        self._rows = LeaseRows(backend)
        self._journal = Journal(backend)
        self.monotonic = monotonic
        self.timing = timing
        self._silence = Silence(monotonic)
        self.revoked: list[str] = []

    async def look(self, control: Control) -> list[LeaseRow]:
        """Return the live rows as they are now; those that were revoked, by whomever, are removed first."""
        rows = await self._rows_now()
        for row in rows:
            if row.state.state == LAPSED:
                await self._remove(row, control)
        return [row for row in rows if row.state.state != LAPSED]

    async def sweep(self, control: Callable[[], Awaitable[Control | None]]) -> None:
        """Revoke the leases of all silent processes, and remove the rows of leases that were revoked.

        Args:
            control: Reads the store's control document, if there is one; not before there is a row to remove.
        """
        gone = [row for row in await self._rows_now() if row.state.state == LAPSED or self.is_silent(row)]
        if not gone:
            return
        # L5: after the rows, so that a `start` that was committed meanwhile is seen, and its processes get their entries.
        now = await control()
        for row in gone:
            if row.state.state == LAPSED:
                await self._remove(row, now)
            else:
                await self.revoke(row, now)

    async def _rows_now(self) -> list[LeaseRow]:
        rows = [row async for row in self._rows.all()]
        self._silence.see(row.record for row in rows)
        return rows

    def is_silent(self, row: LeaseRow) -> bool:
        """Return whether *row* was seen unchanged for so long that it may be revoked."""
        return self._silence.seconds(row.id) >= self.timing.watch

    def changes(self, row: LeaseRow) -> int:
        """Return how often *row* was seen changed since it was first seen."""
        return self._silence.changes(row.id)

    async def revoke(self, row: LeaseRow, control: Control | None) -> bool:
        """End the lease of a silent process, if it still is silent; return whether it was ended."""
        lapsed = await self._rows.change(row, row.state.model_copy(update={"state": LAPSED}))
        # It has written since: only a row that was revoked counts as gone (L5).
        if lapsed is None:
            return False
        self.revoked.append(row.state.process)
        await self._remove(lapsed, control)
        return True

    async def _remove(self, row: LeaseRow, control: Control | None) -> None:
        """Note that the last writes of the gone process may be missing in the other store, and delete its row."""
        # J4: the entry first, as a commit waits for the row or for the entry.
        if control is not None and self._is_mirrored(control):
            await self._journal.note_writer(row.id)
        await self._rows.forget(row.record)
        await self._rows.purge()

    def _is_mirrored(self, control: Control) -> bool:
        """Whether another store must hear of what is written to this one, or may have to by now."""
        routes: list[Route | Target] = [*control.routes.values()]
        if control.move is not None:
            routes.append(control.move.target)
        return any(route.primary == self._name and route.secondary is not None for route in routes)


class Sweep:
    """Clears the rows of dead processes away now and then, so that they do not pile up where nobody hands over.

    Args:
        watch: Over the leases of one store.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._swept_at = watch.monotonic()

    async def now_and_then(self, control: Callable[[], Awaitable[Control | None]]) -> None:
        """Sweep if it is time; see `Watch.sweep`."""
        now = self._watch.monotonic()
        if now - self._swept_at >= self._watch.timing.sweep:
            self._swept_at = now
            await self._watch.sweep(control)
