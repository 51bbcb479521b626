"""One write while it is carried out: under which id, whether it may be sent (again), and what it was to replace."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bifrost_store.errors import (
    DocumentExistsError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StaleRouteError,
    StoreError,
)


@dataclass(slots=True, eq=False)
class Attempt:
    """One write of the waist, a batch included, in however many sendings.

    Attributes:
        writer: Who writes: 16 hex digits.
        may_send: Asked before every single sending.
        write_id: Of all that it stores: 32 hex digits, beginning with the writer's.
        bases: Revision and write id of every state that it was going to replace.
        is_sent: Something was sent: from then on only a look at the store can tell what became of it.
    """

    writer: str
    may_send: Callable[[], bool]
    write_id: str = ""
    bases: set[tuple[int, str]] = field(default_factory=set)
    is_sent: bool = False

    def __post_init__(self) -> None:
        self.write_id = self.write_id or self.writer + secrets.token_hex(8)


@dataclass(slots=True, eq=False)
class Sendings:
    """What is known of the sendings of one write, or of the requests of one block of `sending`.

    Attributes:
        count: How many have left, or were about to.
        is_unknown: One may have been carried out, or may be yet: it was not answered, or not definitely.
    """

    count: int = 0
    is_unknown: bool = False


_attempt: ContextVar[Attempt | None] = ContextVar("bifrost_store_attempt", default=None)
_sendings: ContextVar[Sendings | None] = ContextVar("bifrost_store_sendings", default=None)


@contextmanager
def attempting(attempt: Attempt | None) -> Iterator[None]:
    """Let what the block writes be part of *attempt*; with None, of none."""
    token = _attempt.set(attempt)
    try:
        yield
    finally:
        _attempt.reset(token)


def current_attempt() -> Attempt | None:
    """Return what the present write is part of."""
    return _attempt.get()


@contextmanager
def sending() -> Iterator[Sendings]:
    """Let `check_sending` know that the requests of the block are writes; yield how many have left."""
    sendings = Sendings()
    token = _sendings.set(sendings)
    try:
        yield sendings
    finally:
        _sendings.reset(token)


def current_sendings() -> Sendings | None:
    """Return those of the present block of `sending`."""
    return _sendings.get()


def check_sending() -> None:
    """Ask, at the last moment before a request leaves, whether it may; a request outside of `sending` always may.

    Raises:
        StaleRouteError, OutcomeUnknownError: See `check_attempt`.
    """
    sendings = _sendings.get()
    if sendings is not None:
        check_attempt()
        sendings.count += 1


@contextmanager
def staying_unknown(sendings: Sendings, key: object, backend: str) -> Iterator[None]:
    """Let nobody hear the refusal of a later sending as if it spoke for an earlier one whose fate is unknown.

    What was decided by a look at the store passes: the state to be written over is another's by now, for good.

    Raises:
        OutcomeUnknownError: The block failed while the fate of a sending was unknown.
    """
    try:
        yield
    except (DocumentExistsError, PreconditionFailedError, OutcomeUnknownError):
        raise
    except Exception as error:
        if not sendings.is_unknown:
            raise
        raise OutcomeUnknownError(
            f"{key}: the answer to one sending was lost, and what followed failed ({type(error).__name__}): it may have happened, "
            "and may happen yet; read it before trying again",
            backend=backend,
            key=str(key),
            retry_after_seconds=error.retry_after_seconds if isinstance(error, StoreError) else None,
        ) from error


def check_attempt() -> None:
    """Ask whether the present write may be sent, and note that it is. Outside of `attempting` it always may.

    Raises:
        StaleRouteError: It may not, and nothing was sent.
        OutcomeUnknownError: It may not be sent again.
    """
    attempt = _attempt.get()
    if attempt is None:
        return
    if attempt.may_send():
        attempt.is_sent = True
    elif attempt.is_sent:
        raise OutcomeUnknownError("this process's lease ended between two sendings of a write; read it before trying again")
    else:
        raise StaleRouteError("this process's lease has ended; nothing was sent; try again")
