"""Goes through the items of a run, whose recordings overlap in time: a merge of one ordered source per recording."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bifrost_store.backends.execution_data import DataPage, ExecutionData
from bifrost_store.core.execution_data import (
    MAX_ITEMS,
    DataDocument,
    DataRange,
    DataType,
    Run,
    items_after,
    recordings_from,
    segment_id,
)
from bifrost_store.core.tasks import for_each
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.repositories.execution_data.cursors import Place, Position
from bifrost_store.repositories.execution_data.items import dropped_of, items_of, shown_order
from bifrost_store.repository_protocols.execution_data import Item

Keep = Callable[[Item], bool]
"""Whether an item is wanted."""

SEGMENT_TYPES: Final[tuple[DataType, ...]] = ("log", "variables", "state")
_FEWEST, _FIRST, _MOST = 5, 20, 100
"""Documents of one request: a document holds one line of a slow run, or a hundred of a fast one. The first ones, which all that a
small run left may be among, tell."""
_MOST_READS: Final = 40
"""Requests of one call, however few items are wanted of those that are there."""


@dataclass(slots=True)
class Stretch:
    """What was read.

    Attributes:
        items: Those that were wanted, in the order shown.
        before, after: What stands before and behind it.
        is_first, is_last: Nothing does.
        is_ended: Every recording that was seen has said that it ended.
        ended: Those whose end was read, with how many of their items were dropped.
    """

    items: list[Item]
    before: Position
    after: Position
    is_first: bool
    is_last: bool
    is_ended: bool
    unreadable: list[CorruptDocumentError]
    ended: dict[int, int]


@dataclass(slots=True)
class _Source:
    """One recording.

    Attributes:
        low, high: Numbers between which, both excluded, its items are wanted.
        items: Read and not taken yet, the next one last.
        rest: Where there may be more; None: nowhere.
        firsts: Of each document read, its first and last number.
    """

    recording: int
    low: int
    high: int
    rest: DataRange | None
    items: list[Item] = field(default_factory=list[Item])
    firsts: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    is_ended: bool = False
    dropped: int = 0

    def first_of(self, number: int) -> int:
        """Return the number with which the document begins that holds item *number*, or would if there were none yet."""
        return next((first for first, last in self.firsts if first <= number <= last), number)


class Reader:
    """Reads one run, once, in one direction.

    Args:
        data: Where it is kept.
        keep: Tells which items are wanted.
        types: Of documents that can hold such.
        limit: Items wanted at most.
    """

    def __init__(
        self, data: ExecutionData, run: Run, keep: Keep, *, types: Collection[DataType] = SEGMENT_TYPES, limit: int = 100
    ) -> None:
        self._data = data
        self._run = run
        self._keep = keep
        self._types = types
        self._limit = limit
        self._size = min(max(limit // 5, _FEWEST), _FIRST)
        self._reads = 0
        self._sources: dict[int, _Source] = {}
        self._unreadable: list[CorruptDocumentError] = []

    async def forward(self, position: Position) -> Stretch:
        """Return items after *position*, the earliest first."""
        await self._open_forward(position)
        items = await self._merge(backwards=False)
        after = dict(position) | {
            recording: Place(source.low, source.first_of(source.low + 1), source.is_ended and not source.items)
            for recording, source in self._sources.items()
        }
        before = {recording: Place(place.number + 1, place.first) for recording, place in position.items()}
        before |= {recording: Place(1, 1) for recording in after.keys() - before.keys()}
        is_first = not any(place.number for place in position.values())
        is_ended = all(place.is_ended for place in after.values())
        return Stretch(items, before, after, is_first, self._is_exhausted(), is_ended, self._unreadable, self._ended())

    async def backward(self, position: Position | None) -> Stretch:
        """Return the last items before *position*, or of all, in the order shown."""
        await self._open_backward(position)
        if position is None:
            for source in self._sources.values():
                source.high = max(last for _, last in source.firsts) + 1
        ends = {recording: source.high - 1 for recording, source in self._sources.items()}
        items = await self._merge(backwards=True)
        is_whole = position is None
        after = {
            recording: Place(end, source.first_of(end + 1), is_whole and source.is_ended)
            for (recording, source), end in zip(self._sources.items(), ends.values(), strict=True)
        }
        before = {recording: Place(source.high, source.first_of(source.high)) for recording, source in self._sources.items()}
        is_first = self._is_exhausted()
        is_ended = all(place.is_ended for place in after.values())
        return Stretch(items[::-1], before, after, is_first, is_whole, is_ended, self._unreadable, self._ended())

    async def _open_forward(self, position: Position) -> None:
        active = [recording for recording, place in sorted(position.items()) if not place.is_ended]
        highest = max(position, default=-1)
        for recording in active:
            place = position[recording]
            rest = _from(self._run, recording, place.first)
            self._sources[recording] = _Source(recording, place.number, MAX_ITEMS, rest)
        if active in ([], [highest]):
            # The usual case, in one request: what follows in the latest recording, and whatever began since.
            ranges = [source.rest for source in self._sources.values() if source.rest]
            page = await self._read([*ranges, recordings_from(self._run.scope, highest + 1)])
            self._take_recordings(page, backwards=False)
            for recording in active:
                is_passed = page.is_last or (page.documents and page.documents[0].recording > recording)
                if is_passed and all(document.recording != recording for document in page.documents):
                    self._take(self._sources[recording], (), is_complete=True, backwards=False)
            if not page.is_last:
                await self._discover(max(self._sources, default=highest) + 1)
        else:
            await for_each(lambda recording: self._refill(self._sources[recording], backwards=False), active)
            await self._discover(highest + 1)

    async def _open_backward(self, position: Position | None) -> None:
        if position is not None:
            for recording, place in position.items():
                rest = DataRange(
                    recordings_from(self._run.scope, recording).ge, segment_id(self._run.scope, recording, place.number)
                )
                self._sources[recording] = _Source(recording, 0, place.number, rest)
            return
        page = await self._read([recordings_from(self._run.scope, 0)], backwards=True)
        self._take_recordings(page, backwards=True)
        while not page.is_last and (lowest := min(self._sources, default=0)) > 0:
            earlier = DataRange(recordings_from(self._run.scope, 0).ge, recordings_from(self._run.scope, lowest).ge)
            page = await self._read([earlier], backwards=True, size=1)
            self._take_recordings(page, backwards=True)

    async def _discover(self, recording: int) -> None:
        """Find every recording from *recording* on: one request each."""
        while True:
            page = await self._read([recordings_from(self._run.scope, recording)], size=1)
            if not page.documents:
                return
            self._take_recordings(page, backwards=False)
            recording = page.documents[0].recording + 1

    def _take_recordings(self, page: DataPage, *, backwards: bool) -> None:
        """Take documents of several recordings; all but the last one's are complete."""
        by_recording: dict[int, list[DataDocument]] = {}
        for document in page.documents:
            by_recording.setdefault(document.recording, []).append(document)
        for recording, documents in by_recording.items():
            source = self._sources.get(recording)
            if source is None:
                whole = items_after(self._run.scope, recording, 0)
                source = self._sources[recording] = _Source(recording, 0, MAX_ITEMS, whole)
            is_complete = page.is_last or recording != page.documents[-1].recording
            self._take(source, documents, is_complete=is_complete, backwards=backwards)

    def _take(self, source: _Source, documents: Sequence[DataDocument], *, is_complete: bool, backwards: bool) -> None:
        found: list[Item] = []
        for document in documents:
            source.firsts.append((document.first, document.last))
            if "ends" in document.body:
                source.is_ended, source.dropped = True, dropped_of(document)
            try:
                found += (item for item in items_of(document) if source.low < item.number < source.high)
            except CorruptDocumentError as error:
                self._unreadable.append(error)
        found.sort(key=shown_order, reverse=not backwards)
        source.items = found + source.items
        if is_complete:
            source.rest = None
        elif documents and source.rest is not None:
            end = segment_id(self._run.scope, source.recording, documents[-1].first if backwards else documents[-1].last + 1)
            source.rest = DataRange(source.rest.ge, end) if backwards else DataRange(end, source.rest.lt)

    async def _refill(self, source: _Source, *, backwards: bool) -> None:
        while not source.items and source.rest is not None:
            page = await self._read([source.rest], backwards=backwards)
            self._take(source, page.documents, is_complete=page.is_last, backwards=backwards)

    async def _merge(self, *, backwards: bool) -> list[Item]:
        """Take items from the sources, those first that are shown first, or last, until enough are wanted ones."""
        wanted: list[Item] = []
        self._reads = 0
        while len(wanted) < self._limit and self._reads < _MOST_READS:
            hungry = [source for source in self._sources.values() if not source.items and source.rest is not None]
            await for_each(lambda source: self._refill(source, backwards=backwards), hungry)
            full = [source for source in self._sources.values() if source.items]
            if not full:
                break
            source = (max if backwards else min)(full, key=lambda one: shown_order(one.items[-1]))
            item = source.items.pop()
            if backwards:
                source.high = item.number
            else:
                source.low = item.number
            if self._keep(item):
                wanted.append(item)
        for source in self._sources.values():
            if not backwards and not source.items and source.rest is None:
                # Behind what documents cover without holding it: items that were left out, or the end.
                source.low = max(source.low, max((last for _, last in source.firsts), default=0))
        return wanted

    async def _read(self, ranges: Iterable[DataRange], *, backwards: bool = False, size: int | None = None) -> DataPage:
        self._reads += 1
        limit = size or self._size
        page = await self._data.read(self._run, list(ranges), types=self._types, limit=limit, backwards=backwards)
        if size is None and page.documents:
            covered = sum(document.last - document.first + 1 for document in page.documents)
            self._size = min(max(2 * self._size, self._limit * len(page.documents) // covered), _MOST)
        self._unreadable += page.unreadable
        return page

    def _ended(self) -> dict[int, int]:
        return {recording: source.dropped for recording, source in self._sources.items() if source.is_ended}

    def _is_exhausted(self) -> bool:
        return not any(source.items or source.rest is not None for source in self._sources.values())


def _from(run: Run, recording: int, first: int) -> DataRange:
    """Return where the segments of a recording stand that begin with *first* or later."""
    return items_after(run.scope, recording, first - 1)
