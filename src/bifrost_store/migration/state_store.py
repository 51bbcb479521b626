"""Keeps the state of a migration beside the control document of its source, by compare-and-set."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.coordination.rows import Form, Row, Rows
from bifrost_store.core.events import log_event
from bifrost_store.core.record import Body, Record
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    MigrationRefusedError,
    OutcomeUnknownError,
    PreconditionFailedError,
)
from bifrost_store.migration.state import SCHEMA_VERSION, STATUS, MigrationState
from bifrost_store.routing.copies import STATE_KEY

_logger = logging.getLogger("bifrost_store.migration")


@dataclass(frozen=True, slots=True)
class Saved:
    """The state as it was read or written, for a compare-and-set; None where what is stored cannot be read."""

    state: MigrationState | None
    record: Record


class StateStore:
    """The state of the migration in its source. One object for one operator's run.

    Args:
        backend: The source, addressed directly.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._saved: Saved | None = None
        self._lock = anyio.Lock()

    async def read(self) -> MigrationState | None:
        """Return what is stored now, or None; later changes are made to exactly that.

        None also where it is damaged, which is logged: what counts are the control documents, and from them it is made again.

        Raises:
            CorruptDocumentError: It is of a newer release of this library, or not even its record can be read.
        """
        record = await self._backend.get(STATE_KEY)
        was_damaged = self.is_damaged
        self._saved = None if record is None else Saved(_parsed(record), record)
        if self.is_damaged and not was_damaged:
            log_event(_logger, logging.WARNING, "migration.state_damaged", store=self._backend.name)
        return None if self._saved is None else self._saved.state

    async def write(self, state: MigrationState) -> MigrationState:
        """Store *state* in place of what was read or written last.

        Raises:
            MigrationRefusedError: Somebody else has changed it since.
        """
        async with self._lock:
            return await self._write(state)

    async def copy_to(self, backend: Backend) -> None:
        """Leave a copy in another store, for those who cannot reach this one; the one here counts."""
        body = self.state.body()
        record = await backend.get(STATE_KEY)
        with contextlib.suppress(DocumentExistsError, PreconditionFailedError):
            if record is None:
                await backend.create(Record(STATE_KEY, body))
            elif record.body != body:
                await backend.replace(record.with_body(body), record.etag)

    async def write_progress(self, name: str, values: dict[str, Any]) -> None:
        """Store *values* as the progress of *name*; other parts stay as they are. Raises as `write` does."""
        async with self._lock:
            state = self.state
            await self._write(state.model_copy(update={"progress": {**state.progress, name: values}}))

    async def beat(self, now: datetime, *, is_over: bool = False) -> None:
        """Note that what is running is still carried out, or is no more. Raises as `write` does."""
        async with self._lock:
            running = self.state.running
            if running is not None:
                later = running.model_copy(update={"seen_at": now, "is_over": is_over})
                await self._write(self.state.model_copy(update={"running": later}))

    async def _write(self, state: MigrationState) -> MigrationState:
        if self._saved is not None and self._saved.state == state:
            return state
        rows = Rows(self._backend, _FORM)
        row = None
        with contextlib.suppress(DocumentExistsError, OutcomeUnknownError):
            if self._saved is None:
                row = await rows.create(STATE_KEY.id, state)
            else:
                row = await rows.change(Row(self._saved.state, self._saved.record), state)
        self._saved = Saved(state, await self._own(state) if row is None else row.record)
        return state

    async def _own(self, state: MigrationState) -> Record:
        """Return the stored record if it is what was to be written, its answer having been lost."""
        record = await self._backend.get(STATE_KEY)
        if record is not None and record.body == state.body():
            return record
        saved = None if self._saved is None else self._saved.record.version
        if (None if record is None else record.version) == saved:
            raise OutcomeUnknownError("the answer was lost when the state of the migration was written; try again")
        found = "gone" if record is None else f"in phase {record.body.get('phase')}"
        raise MigrationRefusedError(
            f"another operator has changed the migration meanwhile: it is {found} now; this run stopped, and nothing is lost",
            next_steps=(STATUS,),
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing that can be read was read or written."""
        return self._saved is None or self._saved.state is None

    @property
    def is_absent(self) -> bool:
        """Whether nothing was read or written."""
        return self._saved is None

    @property
    def is_damaged(self) -> bool:
        """Whether something was read that is no state."""
        return self._saved is not None and self._saved.state is None

    def progress(self, name: str) -> StateProgress:
        """Return the part of the state that *name* keeps its cursors in."""
        return StateProgress(self, name)

    @property
    def state(self) -> MigrationState:
        """What was read or written last. It must have been there."""
        assert self._saved is not None
        assert self._saved.state is not None
        return self._saved.state


def _body(state: MigrationState | None) -> Body:
    assert state is not None  # a damaged one is read, and never written
    return state.body()


def _parsed(record: Record) -> MigrationState | None:
    """Return the state that *record* is, or None if it is damaged."""
    try:
        return MigrationState.parse(record.body)
    except CorruptDocumentError as error:
        version = record.body.get("schemaVersion")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise CorruptDocumentError(f"{error}; it is of a newer release of this library: use that one") from error
        return None


_FORM: Final = Form(STATE_KEY.kind, _parsed, _body)


class StateProgress:
    """A `Progress` inside of the state."""

    def __init__(self, store: StateStore, name: str) -> None:
        self._store = store
        self._name = name

    async def load(self) -> dict[str, Any] | None:
        return self._store.state.progress.get(self._name)

    async def save(self, values: dict[str, Any]) -> None:
        await self._store.write_progress(self._name, values)
