"""Sends writes until each is settled: send, find out what became of it, and send again where that helps."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import anyio

from bifrost_store.core.attempts import Attempt, Sendings, staying_unknown
from bifrost_store.core.meter import count_retry
from bifrost_store.core.record import Key
from bifrost_store.errors import StoreError

CONFLICTS: Final = frozenset({404, 409, 412})
"""Statuses that say that what is stored is not what was expected."""
_ATTEMPTS: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 2.0
_FIRST_PAUSE_SECONDS: Final = 0.05


class Settleable(Protocol):
    """One write to one record, as each backend has its own.

    Attributes:
        key: Of the record.
        is_settled: Nothing more is to be sent.
        is_own: The stored state was found to be this write's.
    """

    key: Key
    is_settled: bool
    is_own: bool

    def sent(self, etags: list[str]) -> None:
        """Take note that it went through; *etags* are those of what was stored for it."""
        ...

    def settle_as_sent(self) -> None:
        """Settle it as gone through, unless it is settled already."""
        ...


W = TypeVar("W", bound=Settleable)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What it means that a sending did not succeed.

    Attributes:
        failure: What the caller would hear.
        is_ambiguous: It may have been carried out, or may be yet.
        is_conflict: What is stored is not what was expected; looking at it tells what to do.
        is_hopeless: Whoever sent it has tried again already.
    """

    failure: StoreError
    is_ambiguous: bool
    is_conflict: bool
    is_hopeless: bool = False


class Sender(ABC, Generic[W]):
    """What differs between services.

    Attributes:
        backend: The backend's name.
    """

    backend: str

    @abstractmethod
    async def send(self, pending: Sequence[W], attempt: Attempt) -> list[list[str]] | None:
        """Send what *pending* ask for, all or nothing; return the etags for each, or None if there is nothing to send."""

    @abstractmethod
    def refusal(self, error: Exception) -> Refusal | None:
        """Return what *error* means that `send` raised; None if it is not the service's."""

    @abstractmethod
    async def look(self, writes: Sequence[W], *, is_lost: bool) -> list[StoreError]:
        """Let *writes* decide anew by what is stored; return what those say, in their order, that cannot go on.

        Args:
            is_lost: An earlier sending may have gone through.
        """

    async def repair(self, pending: Sequence[W], failure: StoreError) -> bool:
        """Make what is missing for *pending* to be sent; return whether that was all that was wrong."""
        return False


async def settle(writes: Sequence[W], sender: Sender[W], attempt: Attempt) -> None:
    """Carry out *writes* to different records of one kind and scope, all or nothing; each then is settled.

    Raises:
        Exception: Of the service, where sending again does not help; or what a write says after a look at the store.
        OutcomeUnknownError: A sending may have been carried out, and what followed failed.
    """
    sendings = Sendings()
    with staying_unknown(sendings, writes[0].key, sender.backend):
        for number in range(_ATTEMPTS):
            pending = [write for write in writes if not write.is_settled]
            if not pending:
                return
            if number > 0:
                count_retry()
            try:
                etags = await sender.send(pending, attempt)
            except Exception as error:
                refusal = sender.refusal(error)
                if refusal is None:
                    raise
                sendings.is_unknown = sendings.is_unknown or refusal.is_ambiguous
                await _recover(error, refusal, pending, sender, is_lost=sendings.is_unknown, is_last=number == _ATTEMPTS - 1)
                continue
            if etags is None:
                return
            sendings.is_unknown = True  # It is carried out: whatever fails from here on is no refusal.
            for write, own in zip(pending, etags, strict=True):
                write.sent(own)


async def _recover(
    error: Exception, refusal: Refusal, pending: Sequence[W], sender: Sender[W], *, is_lost: bool, is_last: bool
) -> None:
    """Prepare for sending again, or raise what the caller must hear."""
    failure, is_retryable = refusal.failure, refusal.failure.is_retryable
    if not is_last and await sender.repair(pending, failure):
        return
    if refusal.is_conflict or is_lost:
        await look(pending, sender, is_lost=is_lost, cause=failure.__cause__ or error)
    elif refusal.is_hopeless or not is_retryable:
        raise error
    if all(write.is_settled for write in pending):
        return
    pause = failure.retry_after_seconds or _FIRST_PAUSE_SECONDS * 2 ** random.uniform(0, 4)  # noqa: S311 - jitter
    if is_last or pause > _LONGEST_PAUSE_SECONDS or not (refusal.is_conflict or is_retryable):
        raise error
    if not refusal.is_conflict:
        await anyio.sleep(pause)


async def look(writes: Sequence[W], sender: Sender[W], *, is_lost: bool, cause: BaseException | None = None) -> None:
    """Let *writes* look at what is stored, and settle all if one finds itself there: they are carried out all or nothing.

    Raises:
        StoreError: What the first that cannot go on says.
    """
    outcomes = await sender.look(writes, is_lost=is_lost)
    if any(write.is_own for write in writes):
        for write in writes:
            write.settle_as_sent()
    elif outcomes:
        raise outcomes[0] from (outcomes[0].__cause__ or cause)
