"""The thread that takes what recordings were given and stores it: in order, at once, and for as long as that takes."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, TypeVar

from typing_extensions import override

from bifrost_store.core.events import log_event
from bifrost_store.core.publishing import Publisher
from bifrost_store.core.record import Expiry
from bifrost_store.recording.lanes import Lane, Sink
from bifrost_store.recording.run_recording import Attendant, RunRecording
from bifrost_store.recording.telemetry import RecordingTelemetry
from bifrost_store.recording.turns import Turn

T = TypeVar("T")
OpenData = Callable[[str], AbstractAsyncContextManager[Sink]]
"""Opens the execution data of a store by its name, for the event loop that it is called on."""

_TAKE_SECONDS: Final = 0.02
"""How often a recording that is written to is looked at: it wakes the flusher once, not for each line."""
_STOP_SECONDS: Final = 2.0
_logger = logging.getLogger("bifrost_store.recording")


class Flusher(Attendant):
    """Attends to the recordings of one process. Its thread starts with the first item; all methods may be called on any thread.

    Args:
        open_data: Opens a store on the flusher's own event loop: workflows often block that of the application.
        expiry: Returns when what is stored now may be removed.
        publisher: Tells others of what is stored.
    """

    def __init__(self, open_data: OpenData, expiry: Callable[[], Expiry], publisher: Publisher | None = None) -> None:
        self._open_data = open_data
        self._expiry = expiry
        self._publisher = publisher
        self._telemetry = RecordingTelemetry(self._waiting)
        self._turns: dict[RunRecording, Turn] = {}
        self._tasks: dict[Turn, asyncio.Task[None]] = {}
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[Callable[[], None]] = []
        self._is_closed = False

    def attend(self, recording: RunRecording, store: str | None, *, is_kept: bool) -> None:
        """Attend to a new recording.

        Args:
            store: Where its items go; None: nowhere, they stay in its spool.
            is_kept: Keep in the spool what was stored, too.
        """
        is_kept = is_kept or store is None
        self._turns[recording] = Turn(recording, store, self._telemetry, is_kept=is_kept, publisher=self._publisher)

    @override
    def rouse(self, recording: RunRecording) -> None:
        self._post(lambda: self._take(self._turns.get(recording)))

    @override
    def stored(self, recording: RunRecording, seconds: float) -> Future[bool]:
        future: Future[bool] = Future()

        def ask() -> None:
            turn = self._turns.get(recording)
            if turn is None:
                future.set_result(True)
                return
            self._take(turn)
            turn.tell_when_stored(future, seconds)

        if not self._post(ask):
            future.set_result(False)
        return future

    def end(self, recording: RunRecording) -> None:
        """Take what is left of a recording, and close it."""
        recording.end()

        def end() -> None:
            turn = self._turns.get(recording)
            if turn is not None:
                self._take(turn)
                turn.end()
                self._send(turn)

        self._post(end)

    def call(self, function: Callable[[Turn | None], T], recording: RunRecording) -> Future[T]:
        """Return what *function* makes of a recording's turn, on the flusher's thread; of None where it has none any more."""
        future: Future[T] = Future()

        def call() -> None:
            try:
                turn = self._turns.get(recording)
                if turn is not None:
                    self._take(turn)
                future.set_result(function(turn))
            except BaseException as error:  # noqa: BLE001 - the caller's
                future.set_exception(error)

        if not self._post(call):
            future.set_result(function(None))
        return future

    def forget(self, recording: RunRecording) -> None:
        """Let go of a recording that has ended, once all of it is stored."""

        def forget() -> None:
            turn = self._turns.get(recording)
            if turn is not None:
                turn.is_kept = False
                if turn.is_done:
                    turn.spool.close()
                    del self._turns[recording]

        self._post(forget)

    def close(self, seconds: float) -> int:
        """End every recording, store what is left as far as *seconds* suffice, and stop; return how many items were not stored."""
        for recording in list(self._turns):
            self.end(recording)
        with self._lock:
            loop, thread = self._loop, self._thread
        if thread is None:
            self._is_closed = True
            return 0
        all_done: Future[int] = Future()
        self._post(lambda: self._tell_when_done(all_done, seconds))
        try:
            left = all_done.result(seconds + _STOP_SECONDS)
        except TimeoutError:
            left = sum(len(turn.spool) for turn in list(self._turns.values()))
        with self._lock:
            self._is_closed = True
        if loop is not None or (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._stop.set)
        thread.join(_STOP_SECONDS)
        return left

    def _waiting(self) -> dict[str, int]:
        waiting = Counter[str]()
        for turn in list(self._turns.values()):
            if turn.store is not None:
                waiting[turn.store] += turn.waiting
        return dict(waiting)

    def _post(self, call: Callable[[], None]) -> bool:
        """Have *call* made on the flusher's thread; return whether it will be."""
        with self._lock:
            if self._is_closed:
                return False
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)
                return True
            self._early.append(call)
            if self._thread is None:
                context = contextvars.Context()
                run = lambda: context.run(asyncio.run, self._main())  # noqa: E731
                self._thread = threading.Thread(target=run, name="bifrost-recording", daemon=True)
                self._thread.start()
            return True

    async def _main(self) -> None:
        self._stop, self._opening = asyncio.Event(), asyncio.Lock()
        async with AsyncExitStack() as self._stack:
            with self._lock:
                self._loop = asyncio.get_running_loop()
                early, self._early = self._early, []
            for call in early:
                self._loop.call_soon(call)
            await self._stop.wait()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, turn: Turn | None) -> None:
        """Move what a recording was given to its spool, and come back soon if there was anything."""
        if turn is None:
            return
        if turn.take():
            assert self._loop is not None
            self._loop.call_later(_TAKE_SECONDS, self._take, turn)
        self._send(turn)

    def _send(self, turn: Turn) -> None:
        turn.news.set()
        if turn.store is not None and turn not in self._tasks and not turn.is_done:
            task = self._tasks[turn] = asyncio.create_task(self._serve(turn, turn.store))
            task.add_done_callback(lambda done: self._served(turn, done))

    async def _serve(self, turn: Turn, store: str) -> None:
        while not turn.is_done:
            try:
                await turn.send(await self._lane(store), self._expiry)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing of the recording may be lost for it
                await turn.back_off(error)

    async def _lane(self, store: str) -> Lane:
        async with self._opening:
            if store not in self._lanes:
                self._lanes[store] = Lane(await self._stack.enter_async_context(self._open_data(store)))
            return self._lanes[store]

    def _served(self, turn: Turn, task: asyncio.Task[None]) -> None:
        del self._tasks[turn]
        if not task.cancelled() and (error := task.exception()) is not None:
            log_event(_logger, logging.ERROR, "recording.failed", error, run=turn.recording.run.execution_id)
        if turn.is_done and not turn.is_kept:
            turn.spool.close()
            self._turns.pop(turn.recording, None)

    def _tell_when_done(self, future: Future[int], seconds: float) -> None:
        assert self._loop is not None
        give_up_at = self._loop.time() + seconds

        def look() -> None:
            left = sum(turn.waiting for turn in self._turns.values())
            if left and self._loop is not None and self._loop.time() < give_up_at:
                self._loop.call_later(_TAKE_SECONDS, look)
            else:
                future.set_result(left)

        look()
