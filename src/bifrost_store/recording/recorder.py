"""The recordings of one store in this process, from the block that opens one to what its run leaves for others."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.events import log_event
from bifrost_store.core.execution_data import MAX_RECORDINGS, Run
from bifrost_store.core.publishing import Publisher
from bifrost_store.core.record import Expiry, Key
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution
from bifrost_store.errors import DocumentNotFoundError, StoreError
from bifrost_store.recording.context import present_recording
from bifrost_store.recording.flusher import Flusher, OpenData
from bifrost_store.recording.handler import RecordingHandler
from bifrost_store.recording.masks import Masks
from bifrost_store.recording.run_recording import RunRecording
from bifrost_store.recording.segments import load_entry
from bifrost_store.recording.turns import Turn
from bifrost_store.repositories.execution_data.gathering import Leave
from bifrost_store.repositories.execution_data.items import item_of
from bifrost_store.repositories.execution_data.places import FindPlace, OwnItems, Recorder, run_of
from bifrost_store.repositories.executions.saving import target_of
from bifrost_store.repository_protocols.execution_data import Level, Recording
from bifrost_store.repository_protocols.executions import ExecutionRef

END_SECONDS: Final = 5.0
"""How long the end of a block, and `complete`, wait for a store."""
_EXIT_SECONDS: Final = 2.0
_KEPT_RUNS: Final = 100
"""Of runs whose recordings have ended and that nobody in this process completes."""
_logger = logging.getLogger("bifrost_store.recording")


class ProcessRecorder(Recorder):
    """The `Recorder` of one store.

    Args:
        backend: Holds the runs.
        place: Tells where a scope's execution data goes.
        is_on: Tells whether what runs of a scope leave goes there at all.
        open_data: Opens a store's execution data on the flusher's event loop.
        expiry: Returns when what is stored now may be removed.
        leave: Writes what a run left to where other stores' applications read it, if the run has ended.
        masked_names: What stands under a name that holds one of these is masked.
        publisher: Tells others of what is stored. A child process that was forked has none.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        place: FindPlace,
        is_on: Callable[[Scope], Awaitable[bool]],
        open_data: OpenData,
        expiry: Callable[[], Expiry],
        leave: Leave,
        masked_names: Sequence[str] = (),
        publisher: Publisher | None = None,
    ) -> None:
        self._backend = backend
        self._place = place
        self._is_on = is_on
        self._open_data = open_data
        self._expiry = expiry
        self._flusher = Flusher(open_data, expiry, publisher)
        self._leave = leave
        self._masked_names = masked_names
        self._open: dict[RunRecording, _Way] = {}
        self._kept: dict[RunRecording, None] = {}
        self._handler = RecordingHandler(self._find)
        _live.add(self)

    @override
    def recording(self, execution: Execution | ExecutionRef, *, level: Level, capture: bool) -> _Block:
        target_of(execution)
        return _Block(self, execution, level, is_captured=capture)

    async def begin(self, execution: Execution | ExecutionRef, level: Level) -> RunRecording:
        """Begin a recording."""
        key, known = target_of(execution)
        record = known or await self._backend.get(key)
        if record is None:
            raise DocumentNotFoundError(f"{key} does not exist", key=str(key))
        place = await self._place(key.scope)
        store = place.store if await self._is_on(key.scope) else None
        recording = RunRecording(run_of(record), level=level, attendant=self._flusher, masks=Masks(self._masked_names))
        way = self._open[recording] = _Way(store, is_kept=store is None or not place.is_complete)
        self._flusher.attend(recording, way.store, is_kept=way.is_kept)
        if way.is_kept:
            self._kept[recording] = None
        return recording

    async def finish(self, recording: RunRecording) -> None:
        """End a recording, and wait for it, but not long."""
        way = self._open.pop(recording)
        self._flusher.end(recording)
        if not way.is_kept:
            await recording.flush(seconds=END_SECONDS)
        else:
            await self._leave_kept(recording.run)
        self._let_go()

    async def _leave_kept(self, run: Run) -> None:
        """Write what is kept to where others look. What fails stays kept, for `complete`: the workflow is not to fail for it."""
        try:
            if await self._leave(_key_of(run), await self.settle(run)):
                self.forget(run)
        except StoreError as error:
            name = type(error).__name__
            log_event(_logger, logging.WARNING, "recording.not_left", error, run=run.execution_id, error=name)

    def capture(self) -> None:
        """See to it that what is said to `logging` comes here."""
        root = logging.getLogger()
        if self._handler not in root.handlers:
            root.addHandler(self._handler)

    @override
    def knows(self, key: Key) -> bool:
        return any(_key_of(recording.run) == key for recording in (*self._open, *self._kept))

    @override
    async def settle(self, run: Run) -> list[OwnItems]:
        recordings = [one for one in dict.fromkeys((*self._open, *self._kept)) if one.run == run]
        await asyncio.gather(*(one.flush(seconds=END_SECONDS) for one in recordings))
        own = [
            await asyncio.wrap_future(self._flusher.call(_own_items, recording))
            for recording in recordings
            if recording in self._kept
        ]
        return [one for one in own if one is not None]

    @override
    def forget(self, run: Run) -> None:
        for recording in [one for one in self._kept if one.run == run and one.is_ended]:
            del self._kept[recording]
            self._flusher.forget(recording)

    def _let_go(self) -> None:
        ended = [one for one in self._kept if one.is_ended]
        for recording in ended[: max(0, len(ended) - _KEPT_RUNS)]:
            del self._kept[recording]
            self._flusher.forget(recording)

    def _find(self, execution_id: str, scope: object) -> RunRecording | None:
        """Return the open recording of a run's id. Where two scopes have one, the caller must say which it means."""
        wanted = scope if isinstance(scope, Scope) else None
        found = {one.run: one for one in self._open if one.run.execution_id == execution_id and wanted in (None, one.run.scope)}
        return next(iter(found.values())) if len(found) == 1 else None

    async def aclose(self) -> None:
        """Store what is left, and stop."""
        _live.discard(self)
        logging.getLogger().removeHandler(self._handler)
        await asyncio.to_thread(self._close, END_SECONDS)

    def close_at_exit(self) -> None:
        """Store what is left as far as an interpreter that exits lets it."""
        self._close(_EXIT_SECONDS)

    def _close(self, seconds: float) -> None:
        left = self._flusher.close(seconds)
        if left:
            log_event(_logger, logging.ERROR, "recording.left", items=left)

    def begin_anew_in_child(self) -> None:
        """Let every recording that is open be one of this process, a child that was forked, with a flusher of its own."""
        self._flusher = Flusher(self._open_data, self._expiry)
        self._kept = {recording: None for recording, way in self._open.items() if way.is_kept}
        for recording, way in self._open.items():
            recording.begin_anew(self._flusher)
            self._flusher.attend(recording, way.store, is_kept=way.is_kept)


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a recording's items go, and whether they are kept here too."""

    store: str | None
    is_kept: bool


