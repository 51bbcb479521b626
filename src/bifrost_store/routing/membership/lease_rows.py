"""Lease rows: one for each process and store. They hold no time; what is watched is whether they change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.json import dump_json
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.documents import LEASE
from bifrost_store.errors import (
    BackendUnavailableError,
    CorruptDocumentError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)
from bifrost_store.routing.control import problems_of

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseState(BaseModel):
    """What a lease row says; see "Lease row" in the hand-over protocol.

    Attributes:
        process: Host, process id and start: for people.
        beat: Counts renewals, so that each changes the row.
        heard: Attempt of the announcement that the process watches closely, or None.
        acknowledged: Attempt that it has drained for, or None.
        flag: What its flag says.
        state: ``lapsed`` once taken away from a silent process.
        problem: Which of the process's background work fails, and how, for people; None while all is well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    process: str
    beat: int = 0
    heard: str | None = None
    acknowledged: str | None = None
    flag: str | None = None
    state: Literal["live", "lapsed"] = "live"
    problem: str | None = None

    def body(self) -> dict[str, Any]:
        """Return what is stored: of a problem nothing while there is none, as releases that know of none refuse it."""
        return self.model_dump(exclude=None if self.problem else {"problem"})


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease row in the state in which it was read or written.

    Attributes:
        id: Of the lease: the writer that its process's write ids begin with.
        state: What it says.
        record: Names that state for a compare-and-set.
    """

    id: str
    state: LeaseState
    record: Record

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the row that a stored *record* is.

        Raises:
            CorruptDocumentError: It cannot be read.
        """
        try:
            state = LeaseState.model_validate_json(dump_json(record.body))
        except ValidationError as error:
            raise CorruptDocumentError(
                f"the lease {record.key.id} cannot be read: {problems_of(error)}", key=str(record.key)
            ) from error
        return cls(record.key.id, state, record)

    @classmethod
    def seen(cls, record: Record) -> Self:
        """Return the row that a stored *record* is. One that says nothing readable is of a process that hears nothing."""
        try:
            return cls.of(record)
        except CorruptDocumentError:
            return cls(record.key.id, LeaseState(process=f"the owner of the damaged lease {record.key.id}"), record)


class LeaseRows:
    """The lease rows of one store.

    Args:
        backend: That store, addressed directly.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def create(self, lease_id: str, state: LeaseState) -> LeaseRow:
        """Store the row of a fresh lease.

        Raises:
            BackendUnavailableError: Whether it is there cannot be told. It is nobody's then, and is taken away like any other.
        """
        try:
            return LeaseRow.of(await self._backend.create(Record(_key(lease_id), state.body())))
        except OutcomeUnknownError as error:
            raise BackendUnavailableError("a lease could not be written; try again", backend=error.backend) from error

    async def read(self, lease_id: str) -> LeaseRow | None:
        """Return the row as it is now, or None if it is gone."""
        record = await self._backend.get(_key(lease_id))
        return None if record is None else LeaseRow.of(record)

    async def write(self, row: LeaseRow, state: LeaseState) -> LeaseRow | None:
        """Replace exactly the state that *row* was seen in; return what is stored now, or None if that was not possible."""
        try:
            return LeaseRow.of(await self._backend.replace(row.record.with_body(state.body()), row.record.etag))
        except (PreconditionFailedError, DocumentNotFoundError, OutcomeUnknownError):
            return None

    async def delete(self, row: LeaseRow) -> bool:
        """Delete the row in exactly the state that was seen; return whether it is gone."""
        # An expired record is absent, and leaves no tombstone when it is purged: every process leaves a row behind.
        try:
            await self._backend.replace(replace(row.record, expires_at=_LONG_AGO), row.record.etag)
        except DocumentNotFoundError:
            return True
        except (PreconditionFailedError, OutcomeUnknownError):
            return await self.read(row.id) is None
        with suppress(StoreError):
            await self._backend.purge_expired(kind=LEASE.kind)
        return True

    async def all(self) -> AsyncIterator[LeaseRow]:
        """Go through all rows of the store, lapsed ones too.

        Raises:
            CorruptDocumentError: There is one of which not even the record can be read; the message says what to do about it.
        """
        query = Query(LEASE.kind, SYSTEM)
        while True:
            page = await self._backend.query(query)
            if page.unreadable:
                raise page.unreadable[0]
            for record in page:
                yield LeaseRow.seen(record)
            if page.continuation_token is None:
                return
            query = replace(query, continuation_token=page.continuation_token)


def _key(lease_id: str) -> Key:
    return Key(LEASE.kind, SYSTEM, lease_id)
