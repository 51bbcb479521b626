"""Tells a second store what the first one stored: in the same call, for a bounded time, and never forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.events import log_event
from bifrost_store.core.operations import Apply, Result
from bifrost_store.core.record import Key, Record
from bifrost_store.core.tasks import begin
from bifrost_store.errors import (
    BackendError,
    BackendUnavailableError,
    DocumentExistsError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.mirroring.breaker import CircuitBreaker
from bifrost_store.mirroring.converge import converge
from bifrost_store.mirroring.journal import UNSETTLED, Journal
from bifrost_store.wrappers.tally import Tally

T = TypeVar("T")
Told = tuple[T, Sequence[Record]]
"""What the primary answers, and what the secondary must be told."""

_MOST_PURGES: Final = 100
MAX_WRITES: Final = 256
"""Under way at once, those included whose callers were cancelled: each holds records of up to a mebibyte in all."""
MAX_CALLS: Final = 256
"""To the secondary, those included that were given up and have not ended."""
MAX_PENDING_KEYS: Final = 10_000
"""That neither the secondary nor the journal could be told of."""
_logger = logging.getLogger("bifrost_store.dual_write")


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """Why a key waits for the journal, and since which write; one for each time."""

    reason: str
    write_id: str


class Mirror:
    """Carries writes out on the primary and tells the secondary. Safe for concurrent use within one event loop.

    Args:
        secondary: Is told.
        journal: Of the primary.
        patience_seconds: The longest that the secondary may keep a caller waiting.
        breaker: Leaves a failing secondary alone.
    """

    def __init__(
        self,
        secondary: Backend,
        journal: Journal,
        *,
        patience_seconds: float = 1.0,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.secondary = secondary
        self.journal = journal
        self.tally = Tally("dual_write")
        self._patience = patience_seconds
        self._breaker = breaker or CircuitBreaker()
        self._pending: dict[Key, _Pending] = {}
        self._writes: set[asyncio.Task[Any]] = set()
        self._calls: set[asyncio.Task[Any]] = set()

    @property
    def is_settled(self) -> bool:
        """Whether everything that was begun is in both stores or in the journal. Only then may a process leave."""
        return not self._pending and not self._writes

    async def carry_out(self, keys: Sequence[Key], write: Callable[[], Awaitable[Told[T]]], attempt: Attempt) -> T:
        """Return what *write*, made as *attempt*, on the primary answers, once the secondary or the journal knows of it.

        Where `MAX_WRITES` are under way it waits for one to end.

        Raises:
            OutcomeUnknownError: It was written, but neither of them could be told.
            BackendUnavailableError: `MAX_PENDING_KEYS` wait for the journal, and it takes none; nothing was written.
        """
        await self._make_room()
        # A task of its own: a caller that is cancelled, also by asyncio itself, ends waiting but not the write.
        task = _start(self._writes, self._carry_out(keys, write, attempt))
        await asyncio.wait({task})
        return task.result()

    async def drain(self) -> bool:
        """Bring what was begun to its end, and journal what is pending; return `is_settled`."""
        while self._writes:
            await asyncio.wait(self._writes)
        if self._calls:  # abandoned ones: whenever they arrive, what is newer wins
            await asyncio.wait(self._calls, timeout=self._patience)
        await self.journal_pending()
        return self.is_settled

    async def journal_soon(self, keys: Sequence[Key]) -> None:
        """Journal those of *keys* that are pending, patiently but not for long: what is not done then is done later."""
        if any(key in self._pending for key in keys):
            await asyncio.wait({_start(self._calls, self.journal_pending(keys))}, timeout=self._patience)

    async def journal_pending(self, keys: Collection[Key] | None = None) -> None:
        """Journal the keys, or those of *keys*, that could not be when their writes ended; what fails again stays pending."""
        for key, pending in [item for item in self._pending.items() if keys is None or item[0] in keys]:
            try:
                await self.journal.note([key], pending.reason)
            except StoreError as error:
                # One store keeps the whole journal: where it does not take this key, it takes none.
                log_event(
                    _logger, logging.WARNING, "dual_write.still_pending", count=len(self._pending), error=type(error).__name__
                )
                return
            if self._pending.get(key) is pending:  # else a later write left it pending again
                del self._pending[key]
            self.tally.note("journaled")

    async def purge(self, kind: str, limit: int, *, is_last: bool) -> None:
        """Let the secondary purge too, once or, with *is_last*, until nothing is left. What fails is logged."""
        for _ in range(_MOST_PURGES if is_last else 1):
            if not self._breaker.may_try():
                return
            task = _start(self._calls, self.secondary.purge_expired(kind=kind, limit=limit))
            if reason := await self._outcome(task):
                log_event(_logger, logging.WARNING, "dual_write.purge_left", kind=kind, error=reason)
                return
            if not task.result():
                return

    async def _carry_out(self, keys: Sequence[Key], write: Callable[[], Awaitable[Told[T]]], attempt: Attempt) -> T:
        try:
            answer, records = await write()
        except StoreError as error:
            if isinstance(error, OutcomeUnknownError):
                self._note_pending(keys, UNSETTLED, attempt)
                if attempt.may_send is None:  # else whoever has begun it settles it first
                    await self.journal_soon(keys)
            raise
        # Whatever ended it, it may be stored: the key is pending until the journal has it (W5).
        except BaseException:
            self._note_pending(keys, UNSETTLED, attempt)
            raise
        try:
            await self._tell(records)
        except BaseException as error:
            self._note_pending([record.key for record in records], type(error).__name__, attempt)
            raise
        for record in records:
            pending = self._pending.get(record.key)
            if pending is not None and pending.write_id == record.version.write_id:
                del self._pending[record.key]  # the same write, of which nothing was known before
        return answer

    async def _tell(self, records: Sequence[Record]) -> None:
        missed, reason = await self._apply(records) if records else ((), "")
        self.tally.note("applied", len(records) - len(missed))
        if not missed:
            return
        self.tally.note(f"missed: {reason}", len(missed))
        try:
            await self.journal.note(missed, reason)
        except StoreError as error:
            raise OutcomeUnknownError(
                f"{missed[0]}: written, but neither the other store nor the journal could be told; read it before trying again",
                backend=error.backend,
                key=str(missed[0]),
            ) from error
        self.tally.note("journaled", len(missed))

    async def _apply(self, records: Sequence[Record]) -> tuple[Sequence[Key], str]:
        """Return the keys that the secondary may not have as they are, and why."""
        keys = [record.key for record in records]
        if len(self._calls) >= MAX_CALLS or not self._breaker.may_try():
            return keys, "left alone"
        task = _start(self._calls, self._applied(records))
        if reason := await self._outcome(task):
            return keys, reason
        return [key for key, is_told in zip(keys, task.result(), strict=True) if not is_told], "keeps changing"

    async def _applied(self, records: Sequence[Record]) -> list[bool]:
        """Return of each record whether the secondary holds it, or something later."""
        told: Sequence[Result] = [False] * len(records)
        if len(records) > 1:
            with suppress(PreconditionFailedError, DocumentExistsError):  # others write one of them at this moment
                told = await self.secondary.batch([Apply(record) for record in records])
        return [
            is_told is True or await converge(self.journal.backend, self.secondary, record)
            for record, is_told in zip(records, told, strict=True)
        ]

    async def _outcome(self, task: asyncio.Task[Any]) -> str | None:
        """Wait for a call to the secondary, patiently but not for long; return why it failed, if it did."""
        done, _ = await asyncio.wait({task}, timeout=self._patience)
        if not done:
            task.cancel()  # but not waited for: it may take its time even for that
            self._breaker.failed()
            return "timeout"
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            self._breaker.succeeded()
            return None
        if isinstance(error, StoreError) and not isinstance(error, BackendError | OutcomeUnknownError):
            self._breaker.succeeded()  # it answers, if not what was hoped for
        else:
            self._breaker.failed(error.retry_after_seconds if isinstance(error, StoreError) else None)
        return type(error).__name__

    async def _make_room(self) -> None:
        if len(self._pending) >= MAX_PENDING_KEYS:
            await self.journal_pending()
        if len(self._pending) >= MAX_PENDING_KEYS:
            raise BackendUnavailableError(
                f"{len(self._pending)} keys that may have been written wait for the journal, which the store does not take; "
                "no more is written until it does, and nothing of this was; reads go on; try again"
            )
        while len(self._writes) >= MAX_WRITES:
            await asyncio.wait(self._writes, return_when=asyncio.FIRST_COMPLETED)

    def _note_pending(self, keys: Sequence[Key], reason: str, attempt: Attempt) -> None:
        self._pending.update((key, _Pending(reason, attempt.write_id)) for key in keys)
        self.tally.note("pending", len(keys))


def _start(tasks: set[asyncio.Task[Any]], call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = begin(call)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
