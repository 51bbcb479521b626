"""`RunPublisher`: from what happened to runs to messages on their way to those who watch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from typing_extensions import override

from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.publishing import Publisher
from bifrost_store.core.record import Record
from bifrost_store.documents import Execution
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.realtime.groups import run_group, runs_group
from bifrost_store.realtime.messages import messages_of, status_message
from bifrost_store.realtime.outbox import Outbox
from bifrost_store.realtime.telemetry import RealtimeTelemetry
from bifrost_store.signalr import Sender

_MOST_HANDED_OVER: Final = 1_000
"""Documents that a flusher has handed over and this event loop has not taken yet."""
_OLD: Final = timedelta(hours=1)
"""What is older is history: a feed that is read from its beginning, a copy of old records."""


class RunPublisher(Publisher):
    """Tells those who watch runs of what happens to them. Made on the event loop that sends.

    Give it to `open_store` as ``publisher``: what recordings of that process store is then told of at once. Whatever is not told
    of, watchers read.

    Args:
        sender: Sends: a hub of this process, or Azure SignalR Service.
        is_watched: Tells whether anybody is in a group; None: that cannot be known.
        clock: Tells the time.
        telemetry: Hears of it.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        is_watched: Callable[[str], bool] | None = None,
        clock: Clock = utc_now,
        telemetry: RealtimeTelemetry | None = None,
    ) -> None:
        self._telemetry = telemetry or RealtimeTelemetry()
        self._outbox = Outbox(sender, telemetry=self._telemetry)
        self._is_watched = is_watched or (lambda group: True)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._handed_over = 0

    @override
    def publish(self, documents: Sequence[DataDocument]) -> None:
        with self._lock:
            is_full = self._handed_over + len(documents) > _MOST_HANDED_OVER
            self._handed_over += 0 if is_full else len(documents)
        if is_full:
            self._telemetry.dropped(len(documents), "backlog")
            return
        try:
            self._loop.call_soon_threadsafe(self._take, documents)
        except RuntimeError:
            self._telemetry.dropped(len(documents), "stopped")

    def _take(self, documents: Sequence[DataDocument]) -> None:
        with self._lock:
            self._handed_over -= len(documents)
        self.tell_of_data(documents)

    def tell_of_data(self, documents: Sequence[DataDocument]) -> None:
        """Tell of documents of execution data, but for those that are old. On the event loop that sends."""
        for document in documents:
            if document.type == "payload":
                continue
            if self._is_old(document.timestamp):
                self._telemetry.dropped(1, "too_old")
                continue
            for details in (False, True):
                group = run_group(document.run.scope, document.run.execution_id, details=details)
                if self._is_watched(group):
                    self._outbox.add(group, messages_of(document, details=details))

    def tell_of_run(self, record: Record) -> None:
        """Tell where a run stands, unless it ended long ago. On the event loop that sends."""
        scope, execution_id = record.key.scope, record.key.id
        groups = [run_group(scope, execution_id, details=details) for details in (False, True)] + [runs_group(scope, None)]
        try:
            if not record.is_tombstone:
                run = Execution.from_record(record)
                if run.status.is_final and self._is_old(run.completed_at or run.started_at):
                    self._telemetry.dropped(1, "too_old")
                    return
                groups.append(runs_group(scope, run.executed_by))
            told = status_message(record)
        except CorruptDocumentError:
            self._telemetry.dropped(1, CorruptDocumentError.__name__)
            return
        for group in groups:
            if self._is_watched(group):
                self._outbox.add(group, [told])

    async def sent(self) -> None:
        """Wait until nothing is on its way any more: it was sent, or dropped."""
        await self._outbox.empty()

    async def aclose(self) -> None:
        """Drop what is on its way, and stop."""
        await self._outbox.aclose()

    def _is_old(self, moment: datetime) -> bool:
        return self._clock() - moment > _OLD
