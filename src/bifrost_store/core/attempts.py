"""One write while it is carried out: its terms, whether it may be sent (again), and what is known of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bifrost_store.core.version import Version, new_writer
from bifrost_store.errors import (
    DocumentExistsError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StaleRouteError,
    StoreError,
)


@dataclass(slots=True, eq=False)
class Attempt:
    """One write of the waist, however many operations it has, and in however many sendings.

    Attributes:
        epoch: Of the route that it is made under; 0 where there is none: then a record's epoch stays as it is.
        writer: Who writes: 16 hex digits. A process that serves under a lease is known by the lease's id.
        may_send: Asked before every single sending; None: it always may, and whoever began the write does not settle it.
        write_id: Of all that it stores: 32 hex digits, beginning with the writer's.
        bases: Revision and write id of every state that it was going to replace.
        is_sent: Something was sent: from then on only a look at the store can tell what became of it.
    """

    epoch: int = 0
    writer: str = field(default_factory=new_writer)
    may_send: Callable[[], bool] | None = None
    write_id: str = ""
    bases: set[tuple[int, str]] = field(default_factory=set)
    is_sent: bool = False

    def __post_init__(self) -> None:
        self.write_id = self.write_id or self.writer + secrets.token_hex(8)

    def check(self) -> None:
        """Ask, at the last moment before it is sent, whether it may be, and note that it is.

        Raises:
            StaleRouteError: It may not, and nothing was sent.
            OutcomeUnknownError: It may not be sent again.
        """
        if self.may_send is None or self.may_send():
            self.is_sent = True
        elif self.is_sent:
            raise OutcomeUnknownError("this process's lease ended between two sendings of a write; read it before trying again")
        else:
            raise StaleRouteError("this process's lease has ended; nothing was sent; try again")

    def follow(self, base: Version) -> Version:
        """Return the version of what this write stores over *base*, and note that it was going to replace that.

        Raises:
            StaleRouteError: *base* was written under a later route.
        """
        version = base.next(self.epoch, write_id=self.write_id)
        self.bases.add((base.revision, base.write_id))
        return version


@dataclass(slots=True, eq=False)
class Sendings:
    """What is known of the sendings of one write, or of the requests of one block of `sending`.

    Attributes:
        attempt: The write that they belong to, where it is one of the waist.
        count: How many have left, or were about to.
        is_unknown: One may have been carried out, or may be yet: it was not answered, or not definitely.
    """

    attempt: Attempt | None = None
    count: int = 0
    is_unknown: bool = False


_sendings: ContextVar[Sendings | None] = ContextVar("bifrost_store_sendings", default=None)
"""Ambient because the SDKs call `check_sending` from a hook of the client, which nothing can be passed to."""


@contextmanager
def sending(attempt: Attempt | None = None) -> Iterator[Sendings]:
    """Let `check_sending` know that the requests of the block are writes, of *attempt*; yield how many have left."""
    sendings = Sendings(attempt)
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
        StaleRouteError, OutcomeUnknownError: See `Attempt.check`.
    """
    sendings = _sendings.get()
    if sendings is None:
        return
    if sendings.attempt is not None:
        sendings.attempt.check()
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