class _Block:
    """``async with store.execution_data.recording(run)``."""

    def __init__(self, recorder: ProcessRecorder, execution: Execution | ExecutionRef, level: Level, *, is_captured: bool) -> None:
        self._recorder = recorder
        self._execution = execution
        self._level = level
        self._is_captured = is_captured
        self._token: Token[RunRecording | None] | None = None

    async def __aenter__(self) -> Recording:
        self._recording = await self._recorder.begin(self._execution, self._level)
        if self._is_captured:
            self._recorder.capture()
            self._token = present_recording.set(self._recording)
        return self._recording

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._token is not None:
            try:
                present_recording.reset(self._token)
            except ValueError:
                present_recording.set(None)  # left in another context than it was entered in
        await self._recorder.finish(self._recording)


def _key_of(run: Run) -> Key:
    return Key(Execution.spec.kind, run.scope, run.execution_id)


def _own_items(turn: Turn | None) -> OwnItems | None:
    if turn is None:
        return None
    ordinal = turn.claimed
    # Without an ordinal yet it is the last: only ties in time show it.
    shown = MAX_RECORDINGS if ordinal is None else ordinal
    entries = map(load_entry, turn.spool.all())
    return OwnItems(turn.store, ordinal, [item for entry in entries if (item := item_of(shown, entry)) is not None])


_live: Final[weakref.WeakSet[ProcessRecorder]] = weakref.WeakSet()


def _at_exit() -> None:
    for recorder in list(_live):
        recorder.close_at_exit()


def _in_child() -> None:
    for recorder in list(_live):
        recorder.begin_anew_in_child()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
