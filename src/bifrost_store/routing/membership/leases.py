"""This process's lease in one store. Rules L1 to L4 of the hand-over protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.version import new_writer
from bifrost_store.errors import BackendUnavailableError, CorruptDocumentError, OutcomeUnknownError
from bifrost_store.routing.copies import ControlCopies, Copy, Lack
from bifrost_store.routing.membership.lease_rows import LeaseRow, LeaseRows, LeaseState
from bifrost_store.routing.timing import Timing


class Lease:
    """Lets a process serve from one store, for a while. It is joined when it is first renewed, and again whenever it was lost.

    Args:
        store: Name of the store.
        backend: That store, addressed directly.
        copies: The control documents; read after every renewal, and known only under it.
        process: Host, process id and start: for people.
        monotonic: Seconds of a clock that runs on while the machine sleeps.
        timing: Of all processes of the migration.
        told: Is told the documents whenever they were read, what stores lack, and the name of this one.

    Attributes:
        seen: The control documents as last read under this lease, by store.
    """

    def __init__(
        self,
        store: str,
        backend: Backend,
        copies: ControlCopies,
        *,
        process: str,
        monotonic: Callable[[], float],
        timing: Timing,
        told: Callable[[Mapping[str, Copy], Mapping[str, Lack], str], None],
    ) -> None:
        self.store = store
        self.seen: Mapping[str, Copy] = {}
        self._rows = LeaseRows(backend)
        self._copies = copies
        self._fresh = LeaseState(process=process)
        self._monotonic = monotonic
        self._timing = timing
        self._told = told
        self._row: LeaseRow | None = None
        self._had_copy = False
        self._ends_at = self._renewed_at = self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def id(self) -> str | None:
        """Of the lease as it is now; None before the first, and while it is lost."""
        return None if self._row is None else self._row.id

    @property
    def is_live(self) -> bool:
        """Whether the process may serve from the store."""
        return self._row is not None and self._monotonic() < self._ends_at

    @property
    def is_due(self) -> bool:
        """Whether it should be renewed, or joined."""
        return not self.is_live or self._monotonic() - self._renewed_at >= self._timing.renew

    @property
    def state(self) -> LeaseState:
        """What the row says."""
        return self._fresh if self._row is None else self._row.state

    async def renew(self, *, flag: str | None = None, problem: str | None = None) -> None:
        """Join or renew, then read the control documents; only when both are done the lease counts.

        Nothing is done if by the time that others who renew it have ended it is not due any more.

        Args:
            flag, problem: What the row is to say of them.

        Raises:
            StoreError: A store does not answer; the lease stays as it is.
        """
        async with self._lock:
            if not self.is_due:
                return
            # L2: from before it is sent, as whoever watches the row counts from after it was read (L5).
            began = self._monotonic()
            if not await self._write(beat=self.state.beat + 1, flag=flag, problem=problem):
                # L3: what began under the lost lease must not be acknowledged under the next one.
                self._ends_at = float("-inf")
                fresh = self._fresh.model_copy(update={"flag": flag, "problem": problem, "seen_at": utc_now()})
                self._row = await self._created(fresh)
            await self._look()
            self._had_copy = self._had_copy or self.store in self.seen
            # L2: a store that was emptied under its processes looks like one before a migration.
            if self._had_copy and self.store not in self.seen:
                lack = self._copies.lack_of(self.store) or f"{self.store} did not show its control document"
                raise BackendUnavailableError(f"{lack}; see `bifrost-store migrate status`, then try again", backend=self.store)
            self._ends_at, self._renewed_at = began + self._timing.lease, began

    async def look(self) -> None:
        """Read the control documents between renewals, unless somebody has begun to since this was asked for."""
        asked_at = self._monotonic()
        async with self._lock:
            if self._read_at < asked_at:
                await self._look()

    async def say(self, **changes: Any) -> bool:
        """Change what the row says; return False if the lease was lost."""
        async with self._lock:
            return await self._write(beat=self.state.beat + 1, **changes)

    async def leave(self) -> None:
        """Delete the row. Only when everything is drained and nothing is pending."""
        async with self._lock:
            row, self._row = self._row, None
            if row is not None:
                await self._rows.forget(row.record)
                await self._rows.purge()

    async def _created(self, state: LeaseState) -> LeaseRow:
        try:
            return await self._rows.create(new_writer(), state)
        except OutcomeUnknownError as error:  # a row that may be there is nobody's, and is revoked like any other
            raise BackendUnavailableError("a lease could not be written; try again", backend=error.backend) from error

    async def _look(self) -> None:
        began = self._monotonic()
        self.seen = await self._copies.look(own=self.store)
        self._told(self.seen, self._copies.lacks, self.store)
        self._read_at = began

    async def _write(self, **changes: Any) -> bool:
        if self._row is None:
            return False
        wanted = self._row.state.model_copy(update={**changes, "seen_at": utc_now()})
        row = await self._rows.change(self._row, wanted)
        if row is None:
            # An answer was lost, the lease was revoked, or its row was damaged.
            with suppress(CorruptDocumentError):
                row = await self._rows.read(self._row.id)
        self._row = row if row is not None and row.state == wanted else None
        return self._row is not None
