"""Reads what runs leave while they go on, from execution data or from what was saved with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, get_args

import anyio
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.execution_data import DataType, Run
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import Execution
from bifrost_store.errors import DocumentNotFoundError, InvalidRequestError
from bifrost_store.repositories.checks import check_flag, check_limit, check_string, one_of
from bifrost_store.repositories.execution_data.cursors import Direction, Place, Position, decode_cursor, encode_cursor, is_of_saved
from bifrost_store.repositories.execution_data.items import LeftByRun, items_left
from bifrost_store.repositories.execution_data.places import FindPlace, Recorder, run_of
from bifrost_store.repositories.execution_data.reading import SEGMENT_TYPES, Keep, Reader, Stretch
from bifrost_store.repositories.executions.creation import creation_of
from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
from bifrost_store.repositories.executions.saving import key_of
from bifrost_store.repository_protocols.execution_data import (
    ExecutionItems,
    Item,
    ItemsPage,
    ItemType,
    Level,
    LogLine,
    Recording,
    State,
    Variables,
)
from bifrost_store.repository_protocols.executions import ExecutionRef

_AFTER_THE_END: Final = timedelta(seconds=30)
"""For how long a run that has ended is still followed: recordings that were killed never say that they ended."""
_FIND_LIMIT: Final = 200


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a caller asked for, checked."""

    types: frozenset[ItemType]
    least: Level
    text: str | None = None
    in_tracebacks: bool = True

    @property
    def data_types(self) -> Sequence[DataType]:
        return [kind for kind in SEGMENT_TYPES if kind in self.types]

    def keeps(self, item: Item) -> bool:
        match item:
            case LogLine():
                return "log" in self.types and item.level.rank >= self.least.rank and self._has_text(item)
            case Variables():
                return "variables" in self.types
            case State():
                return "state" in self.types

    def _has_text(self, line: LogLine) -> bool:
        parts = (line.message, line.logger, line.traceback if self.in_tracebacks else None)
        return self.text is None or any(self.text in part.casefold() for part in parts if part is not None)


