"""One recording as the flusher sees it: its spool, and how far its items are stored."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from bifrost_store.core.events import log_event
from bifrost_store.core.execution_data import DataDocument, recordings_from
from bifrost_store.core.publishing import Publisher
from bifrost_store.core.record import Expiry
from bifrost_store.errors import (
    BackendError,
    DocumentExistsError,
    DocumentTooLargeError,
    InvalidRequestError,
    StoreError,
)
from bifrost_store.recording.lanes import Lane
from bifrost_store.recording.run_recording import RunRecording
from bifrost_store.recording.segments import (
    MOST_DOCUMENTS,
    MOST_FLUSH_BYTES,
    MOST_LINES,
    Ordinal,
    end_of,
    entry_of,
    flush_of,
    load_entry,
    notice,
)
from bifrost_store.recording.spool import Spool
from bifrost_store.recording.telemetry import RecordingTelemetry
from bifrost_store.repository_protocols.execution_data import Level

_SHORT_PAUSE, _LONG_PAUSE, _LONGEST_PAUSE = 0.025, 0.05, 1.0
"""Seconds between the beginnings of two flushes: of single lines, of several, and while the store is slow."""
_FEW: Final = 4
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 30.0
"""Seconds before something is tried again that failed."""
_REFUSED: Final = (DocumentTooLargeError, InvalidRequestError)
"""What no further try would change."""
_logger = logging.getLogger("bifrost_store.recording")


@dataclass(frozen=True, slots=True)
class _Flight:
    """A flush that was sent, or is about to be, and the spool's entries that are in it."""

    documents: Sequence[DataDocument]
    entries: Sequence[dict[str, Any]]


