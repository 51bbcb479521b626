"""Typed rows of one kind in one store, changed by compare-and-set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Create, Replace
from bifrost_store.core.query import Filter, Query
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)

T = TypeVar("T")
_PURGED_AT_ONCE: Final = 500
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A row in the state in which it was read or written.

    Attributes:
        state: What it says.
        record: Names that state for a compare-and-set.
    """

    state: T
    record: Record

    @property
    def id(self) -> str:
        """Of the row, among those of its kind."""
        return self.record.key.id


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How a value is stored.

    Attributes:
        kind: Of the rows: one of the library's own.
        load: Returns what a record says; raises CorruptDocumentError if that cannot be read.
        dump: Returns the body of a value.
    """

    kind: str
    load: Callable[[Record], T]
    dump: Callable[[T], Body]

    def row(self, record: Record) -> Row[T]:
        """Return the row that a stored *record* is.

        Raises:
            CorruptDocumentError: It cannot be read.
        """
        return Row(self.load(record), record)

    def key(self, row_id: str) -> Key:
        """Return the key of a row."""
        return Key(self.kind, SYSTEM, row_id)


class Rows(Generic[T]):
    """The rows of one kind in one store. Safe for use by many processes.

    Args:
        backend: The store, addressed directly, never through a route.
        form: How they are stored.
    """

    def __init__(self, backend: Backend, form: Form[T]) -> None:
        self._backend = backend
        self._form = form

    async def create(self, row_id: str, state: T) -> Row[T]:
        """Store a new row.

        Raises:
            DocumentExistsError: There is one.
            OutcomeUnknownError: Whether it is there now cannot be told.
        """
        return self._form.row(await self._backend.create(Record(self._form.key(row_id), self._form.dump(state))))

    async def read(self, row_id: str) -> Row[T] | None:
        """Return the row as it is now, or None if it is gone.

        Raises:
            CorruptDocumentError: It cannot be read.
        """
        record = await self._backend.get(self._form.key(row_id))
        return None if record is None else self._form.row(record)

    async def change(self, seen: Row[T], state: T) -> Row[T] | None:
        """Replace exactly the state that was *seen*; return what is stored now.

        None: it has another state by now, or the answer was lost and later changes hide what happened. Read it again.
        """
        try:
            changed = await self._backend.replace(seen.record.with_body(self._form.dump(state)), seen.record.etag)
        except (PreconditionFailedError, DocumentNotFoundError, OutcomeUnknownError):
            return None
        return self._form.row(changed)

    async def forget(self, seen: Record) -> bool:
        """Remove exactly the state that was *seen*; return whether the row is gone. `purge` frees its space.

        It is made a record that has expired, not a tombstone: purging leaves nothing of it, and there may be very many.
        """
        try:
            await self._backend.replace(replace(seen, expires_at=_LONG_AGO), seen.etag)
        except DocumentNotFoundError:
            return True
        except (PreconditionFailedError, OutcomeUnknownError):
            return await self._backend.get(seen.key) is None
        return True

    async def exchange(self, seen: Record, rows: Mapping[str, T]) -> bool:
        """Remove exactly the state that was *seen*, and store new rows, by id, in its place; return whether it is known to be done.

        It is done as a whole or not at all.
        """
        gone = Replace(replace(seen, expires_at=_LONG_AGO), seen.etag)
        new = [Create(Record(self._form.key(row_id), self._form.dump(state))) for row_id, state in rows.items()]
        try:
            await self._backend.batch([gone, *new])
        except (PreconditionFailedError, DocumentNotFoundError, DocumentExistsError, OutcomeUnknownError):
            return False
        return True

    async def purge(self) -> None:
        """Free the space of rows that were removed; what fails is left to the next time."""
        with suppress(StoreError):
            while len(await self._backend.purge_expired(kind=self._form.kind, limit=_PURGED_AT_ONCE)) == _PURGED_AT_ONCE:
                pass

    async def records(self, *filters: Filter) -> AsyncIterator[Record | CorruptDocumentError]:
        """Go through the rows that pass *filters*, by default all, as records: one that says nothing readable may still have to be
        counted or removed.

        An error stands for a row of which not even the record can be read.
        """
        query = Query(self._form.kind, SYSTEM, filters)
        while True:
            page = await self._backend.query(query)
            for error in page.unreadable:
                yield error
            for record in page:
                yield record
            if page.continuation_token is None:
                return
            query = replace(query, continuation_token=page.continuation_token)
