"""A feed lease in the hands of its owner: written by compare-and-set, and let go of in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import anyio

from bifrost_store.changefeed.leases import FeedLease, FeedLeaseRow, FeedLeases
from bifrost_store.changefeed.timing import FeedTiming
from bifrost_store.errors import BackendError, BackendUnavailableError

_ATTEMPTS: Final = 5
_RETRY_SECONDS: Final = 1.0


class FeedLeaseLostError(Exception):
    """Another process follows the range by now, or may: what this one still does there is not to count."""


class HeldLease:
    """A lease that this process owns. One write at a time: a renewal and a position never race each other.

    Args:
        row: As it was acquired.
        leases: Where it is stored.
        timing: Of the processor.
        monotonic: Seconds of this process's clock.

    Attributes:
        row: As it was written last.
        notes: What the next write tells beside its own changes.
    """

    def __init__(self, row: FeedLeaseRow, leases: FeedLeases, timing: FeedTiming, monotonic: Callable[[], float]) -> None:
        self.row = row
        self.notes: dict[str, Any] = {}
        self._leases = leases
        self._timing = timing
        self._monotonic = monotonic
        self._lock = anyio.Lock()
        self._written_at = monotonic()

    @property
    def state(self) -> FeedLease:
        """What it says."""
        return self.row.state

    @property
    def is_wanted(self) -> bool:
        """Another process has fewer ranges and waits for this one."""
        return self.state.wanted_by not in (None, self.state.owner)

    async def write(self, **changes: Any) -> None:
        """Write *changes*, and with them that the owner lives; what fails is tried again while the lease is good.

        Raises:
            FeedLeaseLostError: It is another's, or was not written for so long that it may be.
        """
        async with self._lock:
            left = self._written_at + self._timing.expire - self._monotonic()
            with anyio.move_on_after(max(0.0, left)):
                while True:
                    try:
                        await self._write(changes)
                        return
                    except BackendError as error:
                        if not error.is_retryable:
                            raise
                        await anyio.sleep(min(error.retry_after_seconds or _RETRY_SECONDS, self._timing.look))
        raise FeedLeaseLostError

    async def _write(self, changes: dict[str, Any]) -> None:
        owner = self.state.owner
        for _ in range(_ATTEMPTS):
            sent_at = self._monotonic()
            changed = await self._leases.change(self.row, self.state.changed({**self.notes, **changes}))
            if changed is not None:
                self.row, self._written_at = changed, sent_at
                return
            found = await self._leases.read(self.row.id)
            if found is None or found.state.owner != owner:
                raise FeedLeaseLostError
            # Somebody who wants the range has written beside the owner, or this is the owner's write whose answer was lost.
            self.row = found
        raise BackendUnavailableError("the feed lease keeps changing; try again")

    async def renew(self) -> None:
        """Wait until nothing was written for long enough, then write.

        Raises:
            FeedLeaseLostError: As `write`.
        """
        while (left := self._written_at + self._timing.look - self._monotonic()) > 0:  # noqa: ASYNC110 - a clock is waited for
            await anyio.sleep(left)
        await self.write()

    async def release(self) -> None:
        """Pass the lease on to whoever wants it, else to anybody."""
        successor = self.state.wanted_by if self.is_wanted else None
        await self.write(owner=successor, process=None, wanted_by=None)
