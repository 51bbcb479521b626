"""Lease rows: one for each process and store. No time in them decides anything; what is watched is whether they change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bifrost_store.backends.protocol import Backend
from bifrost_store.coordination.rows import Form, Row, Rows
from bifrost_store.core.json import dump_loaded
from bifrost_store.core.record import Record
from bifrost_store.documents import LEASE
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.routing.control import problems_of


class LeaseState(BaseModel):
    """What a lease row says; see "Lease row" in the hand-over protocol.

    Attributes:
        process: Host, process id and start: for people.
        beat: Counts renewals, so that each changes the row.
        heard: Attempt of the announcement that the process watches closely, or None.
        acknowledged: Attempt that it has drained for, or None.
        flag: What its flag says.
        state: ``lapsed`` once it was revoked, as its process was silent.
        problem: Which of the process's background work fails, and how, for people; None while all is well.
        seen_at: When the process wrote it last, by its own clock, for people: clocks differ.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", strict=True)

    process: str
    beat: int = 0
    heard: str | None = None
    acknowledged: str | None = None
    flag: str | None = None
    state: Literal["live", "lapsed"] = "live"
    problem: str | None = None
    seen_at: datetime | None = None

    def body(self) -> dict[str, Any]:
        """Return what is stored."""
        return self.model_dump(mode="json")


LeaseRow = Row[LeaseState]
"""Its id is the writer that its process's write ids begin with."""


def _load(record: Record) -> LeaseState:
    try:
        return LeaseState.model_validate_json(dump_loaded(record.body))
    except ValidationError as error:
        raise CorruptDocumentError(
            f"the lease {record.key.id} cannot be read: {problems_of(error)}", key=str(record.key)
        ) from error


_FORM: Final = Form(LEASE.kind, _load, LeaseState.body)


class LeaseRows(Rows[LeaseState]):
    """The lease rows of one store.

    Args:
        backend: That store, addressed directly.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, _FORM)

    async def all(self) -> AsyncIterator[LeaseRow]:
        """Go through all rows of the store, lapsed ones too. One that says nothing readable is of a process that hears nothing.

        Raises:
            CorruptDocumentError: There is one of which not even the record can be read; the message says what to do about it.
        """
        async for record in self.records():
            if isinstance(record, CorruptDocumentError):
                raise record
            try:
                yield _FORM.row(record)
            except CorruptDocumentError:
                yield Row(LeaseState(process=f"the owner of the damaged lease {record.key.id}"), record)