class Turn:
    """One recording. For the flusher's thread alone.

    Args:
        recording: Whose items it takes.
        store: Where they go; None: they stay in the spool.
        telemetry: Hears of it.
        is_kept: The spool keeps them all the same.
        publisher: Tells others of what is stored.

    Attributes:
        news: Set whenever something was taken or is to be done.
        ordinal: Under which the items are stored, or the next is tried to be.
    """

    def __init__(
        self,
        recording: RunRecording,
        store: str | None,
        telemetry: RecordingTelemetry,
        *,
        is_kept: bool,
        publisher: Publisher | None = None,
    ) -> None:
        self.recording = recording
        self._publisher = publisher
        self.store = store
        self.is_kept = is_kept
        self._telemetry = telemetry
        self.spool = Spool(is_kept=is_kept)
        self.news = asyncio.Event()
        self.ordinal = Ordinal(0)
        self._last = 0
        self._seconds = 0.0
        self._stored = 0
        self._spooled = 0
        self._lost = self._lost_last = 0
        self._is_over = False
        self._is_urgent = False
        self._flight: _Flight | None = None
        self._most_entries = MOST_LINES * MOST_DOCUMENTS
        self._began_at = 0.0
        self._pause = 0.0
        self._failures = 0
        self._waiters: list[tuple[int, Future[bool]]] = []

    @property
    def waiting(self) -> int:
        """How many items are on their way to a store."""
        return 0 if self.store is None else len(self.spool)

    @property
    def is_done(self) -> bool:
        """Whether the recording has ended and all of it is where it goes."""
        return self._is_over and not self.waiting

    @property
    def claimed(self) -> int | None:
        """The ordinal under which items are stored; None while none are."""
        return self.ordinal.recording if self._stored else None

    def take(self) -> bool:
        """Move what the recording was given to the spool; return whether there was anything."""
        taken = self.recording.take()
        if not taken.items and not taken.dropped:
            return False
        dropped = deque(sorted(taken.dropped))
        for item in taken.items:
            while dropped and dropped[0] < item.number:
                self._lose(dropped.popleft())
            self._seconds = item.seconds
            if not self._spool(item.number, entry_of(item, self.recording.masks)):
                self.recording.dropped += 1
                self._lose(item.number)
            self._is_urgent = self._is_urgent or item.level.rank >= Level.ERROR.rank
        for number in dropped:
            self._lose(number)
        self.news.set()
        return True

    def _lose(self, number: int) -> None:
        self._telemetry.dropped(1)
        self._lost += 1
        self._lost_last = self._last = number

    def _spool(self, number: int, entry: bytes, *, is_last: bool = False) -> bool:
        """Keep an entry, and before it how many were lost since the last one; return whether there was room for all of it."""
        is_gap = self._lost and self._spooled < self._lost_last < number
        before = [notice(self._lost_last, self._seconds, self._lost)] if is_gap else []
        if not self.spool.append(*before, entry, is_last=is_last):
            return False
        self._lost = 0 if is_gap else self._lost
        self._spooled = self._last = number
        return True

    def end(self) -> None:
        """Close the recording: nothing comes any more."""
        if self._is_over:
            return
        self._is_over = self._is_urgent = True
        if self._last:
            recording, number, seconds = self.recording, self._last + 1, max(self._seconds, time.time())
            self._spool(number, end_of(number, seconds, recording.counts, recording.dropped), is_last=True)
        self._tell()

    def tell_when_stored(self, future: Future[bool], seconds: float) -> None:
        """Let *future* know whether everything taken so far is stored within *seconds*; without a store it is at once."""
        self._waiters.append((self._last, future))
        self._is_urgent = True
        self.news.set()
        self._tell()
        if not future.done():
            asyncio.get_running_loop().call_later(seconds, _give_up, future)

    def _tell(self) -> None:
        stored = self._last if self.store is None or not self.waiting else self._stored
        for number, future in self._waiters:
            if number <= stored and not future.done():
                future.set_result(True)
        self._waiters = [(number, future) for number, future in self._waiters if not future.done()]

    async def send(self, lane: Lane, expiry: Callable[[], Expiry]) -> None:
        """Store the next flush when it is time, if there is anything to store.

        Raises:
            StoreError: It was not stored, and is tried again by the next call.
        """
        if self._flight is None:
            if not self.waiting:
                self.news.clear()
                await self.news.wait()
                return
            await self._wait_until_due()
            self._flight = self._next_flight(expiry())
        self._began_at = time.monotonic()
        error = await lane.append(self._flight.documents)
        self._pause = min(max(self._pause, 2 * (time.monotonic() - self._began_at)), _LONGEST_PAUSE)
        if error is None:
            self._land(self._flight)
        elif isinstance(error, DocumentExistsError):
            await self._claim_another(lane)
        elif isinstance(error, _REFUSED):
            self._make_smaller(self._flight, error, expiry())
        else:
            raise error

    async def _wait_until_due(self) -> None:
        """Wait until enough time has passed since the last flush began, or enough has come to be worth one at once."""
        while not self._is_urgent and len(self.spool) < MOST_LINES:
            left = self._began_at + self._pause - time.monotonic()
            if left <= 0:
                return
            self.news.clear()
            try:
                async with asyncio.timeout(left):
                    await self.news.wait()
            except TimeoutError:
                return

    def _next_flight(self, expires_at: Expiry) -> _Flight:
        entries = [load_entry(data) for data in self.spool.waiting(self._most_entries, MOST_FLUSH_BYTES)]
        self._is_urgent = False
        self._pause = _SHORT_PAUSE if len(entries) < _FEW else _LONG_PAUSE
        return self._flight_of(entries, expires_at)

    def _flight_of(self, entries: Sequence[dict[str, Any]], expires_at: Expiry) -> _Flight:
        after = self._stored - self.ordinal.base
        return _Flight(flush_of(self.recording.run, self.ordinal, entries, after, expires_at), entries)

    def _land(self, flight: _Flight) -> None:
        self._stored = flight.entries[-1]["number"]
        self.spool.sent(len(flight.entries))
        self._telemetry.stored(self.store or "", len(flight.entries))
        self._publish(flight.documents)
        self._flight = None
        self._most_entries = MOST_LINES * MOST_DOCUMENTS
        if self._failures:
            log_event(_logger, logging.INFO, "recording.stores_again", run=self.recording.run.execution_id)
        self._failures = 0
        self._tell()

    def _publish(self, documents: Sequence[DataDocument]) -> None:
        try:
            if self._publisher is not None:
                self._publisher.publish(documents)
        except Exception as error:  # noqa: BLE001 - what was stored is not to be stored again for it
            log_event(_logger, logging.ERROR, "recording.not_published", error, run=self.recording.run.execution_id)

    async def _claim_another(self, lane: Lane) -> None:
        """Go on under the next ordinal that may be free: another recording of the run has this one."""
        assert self._flight is not None
        page = await lane.data.read(self.recording.run, [recordings_from(self.recording.run.scope, 0)], limit=1, backwards=True)
        highest = max((one.recording for one in page.documents), default=0)
        self.ordinal = Ordinal(max(highest, self.ordinal.recording) + 1, self._stored)
        self._flight = self._flight_of(self._flight.entries, self._flight.documents[0].expires_at)

    def _make_smaller(self, flight: _Flight, error: StoreError, expires_at: Expiry) -> None:
        """Send half of a flush that the store refuses; of a single item that it refuses, only that it was there."""
        self._most_entries = max(1, len(flight.entries) // 2)
        if len(flight.entries) > 1:
            self._flight = None
            return
        (entry,) = flight.entries
        log_event(_logger, logging.ERROR, "recording.item_refused", error, run=self.recording.run.execution_id)
        line: dict[str, Any] = {name: entry[name] for name in ("number", "timestamp")}
        line |= {"type": "log", "level": Level.ERROR.value, "message": f"an item cannot be stored ({type(error).__name__})"}
        self._flight = self._flight_of([line], expires_at)

    async def back_off(self, error: Exception) -> None:
        """Wait after a failure, longer each time, or as long as the store asks."""
        self._failures += 1
        self._telemetry.failed(self.store or "", type(error).__name__)
        asked = error.retry_after_seconds if isinstance(error, StoreError) else None
        seconds = min(_FIRST_WAIT * 2 ** min(self._failures - 1, 10), _LONGEST_WAIT)
        if self._failures == 1:
            level = logging.WARNING if isinstance(error, BackendError) else logging.ERROR
            log_event(_logger, level, "recording.waits", error, run=self.recording.run.execution_id, error=type(error).__name__)
        await asyncio.sleep(max(asked or 0.0, seconds * random.uniform(0.5, 1)))  # noqa: S311 - no secret


def _give_up(future: Future[bool]) -> None:
    if not future.done():
        future.set_result(False)
