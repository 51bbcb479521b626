"""Repairs what the journal names: makes the secondary equal to the primary, key by key, and for writers that are gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.events import log_event
from bifrost_store.core.record import Key
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.core.version import Version, writer_of
from bifrost_store.errors import (
    BackendError,
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StaleRouteError,
    StoreError,
)
from bifrost_store.mirroring.journal import UNSETTLED, Entry, Journal, UnreadableEntry
from bifrost_store.mirroring.reconcile import Reconciled, reconcile
from bifrost_store.wrappers.tally import Tally

_AT_ONCE: Final = 64
_FIRST_PAUSE_SECONDS: Final = 10.0
_LONGEST_PAUSE_SECONDS: Final = 600.0
_PASSING: Final = (StaleRouteError, PreconditionFailedError, DocumentExistsError, DocumentNotFoundError)
"""The route has moved, or others write the record at this moment."""
_logger = logging.getLogger("bifrost_store.journal")


@dataclass(slots=True)
class RepairPass:
    """What one pass over the journal did.

    Attributes:
        repaired: Entries that are gone.
        left: Entries that remain: rewritten meanwhile, or their records keep changing, or they failed.
        failed: Of those, how many could not be tried: a store did not answer.
        checked: Records compared for writers that are gone.
        failing: Stores that did not answer, with what they said last.
        stuck: Entries that no repetition helps, with the reason: one store cannot take the record, or the entry cannot be read.
        lingering: Entries that stay although both stores are equal, by id: what they are about may arrive yet.
    """

    repaired: int = 0
    left: int = 0
    failed: int = 0
    checked: int = 0
    failing: dict[str, str] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)
    lingering: dict[str, Entry] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether every entry that was met is gone."""
        return self.left == 0

    def note(self, subject: object, error: Exception) -> None:
        """Take note of what kept *subject* from being repaired."""
        if isinstance(error, BackendError | OutcomeUnknownError):
            self.failed += 1
            self.failing[error.backend or "a store"] = f"{type(error).__name__}: {error}"
        elif not isinstance(error, _PASSING):
            reason = f": {error}" if isinstance(error, StoreError) else ""
            self.stuck[str(subject)] = f"{type(error).__name__}{reason}"


@dataclass(slots=True)
class _Watched:
    """An entry that a repair has met and left, in one state."""

    version: Version
    since: float
    pause: float = 0.0
    again_at: float = 0.0


