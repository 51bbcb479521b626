"""Pays what the journal says is owed: makes the secondary equal to the primary, key by key, and for writers that are gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.record import Key
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.core.version import writer_of
from bifrost_store.errors import BackendError, OutcomeUnknownError, StoreError
from bifrost_store.wrappers.journal import Entry, Journal
from bifrost_store.wrappers.reconcile import Reconciled, reconcile
from bifrost_store.wrappers.tally import Tally

_AT_ONCE: Final = 64
_logger = logging.getLogger("bifrost_store.journal")


@dataclass(slots=True)
class RepairPass:
    """What one pass over the journal did.

    Attributes:
        paid: Entries that are gone.
        left: Entries that remain: rewritten meanwhile, or their records keep changing, or they failed.
        failed: Of those, how many could not be tried: a store did not answer.
        checked: Records compared for writers that are gone.
    """

    paid: int = 0
    left: int = 0
    failed: int = 0
    checked: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every entry that was met is gone."""
        return self.left == 0


class JournalRepair:
    """Goes through the journal of a primary. Safe to run in several processes at once, and beside writers.

    Args:
        primary, secondary: As the route has them; the journal is the primary's.
        journal: What is owed.
        clock: Decides what has expired.
        epoch_of: Epoch of the route of a scope; entries for records of a later one are left.
        is_ours: Whether the route of a scope still is this primary and this secondary; entries of other scopes are left.
        tally: Counts ``paid``, ``left``, and what was done to records.
    """

    def __init__(
        self,
        primary: Backend,
        secondary: Backend,
        journal: Journal,
        *,
        clock: Clock = utc_now,
        epoch_of: Callable[[Scope], int] = lambda scope: 0,
        is_ours: Callable[[Scope], bool] = lambda scope: True,
        tally: Tally | None = None,
    ) -> None:
        self._primary = primary
        self._secondary = secondary
        self._journal = journal
        self._clock = clock
        self._epoch_of = epoch_of
        self._is_ours = is_ours
        self.tally = tally or Tally("journal")

    async def run_once(self) -> RepairPass:
        """Try each entry once.

        Raises:
            StoreError: The journal itself could not be read.
        """
        done = RepairPass()
        gone: list[Entry] = []
        chunk: list[Entry] = []
        async for entry in self._journal.entries():
            if entry.key is None:
                gone.append(entry)
            elif self._is_ours(entry.key.scope):
                chunk.append(entry)
            if len(chunk) == _AT_ONCE:
                await self._pay_all(chunk, done)
                chunk = []
        await self._pay_all(chunk, done)
        if gone:
            await self._pay_writers(gone, done)
        if done.paid:
            await self._journal.purge()
        return done

    async def run(self, pause_seconds: float = 5.0, *, before: Callable[[], Awaitable[None]] | None = None) -> None:
        """Go through the journal again and again, until cancelled. *before* comes first each time: `Mirror.settle_owed`."""
        while True:
            try:
                if before is not None:
                    await before()
                done = await self.run_once()
                if done.paid or done.left:
                    _logger.info("journal.pass", extra={"paid": done.paid, "left": done.left, "failed": done.failed})
            except StoreError as error:
                _logger.warning("journal.unreadable", extra={"error": type(error).__name__})
            await anyio.sleep(pause_seconds)

    async def _pay_all(self, entries: Sequence[Entry], done: RepairPass) -> None:
        if done.failed:
            # A store that did not answer is left alone until the next pass.
            done.left += len(entries)
            return
        await for_each(partial(self._pay, done=done), entries)

    async def _pay(self, entry: Entry, done: RepairPass) -> None:
        assert entry.key is not None
        is_equal = await self._reconcile(entry.key, done)
        if is_equal and await self._remove(entry, done):
            done.paid += 1
            self.tally.note("paid")
        else:
            done.left += 1
            self.tally.note("left")

    async def _reconcile(self, key: Key, done: RepairPass) -> bool:
        """Return whether the secondary was seen to be, or made, equal."""
        try:
            epoch = self._epoch_of(key.scope)
            outcome = await reconcile(self._primary, self._secondary, key, epoch=epoch, clock=self._clock)
        except StoreError as error:
            done.failed += isinstance(error, BackendError | OutcomeUnknownError)
            self.tally.note(type(error).__name__)
            _logger.warning("journal.not_paid", extra={"kind": key.kind, "scope": str(key.scope), "error": type(error).__name__})
            return False
        self.tally.note(outcome.value)
        return outcome is not Reconciled.LEFT

    async def _remove(self, entry: Entry, done: RepairPass) -> bool:
        try:
            return await self._journal.remove(entry)
        except StoreError:
            done.failed += 1
            return False

    async def _pay_writers(self, entries: Sequence[Entry], done: RepairPass) -> None:
        """Compare every record whose last write was by one of the writers that are gone: one scan for all of them."""
        writers = {entry.writer for entry in entries}
        is_equal = done.failed == 0
        if is_equal:
            async for page in self._primary.scan():
                suspects = [one.key for one in page.records if writer_of(one.version) in writers and self._is_ours(one.key.scope)]
                done.checked += len(suspects)
                is_equal = all(await for_each(partial(self._reconcile, done=done), suspects)) and is_equal
                if done.failed:
                    break
        for entry in entries:
            if is_equal and await self._remove(entry, done):
                done.paid += 1
            else:
                done.left += 1
