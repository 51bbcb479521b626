"""The one loop that reads a record, changes it and writes it back, so that no concurrent change is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import Etag
from bifrost_store.documents.base import Document
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.repositories.reading import readable_part

if TYPE_CHECKING:
    from stamina import AsyncRetryingCaller

T = TypeVar("T")

Change = Callable[[Record], Record | None]
"""Returns what to store over the record given, or None to leave it as it is. May refuse with a `StoreError`.

It may be called several times, and with a record that is out of date: what it then returns or raises is not used.
"""


@cache
def _retrying() -> AsyncRetryingCaller:
    # A twentieth of all that the package imports, for those alone who change something.
    from stamina import AsyncRetryingCaller  # noqa: PLC0415

    # A writer loses only to another that wins, so that waiting need not grow: it must spread the losers.
    return AsyncRetryingCaller(attempts=100, timeout=None, wait_initial=0.0, wait_exp_base=1, wait_jitter=0.1, wait_max=0.1)


class LostRaceError(Exception):
    """Someone else wrote first: raised inside `until_won` to begin again."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


async def until_won(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what *attempt* returns, called again after a short random wait whenever it raises `LostRaceError`.

    Raises:
        StoreError: What the last of 100 lost races was lost with.
    """
    try:
        return await _retrying()(LostRaceError, attempt)
    except LostRaceError as lost:
        raise lost.error from lost.error.__cause__


@dataclass(frozen=True, slots=True)
class Changed:
    """A record as stored, and what it was written over; *before* is None if nothing had to be written."""

    record: Record
    before: Record | None


async def _write_nothing(record: Record) -> None:
    pass


async def change_record(
    backend: Backend,
    key: Key,
    change: Change,
    *,
    known: Record | None = None,
    etag: str | None = None,
    before_write: Callable[[Record], Awaitable[None]] = _write_nothing,
) -> Changed:
    """Store what *change* makes of the record at *key*, whoever else writes meanwhile.

    Args:
        backend: Holds the record.
        key: Its identity.
        change: See `Change`.
        known: The record as the caller has it, which saves a read. If it turns out to be out of date, or if *change*
            refuses it or leaves it as it is, the record is read and *change* decides again.
        etag: The caller's precondition. With it nothing is tried again.
        before_write: Called before a record is sent, each time, with that record.

    Raises:
        DocumentNotFoundError: There is no record.
        PreconditionFailedError: The record is not in the state that *etag* names, or others kept winning.
    """
    if etag is not None:
        return await _change_state(backend, key, change, known, Etag.parse(etag), before_write)
    new = None if known is None else _tried(change, known)
    if known is not None and new is not None:
        await before_write(new)
        with suppress(PreconditionFailedError):
            return Changed(await backend.replace(new, known.etag), known)

    async def attempt() -> Changed:
        base = await read(backend, key)
        new = change(base)
        if new is None:
            return Changed(base, None)
        await before_write(new)
        try:
            return Changed(await backend.replace(new, base.etag), base)
        except PreconditionFailedError as error:
            raise LostRaceError(error) from error

    return await until_won(attempt)


async def put_record(backend: Backend, key: Key, make: Callable[[Record | None], Record], *, etag: str | None = None) -> Record:
    """Store what *make* makes of the record at *key*, or of None if there is none, whoever else writes meanwhile.

    One that cannot be read is written over; *make* gets it with None for every field that cannot be.

    Raises:
        PreconditionFailedError: The record is not in the state that *etag* names, or is gone. With it nothing is tried again.
    """
    if etag is not None:
        stored, _ = await readable_part(backend, key)
        if stored is None:
            raise PreconditionFailedError(f"{key} has been deleted since it was read", key=str(key))
        check_state(stored, Etag.parse(etag))
        try:
            return await backend.replace(make(stored), stored.etag)
        except DocumentNotFoundError as error:
            message = f"{key} has been deleted since it was read"
            raise PreconditionFailedError(message, backend=error.backend, key=str(key)) from error

    async def attempt() -> Record:
        stored, _ = await readable_part(backend, key)
        new = make(stored)
        try:
            return await (backend.create(new) if stored is None else backend.replace(new, stored.etag))
        except (DocumentExistsError, DocumentNotFoundError, PreconditionFailedError) as error:
            raise LostRaceError(error) from error

    return await until_won(attempt)


async def delete_record(backend: Backend, key: Key, *, etag: str | None = None) -> Record | None:
    """Delete the record at *key* and return it as it was, as far as it can be read, or None if there was none.

    Raises:
        PreconditionFailedError: The record is not in the state that *etag* names, or others kept winning.
    """
    expected = None if etag is None else Etag.parse(etag)

    async def attempt() -> Record | None:
        stored, _ = await readable_part(backend, key)
        if stored is None:
            return None
        if expected is not None:
            check_state(stored, expected)
        try:
            return stored if await backend.delete(key, expected=stored.etag) else None
        except PreconditionFailedError as error:
            if expected is not None:
                raise
            raise LostRaceError(error) from error

    return await until_won(attempt)


async def create_or_mend(backend: Backend, record: Record, document: type[Document]) -> tuple[Record, bool]:
    """Return the record at its key, new or as it is, and whether it is new; one that cannot be read is written over.

    Whoever else creates, changes or deletes it meanwhile. *document* is its model, which decides what can be read.
    """

    async def attempt() -> tuple[Record, bool]:
        try:
            return await backend.create(record), True
        except DocumentExistsError as error:
            present, problem = await readable_part(backend, record.key)
            if present is None:
                raise LostRaceError(error) from error
        if problem is None and _fits(document, present):
            return present, False
        try:
            return await backend.replace(present.with_body(record.body), present.etag), False
        except (PreconditionFailedError, DocumentNotFoundError) as error:
            raise LostRaceError(error) from error

    return await until_won(attempt)


def _fits(document: type[Document], record: Record) -> bool:
    try:
        document.from_record(record)
    except CorruptDocumentError:
        return False
    return True


async def read(backend: Backend, key: Key) -> Record:
    """Return the record at *key*.

    Raises:
        DocumentNotFoundError: There is none.
    """
    record = await backend.get(key)
    if record is None:
        raise DocumentNotFoundError(f"{key} does not exist", operation="get", key=str(key))
    return record


def check_state(record: Record, expected: Etag) -> None:
    """Refuse a record that has changed since the caller read it.

    Raises:
        PreconditionFailedError: It is not in the state that *expected* names.
    """
    if not record.version.is_same_state(expected.version):
        raise PreconditionFailedError(
            f"{record.key} has been changed since it was read; read it again", backend=record.backend, key=str(record.key)
        )


async def _change_state(
    backend: Backend,
    key: Key,
    change: Change,
    known: Record | None,
    expected: Etag,
    before_write: Callable[[Record], Awaitable[None]],
) -> Changed:
    base = known if known is not None and known.version.is_same_state(expected.version) else None
    new = None if base is None else _tried(change, base)
    if base is None or new is None:
        base = await read(backend, key)
        check_state(base, expected)
        new = change(base)
    if new is None:
        return Changed(base, None)
    await before_write(new)
    return Changed(await backend.replace(new, base.etag), base)


def _tried(change: Change, record: Record) -> Record | None:
    """Return what *change* makes of a record that may be out of date; None if only the stored one can decide."""
    with suppress(StoreError):
        return change(record)
    return None
