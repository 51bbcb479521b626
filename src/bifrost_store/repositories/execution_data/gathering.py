"""What a run left, put together for those who read it whole: `complete`, `load_logs` and their like."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.events import log_event
from bifrost_store.core.execution_data import Run
from bifrost_store.core.record import Key, Record
from bifrost_store.errors import BackendError, CorruptDocumentError
from bifrost_store.repositories.execution_data.cursors import Position
from bifrost_store.repositories.execution_data.items import LeftByRun, left_by, merged
from bifrost_store.repositories.execution_data.places import FindPlace, OwnItems, Recorder, run_of
from bifrost_store.repositories.execution_data.reading import Reader
from bifrost_store.repository_protocols.execution_data import Item

Leave = Callable[[Key, Sequence[OwnItems]], Awaitable[bool]]
"""Writes what a run has left to where those look who know no execution data; returns whether it need not be kept here any more."""

_PAGE: Final = 500
_logger = logging.getLogger("bifrost_store.executions")


@dataclass(frozen=True, slots=True)
class Ending:
    """A run that is about to end, and what this process has kept of it."""

    record: Record
    own: Sequence[OwnItems]


class Gathering:
    """Gathers what runs left, from execution data and from the recordings of this process.

    Args:
        backend: Holds the runs.
        place: Tells where a scope's execution data is.
        recorder: Records runs in this process; None: nobody does.
    """

    def __init__(self, backend: Backend, place: FindPlace, recorder: Recorder | None) -> None:
        self._backend = backend
        self._place = place
        self._recorder = recorder

    async def before_end(self, key: Key, known: Record | None) -> Ending | None:
        """Wait, but not long, for this process's recordings of a run that is about to end.

        None where nothing need be saved with the run, as every store of its route keeps execution data.
        """
        place = await self._place(key.scope)
        is_known = self._recorder is not None and self._recorder.knows(key)
        if not is_known and (place.data is None or place.is_complete):
            return None
        record = known or await self._backend.get(key)
        if record is None:
            return None
        own = await self._recorder.settle(run_of(record)) if self._recorder is not None and is_known else []
        return Ending(record, own) if own or not place.is_complete else None

    async def all_of(self, record: Record, own: Sequence[OwnItems]) -> LeftByRun:
        """Return everything that a run has left so far: what this process has kept, and what else is stored and can be read.

        A store that is away, or one document that is damaged, keeps no run from ending.
        """
        place = await self._place(record.key.scope)
        kept_here = {one.recording for one in own if one.store is not None and one.store == place.store}
        stored: list[Item] = []
        try:
            stored = [] if place.data is None else (await _all_items(place.data, run_of(record)))[0]
        except BackendError as error:
            name = type(error).__name__
            log_event(_logger, logging.WARNING, "recording.not_gathered", error, run=record.key.id, error=name)
        return left_by(merged([item for item in stored if item.recording not in kept_here], *(one.items for one in own)))

    async def stored(self, record: Record) -> LeftByRun:
        """Return everything that is stored of what a run left.

        Raises:
            CorruptDocumentError: A part of it cannot be read.
        """
        place = await self._place(record.key.scope)
        if place.data is None:
            return LeftByRun()
        items, unreadable = await _all_items(place.data, run_of(record))
        if unreadable:
            raise unreadable[0]
        return left_by(items)

    def forget(self, record: Record) -> None:
        """Let go of what this process has kept of a run that has ended."""
        if self._recorder is not None:
            self._recorder.forget(run_of(record))


async def _all_items(data: ExecutionData, run: Run) -> tuple[list[Item], list[CorruptDocumentError]]:
    items: list[Item] = []
    unreadable: list[CorruptDocumentError] = []
    position: Position = {}
    while True:
        stretch = await Reader(data, run, lambda item: True, limit=_PAGE).forward(position)
        items += stretch.items
        unreadable += stretch.unreadable
        position = stretch.after
        if stretch.is_last:
            return items, unreadable
