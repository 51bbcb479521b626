"""One write while it is carried out: under which id, whether it may be sent (again), and what it was to replace."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bifrost_store.errors import OutcomeUnknownError, StaleRouteError


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


_attempt: ContextVar[Attempt | None] = ContextVar("bifrost_store_attempt", default=None)
_is_sending: ContextVar[bool] = ContextVar("bifrost_store_is_sending", default=False)


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
def sending() -> Iterator[None]:
    """Let `check_sending` know that the requests of the block are writes."""
    token = _is_sending.set(True)
    try:
        yield
    finally:
        _is_sending.reset(token)


def check_sending() -> None:
    """Ask, at the last moment before a request leaves, whether it may; a request outside of `sending` always may.

    Raises:
        StaleRouteError, OutcomeUnknownError: See `check_attempt`.
    """
    if _is_sending.get():
        check_attempt()


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
