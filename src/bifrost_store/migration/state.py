"""Where a migration stands: one saved, versioned value beside the control document. Only this file knows which step is legal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Protocol, Self

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.json import dump_json
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.documents import CONTROL
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    MigrationRefusedError,
    OutcomeUnknownError,
    PreconditionFailedError,
)
from bifrost_store.routing.control import Control

STATE_KEY: Final = Key(CONTROL.kind, SYSTEM, "phase")
ROLLBACK_DAYS: Final = 30
"""Days after the last cut-over before which ``finish`` wants to be forced."""
KEPT_DAYS: Final = 90
"""Days after the last cut-over before which nothing of the old application is purged."""
VERIFICATION_HOURS: Final = 24
"""A verification that began longer ago says too little to cut over."""


class Phase(StrEnum):
    """How far a migration is."""

    NONE = "none"
    """Nothing was started."""
    STARTING = "starting"
    """The second store is being provisioned, and the processes told."""
    STARTED = "started"
    """Every write goes to both stores."""
    BACKFILLING = "backfilling"
    """What was there before is being carried over."""
    BACKFILLED = "backfilled"
    """Everything was carried over."""
    VERIFIED = "verified"
    """Both stores were compared, and no difference is open."""
    CUT_OVER = "cut-over"
    """The second store answers, for some scopes at least; the first is told of every write."""
    ROLLED_BACK = "rolled-back"
    """The first store answers again, for all scopes; the second is told of every write."""
    ABANDONED = "abandoned"
    """The first store is alone again."""
    FINISHED = "finished"
    """The second store is alone."""


class Step(StrEnum):
    """What an operator can ask for."""

    START = "start"
    BACKFILL = "backfill"
    VERIFY = "verify"
    CUTOVER = "cutover"
    ROLLBACK = "rollback"
    ABANDON = "abandon"
    FINISH = "finish"
    RUN = "run"
    """From wherever the migration is to verified."""


_COPIED: Final = frozenset({Phase.BACKFILLED, Phase.VERIFIED, Phase.ROLLED_BACK})
_ON_SOURCE: Final = frozenset({Phase.STARTED, Phase.BACKFILLING}) | _COPIED
_LEGAL: Final[Mapping[Step, frozenset[Phase]]] = {
    Step.START: frozenset({Phase.NONE, Phase.STARTING, Phase.ABANDONED}) | _ON_SOURCE,
    Step.BACKFILL: _ON_SOURCE,
    Step.VERIFY: _COPIED | {Phase.CUT_OVER},
    Step.CUTOVER: frozenset({Phase.VERIFIED, Phase.CUT_OVER}),
    Step.ROLLBACK: frozenset({Phase.CUT_OVER, Phase.ROLLED_BACK}),
    Step.ABANDON: frozenset({Phase.STARTING, Phase.ABANDONED}) | _ON_SOURCE,
    Step.FINISH: frozenset({Phase.CUT_OVER, Phase.FINISHED}),
    Step.RUN: frozenset({Phase.NONE, Phase.STARTING, Phase.ABANDONED}) | _ON_SOURCE,
}
_NEXT: Final[Mapping[Phase, str]] = {
    Phase.NONE: "bifrost-store migrate start",
    Phase.STARTING: "bifrost-store migrate start",
    Phase.STARTED: "bifrost-store migrate backfill",
    Phase.BACKFILLING: "bifrost-store migrate backfill",
    Phase.BACKFILLED: "bifrost-store migrate verify",
    Phase.VERIFIED: "bifrost-store migrate cutover",
    Phase.CUT_OVER: f"bifrost-store migrate finish, {ROLLBACK_DAYS} days from the cut-over; rollback until then if need be",
    Phase.ROLLED_BACK: "bifrost-store migrate verify",
    Phase.ABANDONED: "bifrost-store migrate start, to begin again",
    Phase.FINISHED: "set BIFROST_STORE_BACKEND=cosmos everywhere; the first store is no longer used",
}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)


class Verified(_Value):
    """What the last verification found.

    Attributes:
        began_at, ended_at: By the operator's clock.
        epoch: The highest of the control document when it began: a later hand-over makes it worthless.
        counts: In total: same, differs, only_primary, only_secondary, could_not_check, expired.
        kinds: The same per kind.
        open_count: Differences that are left, after repair where that was wished.
    """

    began_at: datetime
    ended_at: datetime
    epoch: int
    counts: dict[str, int]
    kinds: dict[str, dict[str, int]]
    open_count: int


class Backfilled(_Value):
    """What the last complete backfill did.

    Attributes:
        ended_at: By the operator's clock.
        counts: Records by what became of them.
    """

    ended_at: datetime
    counts: dict[str, int]


class MigrationState(_Value):
    """Where a migration stands.

    Attributes:
        schema_version: Shape of this value.
        migration_id: The same as in the control documents.
        source, target: Backend names: where the data was before ``start``, and where it is to go.
        phase: See `Phase`.
        changed_at: When the phase began, by the operator's clock.
        runner: Host and process of the operator who changed it last: for people.
        keep_expired: Executions past their retention are carried, without expiry.
        progress: Of what is under way, by its name: cursors that only it reads.
        backfill, verification: The last that ran to their end.
        cut_over_at: When the last scope was cut over, or first seen so.
    """

    schema_version: Literal[1] = 1
    migration_id: str
    source: str
    target: str
    phase: Phase = Phase.NONE
    changed_at: datetime
    runner: str | None = None
    keep_expired: bool = False
    progress: Mapping[str, dict[str, Any]] = {}
    backfill: Backfilled | None = None
    verification: Verified | None = None
    cut_over_at: datetime | None = None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the state that a stored *body* is.

        Raises:
            CorruptDocumentError: It is none of this version.
        """
        try:
            return cls.model_validate_json(dump_json(dict(body)))
        except ValidationError as error:
            raise CorruptDocumentError(
                f"the state of the migration cannot be read, it may be of a newer release of this library: {error}"
            ) from error

    def body(self) -> Body:
        """Return the body to be stored."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def next(self) -> str:
        """What the operator may do now: a command, or a sentence."""
        return _NEXT[self.phase]

    def check(self, step: Step) -> None:
        """Refuse *step* where it is not its turn.

        Raises:
            MigrationRefusedError: It is not; the message names the phase and what comes next.
        """
        if self.phase not in _LEGAL[step]:
            raise MigrationRefusedError(f"{step} cannot be done in phase {self.phase}", next_step=self.next)

    def at(self, phase: Phase, now: datetime) -> Self:
        """Return the state in *phase*; unchanged if it is in it already."""
        return self if phase is self.phase else self.model_copy(update={"phase": phase, "changed_at": now})

    def seen(self, control: Control | None, now: datetime) -> Self:
        """Return the state that agrees with *control*, which decides: who committed may have been killed before saying so here."""
        phase = self.phase if control is None else self._phase_of(control)
        state = self.at(phase, now)
        if phase in (Phase.CUT_OVER, Phase.FINISHED) and (phase is not self.phase or state.cut_over_at is None):
            was_cut_over = self.phase is Phase.CUT_OVER and self.cut_over_at is not None
            return state if was_cut_over else state.model_copy(update={"cut_over_at": now})
        if phase in (Phase.ABANDONED, Phase.STARTED) and phase is not self.phase:
            # What was carried over is no longer what the source holds.
            return state.model_copy(update={"backfill": None, "verification": None, "progress": {}, "cut_over_at": None})
        return state

    def _phase_of(self, control: Control) -> Phase:
        routes = list(control.routes.values())
        if control.finished:
            return Phase.FINISHED
        if any(route.primary == self.target for route in routes):
            return Phase.CUT_OVER
        if all(route.secondary is None for route in routes):
            return Phase.STARTING if self.phase in (Phase.NONE, Phase.STARTING) else Phase.ABANDONED
        if self.phase in (Phase.NONE, Phase.STARTING, Phase.ABANDONED):
            return Phase.STARTED
        return Phase.ROLLED_BACK if self.phase is Phase.CUT_OVER else self.phase

    def days_left(self, now: datetime) -> int | None:
        """Return how many days rolling back is promised still; None where nothing is cut over."""
        if self.phase is not Phase.CUT_OVER or self.cut_over_at is None:
            return None
        return max(0, -(-(self.cut_over_at + timedelta(days=ROLLBACK_DAYS) - now) // timedelta(days=1)))

    def kept_until(self) -> datetime | Literal["later"] | None:
        """Return until when nothing of the old application may be purged: ``later`` while that is open, None if it may be now."""
        if self.phase in (Phase.NONE, Phase.ABANDONED):
            return None
        if self.cut_over_at is None or self.phase not in (Phase.CUT_OVER, Phase.FINISHED):
            return "later"
        return self.cut_over_at + timedelta(days=KEPT_DAYS)


class Progress(Protocol):
    """Where something long remembers how far it is, so that it can be killed at any time."""

    async def load(self) -> dict[str, Any] | None:
        """Return what was saved last, or None."""
        ...

    async def save(self, values: dict[str, Any]) -> None:
        """Save *values* in place of what was saved.

        Raises:
            MigrationRefusedError: Somebody else has changed the migration's state since: stop, they go on.
        """
        ...


@dataclass(frozen=True, slots=True)
class Saved:
    """The state as it was read or written, for a compare-and-set."""

    state: MigrationState
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
        """Return what is stored now, or None; later changes are made to exactly that."""
        record = await self._backend.get(STATE_KEY)
        self._saved = None if record is None else Saved(MigrationState.parse(record.body), record)
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

    async def _write(self, state: MigrationState) -> MigrationState:
        if self._saved is not None and self._saved.state == state:
            return state
        body = state.body()
        try:
            if self._saved is None:
                record = await self._backend.create(Record(STATE_KEY, body))
            else:
                record = await self._backend.replace(self._saved.record.with_body(body), self._saved.record.etag)
        except (PreconditionFailedError, DocumentExistsError, DocumentNotFoundError, OutcomeUnknownError) as error:
            record = await self._own(body, error)
        self._saved = Saved(state, record)
        return state

    async def _own(self, body: Body, error: Exception) -> Record:
        """Return the stored record if it is what was to be written, its answer having been lost."""
        record = await self._backend.get(STATE_KEY)
        if record is not None and record.body == body:
            return record
        found = "gone" if record is None else f"in phase {MigrationState.parse(record.body).phase}"
        raise MigrationRefusedError(
            f"another operator has changed the migration meanwhile: it is {found} now; this run stopped, and nothing is lost",
            next_step="bifrost-store migrate status",
        ) from error

    def progress(self, name: str) -> StateProgress:
        """Return the part of the state that *name* keeps its cursors in."""
        return StateProgress(self, name)

    @property
    def state(self) -> MigrationState:
        """What was read or written last. It must have been there."""
        assert self._saved is not None
        return self._saved.state


class StateProgress:
    """A `Progress` inside of the state."""

    def __init__(self, store: StateStore, name: str) -> None:
        self._store = store
        self._name = name

    async def load(self) -> dict[str, Any] | None:
        return self._store.state.progress.get(self._name)

    async def save(self, values: dict[str, Any]) -> None:
        await self._store.write_progress(self._name, values)