class JournalRepair:
    """Goes through the journal of a primary. Safe to run in several processes at once, and beside writers.

    Args:
        primary, secondary: As the route has them; the journal is the primary's.
        journal: What is pending.
        clock: Decides what has expired.
        epoch_of: Epoch of the route of a scope; entries for records of a later one are left.
        is_ours: Whether the route of a scope still is this primary and this secondary; entries of other scopes are left.
        linger_seconds: How long the entry of a write that may yet arrive stays, though both stores are equal.
        monotonic: Seconds of a clock that only goes forward.
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
        linger_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._primary = primary
        self._secondary = secondary
        self._journal = journal
        self._clock = clock
        self._epoch_of = epoch_of
        self._is_ours = is_ours
        self._linger = linger_seconds
        self._monotonic = monotonic
        self._watched: dict[str, _Watched] = {}
        self.tally = Tally("journal")

    async def run_once(self, *, with_writers: bool = True, is_patient: bool = False) -> RepairPass:
        """Try each entry once.

        Args:
            with_writers: Compare what writers that are gone wrote last, which takes a scan; else their entries are left.
            is_patient: Leave alone for a while, ever longer, what no repetition seems to help.

        Raises:
            StoreError: The journal itself could not be read.
        """
        done = RepairPass()
        met: set[str] = set()
        gone: list[Entry] = []
        chunk: list[Entry] = []
        async for entry in self._journal.entries():
            if isinstance(entry, UnreadableEntry):
                done.left += 1
                done.note(entry, entry.error)
                continue
            met.add(entry.record.key.id)
            if is_patient and not self._is_due(entry):
                done.left += 1
            elif entry.key is None:
                gone.append(entry)
            elif self._is_ours(entry.key.scope):
                chunk.append(entry)
            if len(chunk) == _AT_ONCE:
                await self._repair_all(chunk, done)
                chunk = []
        await self._repair_all(chunk, done)
        done.left += 0 if with_writers else len(gone)
        if gone and with_writers:
            await self._repair_writers(gone, done)
        if done.repaired:
            await self._journal.purge()
        self._watched = {name: watched for name, watched in self._watched.items() if name in met}
        return done

    async def run_logged(self) -> None:
        """Go through the journal once, patiently, and say what came of it."""
        done = await self.run_once(is_patient=True)
        if done.repaired or done.left:
            extra = {"repaired": done.repaired, "left": done.left, "failed": done.failed, "stuck": len(done.stuck)}
            log_event(_logger, logging.INFO, "journal.pass", **extra)

    async def _repair_all(self, entries: Sequence[Entry], done: RepairPass) -> None:
        if done.failed:
            # A store that did not answer is left alone until the next pass.
            done.left += len(entries)
            return
        await for_each(partial(self._repair, done=done), entries)

    async def _repair(self, entry: Entry, done: RepairPass) -> None:
        assert entry.key is not None
        # J1: the entry was read before the record, and goes in that state alone: a write that fails meanwhile rewrites it.
        is_equal = await self._reconcile(entry.key, done, entry)
        if is_equal and self._may_still_change(entry):
            done.left += 1
            done.lingering[entry.record.key.id] = entry
        elif is_equal and await self._remove(entry, done):
            done.repaired += 1
            self.tally.note("repaired")
        else:
            done.left += 1
            self.tally.note("left")

    async def _reconcile(self, key: Key, done: RepairPass, entry: Entry | None = None) -> bool:
        """Return whether the secondary was seen to be, or made, equal."""
        try:
            epoch = self._epoch_of(key.scope)
            outcome = await reconcile(self._primary, self._secondary, key, epoch=epoch, clock=self._clock)
        except Exception as error:  # noqa: BLE001 - one record must not keep the others waiting
            done.note(key, error)
            self.tally.note(type(error).__name__)
            if entry is not None and str(key) in done.stuck:
                await self._postpone(entry, error, done)
            extra = {"kind": key.kind, "scope": str(key.scope), "error": type(error).__name__}
            log_event(_logger, logging.WARNING, "journal.not_repaired", **extra)
            return False
        self.tally.note(outcome.value)
        return outcome is not Reconciled.LEFT

    def _watch(self, entry: Entry) -> _Watched:
        """Return what is known of an entry in the state in which it is now."""
        name, version = entry.record.key.id, entry.record.version
        watched = self._watched.get(name)
        if watched is None or watched.version != version:
            watched = self._watched[name] = _Watched(version, self._monotonic())
        return watched

    def _may_still_change(self, entry: Entry) -> bool:
        """Return whether the write that the entry is about may arrive yet: it lingers until that is past."""
        since = self._watch(entry).since
        return entry.reason == UNSETTLED and self._monotonic() - since < self._linger

    async def _postpone(self, entry: Entry, error: Exception, done: RepairPass) -> None:
        """Leave an entry alone for twice as long as the last time, and let it say why."""
        watched = self._watch(entry)
        watched.pause = min(2 * watched.pause or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        watched.again_at = self._monotonic() + watched.pause
        try:
            watched.version = (await self._journal.note_stuck(entry, error)).record.version
        except StoreError as failure:
            done.note(entry, failure)

    def _is_due(self, entry: Entry) -> bool:
        return self._monotonic() >= self._watch(entry).again_at

    async def _remove(self, entry: Entry, done: RepairPass) -> bool:
        try:
            return await self._journal.remove(entry)
        except StoreError as error:
            done.note(entry, error)
            return False

    async def _repair_writers(self, entries: Sequence[Entry], done: RepairPass) -> None:
        """Compare every record whose last write was by one of the writers that are gone: one scan for all of them."""
        writers = {entry.writer for entry in entries}
        is_equal = done.failed == 0
        # J4: read after the entries, as a writer may have written until the moment it was revoked.
        if is_equal:
            async for page in self._primary.scan():
                suspects = [one.key for one in page.records if writer_of(one.version) in writers and self._is_ours(one.key.scope)]
                done.checked += len(suspects)
                is_equal = all(await for_each(partial(self._reconcile, done=done), suspects)) and is_equal
                if done.failed:
                    break
        for entry in entries:
            if is_equal and await self._remove(entry, done):
                done.repaired += 1
            else:
                done.left += 1