class ExecutionItemsRepository(ExecutionItems):
    """The `ExecutionItems` of a store.

    Args:
        place: Tells where a scope's execution data is.
        payloads: Reads what was saved with runs.
        recorder: Records; None where nobody can.
    """

    def __init__(
        self, backend: Backend, *, clock: Clock, place: FindPlace, payloads: PayloadBlobs, recorder: Recorder | None = None
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._place = place
        self._payloads = payloads
        self._recorder = recorder

    @override
    def recording(
        self, execution: Execution | ExecutionRef, *, level: Level | str = Level.DEBUG, capture: bool = True
    ) -> AbstractAsyncContextManager[Recording]:
        level = one_of(Level, level, "level")
        check_flag(capture, "capture")
        if self._recorder is None:
            raise InvalidRequestError("recording: these repositories record nothing; open the store by open_store")
        return self._recorder.recording(execution, level=level, capture=capture)

    @override
    async def items(
        self,
        scope: Scope,
        execution_id: str,
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int = 100,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
    ) -> ItemsPage:
        check_limit(limit)
        if after is not None and before is not None:
            raise InvalidRequestError("after and before: give one of them")
        wanted = _wanted(types, level)
        record = await self._record(scope, execution_id, fallback=fallback)
        return await self._page(record, wanted, limit, after=after, before=before)

    @override
    async def last(
        self,
        scope: Scope,
        execution_id: str,
        *,
        limit: int = 100,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
    ) -> ItemsPage:
        check_limit(limit)
        wanted = _wanted(types, level)
        record = await self._record(scope, execution_id, fallback=fallback)
        return await self._page(record, wanted, limit, is_from_end=True)

    @override
    async def find(
        self,
        scope: Scope,
        execution_id: str,
        text: str,
        *,
        after: str | None = None,
        limit: int = 100,
        level: Level | str | None = None,
        in_tracebacks: bool = True,
        fallback: bool = True,
    ) -> ItemsPage:
        check_limit(limit)
        check_string(text, "text")
        if not 1 <= len(text) <= _FIND_LIMIT:
            raise InvalidRequestError(f"text: must have 1 to {_FIND_LIMIT} characters")
        check_flag(in_tracebacks, "in_tracebacks")
        wanted = replace(_wanted(["log"], level), text=text.casefold(), in_tracebacks=in_tracebacks)
        record = await self._record(scope, execution_id, fallback=fallback)
        return await self._page(record, wanted, limit, after=after)

    @override
    async def variables(
        self, scope: Scope, execution_id: str, *, count: int | None = None, fallback: bool = True
    ) -> Variables | None:
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise InvalidRequestError("count: must be a whole number from 1")
        record = await self._record(scope, execution_id, fallback=fallback)
        wanted, cursor = _wanted(["variables"], None), None
        while True:
            page = await self._page(record, wanted, 1 if count is None else 50, before=cursor, is_from_end=cursor is None)
            for item in reversed(page):
                if isinstance(item, Variables) and count in (None, item.count):
                    return item
            if page.before is None:
                return None
            cursor = page.before

    @override
    async def follow(
        self,
        scope: Scope,
        execution_id: str,
        *,
        after: str | None = None,
        types: Collection[ItemType] | None = None,
        level: Level | str | None = None,
        fallback: bool = True,
        poll_seconds: float = 0.5,
    ) -> AsyncIterator[ItemsPage]:
        wanted = _wanted(types, level)
        record = await self._record(scope, execution_id, fallback=fallback)
        while True:
            # First the record, then the items: of a run that had ended by then, all items are there to be found.
            ended_at = _ended_at(record)
            page, is_ended = await self._page_and_end(record, wanted, after)
            if page.items or page.unreadable:
                yield page
            after = page.after
            if page.is_last:
                if ended_at is not None and (is_ended or self._clock() >= ended_at + _AFTER_THE_END):
                    return
                await anyio.sleep(poll_seconds)
                found = await self._backend.get(record.key)
                if found is None or creation_of(found) != creation_of(record):
                    return
                record = found

    async def _record(self, scope: Scope, execution_id: str, *, fallback: bool) -> Record:
        key = key_of(scope, execution_id)
        record = await self._backend.get(key, fallback=GLOBAL if fallback and scope != GLOBAL else None)
        if record is None:
            raise DocumentNotFoundError(f"{key} does not exist", key=str(key))
        return record

    async def _page(
        self,
        record: Record,
        wanted: _Wanted,
        limit: int,
        *,
        after: str | None = None,
        before: str | None = None,
        is_from_end: bool = False,
    ) -> ItemsPage:
        run = run_of(record)
        position = _given(run, after=after, before=before)
        is_backwards = before is not None or is_from_end
        place = await self._place(record.key.scope)
        stretch = None
        if place.data is not None and not is_of_saved(position):
            reader = Reader(place.data, run, wanted.keeps, types=wanted.data_types, limit=limit)
            stretch = await (reader.backward(None if is_from_end else position) if is_backwards else reader.forward(position))
        is_live = _ended_at(record) is None and place.data is not None
        if stretch is None or (not is_live and _is_empty(stretch)):
            saved = await self._saved(record)
            if stretch is None or saved:
                stretch = _slice(saved, wanted.keeps, limit, position, is_backwards=is_backwards)
        return _shown(run, stretch, is_live=is_live)

    async def _page_and_end(self, record: Record, wanted: _Wanted, after: str | None) -> tuple[ItemsPage, bool]:
        """Return the next page of a run that is followed, and whether all of its recordings have ended."""
        run = run_of(record)
        place = await self._place(record.key.scope)
        position = _given(run, after=after, before=None)
        if place.data is None or is_of_saved(position):
            page = await self._page(record, wanted, 500, after=after)
            return page, True
        reader = Reader(place.data, run, wanted.keeps, limit=500)
        stretch = await reader.forward(position)
        if _ended_at(record) is not None and not stretch.after:
            return await self._page(record, wanted, 500, after=after), True
        return _shown(run, stretch, is_live=_ended_at(record) is None), stretch.is_ended

    async def _saved(self, record: Record) -> list[Item]:
        """Return what was saved with a run that has ended, as items."""
        ended_at = _ended_at(record)
        if ended_at is None:
            return []
        logs, variables, snapshot = [await self._payloads.load(record, name) for name in ("logs", "variables", "snapshot")]
        return items_left(LeftByRun(logs, variables, snapshot), ended_at)


def _ended_at(record: Record) -> datetime | None:
    execution = Execution.from_record(record)
    return (execution.completed_at or execution.started_at) if execution.status.is_final else None


def _wanted(types: Collection[ItemType] | None, level: Level | str | None) -> _Wanted:
    known: tuple[ItemType, ...] = get_args(ItemType)
    if types is not None and (isinstance(types, str) or not types or not set(types) <= set(known)):
        raise InvalidRequestError(f"types: must be one or more of {', '.join(known)}")
    least = Level.DEBUG if level is None else one_of(Level, level, "level")
    return _Wanted(frozenset(known if types is None else types), least)


def _given(run: Run, *, after: str | None, before: str | None) -> Position:
    if before is not None:
        return decode_cursor(run, "before", before)
    return {} if after is None else decode_cursor(run, "after", after)


def _is_empty(stretch: Stretch) -> bool:
    """Return whether nothing was ever recorded, as far as that can be seen from here."""
    return not (stretch.after or stretch.before or stretch.unreadable)


def _slice(items: Sequence[Item], keep: Keep, limit: int, position: Position, *, is_backwards: bool) -> Stretch:
    """Return a stretch of saved items, which are one recording, numbered from 1 without gaps."""
    end = len(items)
    place = position.get(0)
    if is_backwards:
        high = end + 1 if place is None else min(place.number, end + 1)
        taken: list[Item] = []
        low = high
        while low > 1 and len(taken) < limit:
            low -= 1
            taken += [items[low - 1]] if keep(items[low - 1]) else []
        return _saved_stretch(taken[::-1], low, high - 1, end)
    low = 0 if place is None else min(place.number, end)
    high, taken = low, []
    while high < end and len(taken) < limit:
        high += 1
        taken += [items[high - 1]] if keep(items[high - 1]) else []
    return _saved_stretch(taken, low + 1, high, end)


def _saved_stretch(items: list[Item], low: int, high: int, end: int) -> Stretch:
    before, after = {0: Place(low, 0)}, {0: Place(high, 0)}
    return Stretch(items, before, after, low <= 1, high >= end, is_ended=True, unreadable=[], ended={0: 0})


def _shown(run: Run, stretch: Stretch, *, is_live: bool) -> ItemsPage:
    directions: tuple[tuple[Direction, Position], ...] = (("after", stretch.after), ("before", stretch.before))
    after, before = (encode_cursor(run, direction, position) for direction, position in directions)
    return ItemsPage(
        tuple(stretch.items),
        after,
        None if stretch.is_first else before,
        stretch.is_last,
        is_live,
        tuple(stretch.unreadable),
        {recording: place.number for recording, place in stretch.after.items()},
        stretch.ended,
    )
