"""Where a migration stands: one versioned value. Only this file knows which step is legal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import override

from bifrost_store.core.json import dump_loaded
from bifrost_store.core.record import Body
from bifrost_store.errors import CorruptDocumentError, MigrationRefusedError, NextStep
from bifrost_store.migration.stored import Count, Epoch, Time, UnderWay
from bifrost_store.routing.control import Control, problems_of

SCHEMA_VERSION: Final = 1
ROLLBACK_DAYS: Final = 30
"""Days after the last cut-over before which ``finish`` wants to be forced."""
KEPT_DAYS: Final = 90
"""Days after the last cut-over before which nothing of the old application is purged."""
LOST_EPOCHS: Final = 1000
"""Where the control documents are lost, the state knows an epoch, and commits since may not have been noted in it."""
_KEPT_MOMENTS: Final = 100
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
    """The second store answers, for some scopes at least; the first receives every write too."""
    ROLLED_BACK = "rolled-back"
    """The first store answers again, for all scopes; the second receives every write too."""
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
_NEXT: Final[Mapping[Phase, Step]] = {
    Phase.NONE: Step.START,
    Phase.STARTING: Step.START,
    Phase.STARTED: Step.BACKFILL,
    Phase.BACKFILLING: Step.BACKFILL,
    Phase.BACKFILLED: Step.VERIFY,
    Phase.VERIFIED: Step.CUTOVER,
    Phase.ROLLED_BACK: Step.VERIFY,
    Phase.ABANDONED: Step.START,
}
_WITH_OPTIONS: Final = frozenset({Step.BACKFILL, Step.RUN})
"""The steps that are told what shapes the result."""


STATUS: Final = NextStep(step="status")
"""See where the migration stands."""


def forced(step: Step, text: str = "") -> NextStep:
    """Return *step* as one that is to be forced."""
    return NextStep(text, step, {"force": True})


def repairing(text: str = "") -> NextStep:
    """Return the comparison of both stores that makes the secondary what the primary is."""
    return NextStep(text, Step.VERIFY, {"repair": True})


class _Value(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Options(_Value):
    """What shapes the result of a migration: as its first backfill was told, and the same until it is abandoned.

    Attributes:
        drop_expired: Executions past their retention are left out, though readers see them; else what readers see is carried.
    """

    drop_expired: bool = False

    @property
    def arguments(self) -> dict[str, object]:
        """As arguments of a step; nothing for what is the default."""
        return {"drop_expired": True} if self.drop_expired else {}

    @override
    def __str__(self) -> str:
        """As the end of a sentence that begins with what was asked for."""
        return "to leave out executions past their retention" if self.drop_expired else "to carry everything that readers see"


class Verified(_Value):
    """What the last verification found.

    Attributes:
        began_at, ended_at: Times by the operator's clock.
        epoch: The highest of the control document when it began: a later hand-over makes it worthless.
        counts: In total: same, differs, only_primary, only_secondary, could_not_check, expired.
        kinds: The same per kind.
        open_count: Differences that are left, after repair where that was wished.
    """

    began_at: Time
    ended_at: Time
    epoch: Epoch
    counts: dict[str, Count]
    kinds: dict[str, dict[str, Count]]
    open_count: Count


class Backfilled(_Value):
    """What the last complete backfill did.

    Attributes:
        ended_at: The time by the operator's clock.
        counts: Records by what became of them.
        kinds: The same per kind, but for what cannot be read; empty where an earlier release carried it out.
    """

    ended_at: Time
    counts: dict[str, Count]
    kinds: dict[str, dict[str, Count]] = {}


class Moment(_Value):
    """When a phase began, by the operator's clock."""

    phase: Phase
    at: Time


class Running(_Value):
    """A backfill or a verification that was begun and has not come to its end.

    Attributes:
        step: The step.
        runner: Host and process id of whoever carries it out.
        began_at, seen_at: When it began, and when there was the last sign of life, by the operator's clock.
        is_over: Whether it was given up, by an error or an interruption.
    """

    step: Step
    runner: str
    began_at: Time
    seen_at: Time
    is_over: bool = False


class Asked(_Value):
    """A hand-over that was begun, until it is known to have ended: the same command goes on with it.

    Attributes:
        step: The step.
        scopes: Their partition keys; none: all.
    """

    step: Step
    scopes: tuple[str, ...] = ()

    @property
    def again(self) -> NextStep:
        """The same once more."""
        return NextStep(step=self.step, options={"scopes": self.scopes} if self.scopes else {})


class MigrationState(_Value):
    """Where a migration stands.

    Attributes:
        schema_version: Shape of this value.
        migration_id: The same as in the control documents; another for each pair of stores.
        replaces: The id that it takes the place of, until all control documents have it.
        source, target: Backend names: where the data was before ``start``, and where it is to go.
        phase: See `Phase`.
        changed_at: When the phase began, by the operator's clock.
        runner: Host and process of the operator who changed it last: for people.
        options: What shapes the result; None until a backfill, or `run`, was told.
        dropped_before: The latest last change of the executions that are left out; None where none are.
        progress: Cursors of what is under way, by its name; only it reads them.
        backfill, verification: The last that ran to their end.
        cut_over_at: When the last scope was cut over, or first seen so.
        asked: A hand-over that may be half done.
        running: A long step that may be under way.
        history: The phases, in order, the latest hundred.
        epoch: The highest of the control documents that was seen: what is left of them where both are lost.
    """

    schema_version: Literal[1] = 1
    migration_id: str
    replaces: str | None = None
    source: str
    target: str
    phase: Phase = Phase.NONE
    changed_at: Time
    runner: str | None = None
    options: Options | None = None
    dropped_before: Time | None = None
    progress: Mapping[str, UnderWay] = {}
    backfill: Backfilled | None = None
    verification: Verified | None = None
    cut_over_at: Time | None = None
    asked: Asked | None = None
    running: Running | None = None
    history: tuple[Moment, ...] = ()
    epoch: Epoch = 0

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the state that a stored *body* is.

        Raises:
            CorruptDocumentError: It is none of this version.
        """
        try:
            return cls.model_validate_json(dump_loaded(_of_older_shape(body)))
        except ValidationError as error:
            raise CorruptDocumentError(f"the state of the migration cannot be read: {problems_of(error)}") from error

    def body(self) -> Body:
        """Return the body to be stored."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def record_count(self) -> int | None:
        """About how many records there are: as many as the last verification met, or the backfill."""
        last = self.verification or self.backfill
        return None if last is None else sum(count for what, count in last.counts.items() if what != "no_longer_seen")

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        """What the operator may do now."""
        if self.asked is not None:
            return (self.asked.again,)
        if self.phase is Phase.FINISHED:
            return (NextStep(f"set BIFROST_STORE_BACKEND={self.target} everywhere; the first store is no longer used"),)
        if self.phase is Phase.CUT_OVER:
            finish = NextStep(f"{ROLLBACK_DAYS} days from the cut-over", Step.FINISH)
            return finish, NextStep("until then, if need be", Step.ROLLBACK)
        return (self.next_step(_NEXT[self.phase]),)

    def next_step(self, step: Step) -> NextStep:
        """Return *step* with the options that this migration has."""
        options = self.options if step in _WITH_OPTIONS else None
        return NextStep(step=step, options={} if options is None else options.arguments)

    def told(self, step: Step, options: Options) -> Self:
        """Return the state with the *options* that *step* is told.

        Raises:
            MigrationRefusedError: The migration has others.
        """
        if self.options is None or self.options == options:
            return self.model_copy(update={"options": options})
        raise MigrationRefusedError(
            f"this migration was begun {self.options}, and {step} is asked now {options}: what was carried so far would not fit; "
            "to choose again, abandon it, then begin again",
            next_steps=(self.next_step(step),),
        )

    def check(self, step: Step) -> None:
        """Refuse *step* where it is not its turn.

        Raises:
            MigrationRefusedError: It is not; the message names the phase and what comes next.
        """
        if self.phase not in _LEGAL[step]:
            raise MigrationRefusedError(f"{step} cannot be done in phase {self.phase}", next_steps=self.next_steps)

    def at(self, phase: Phase, now: datetime) -> Self:
        """Return the state in *phase*; unchanged if it is in it already."""
        if phase is self.phase:
            return self
        history = (*self.history, Moment(phase=phase, at=now))[-_KEPT_MOMENTS:]
        return self.model_copy(update={"phase": phase, "changed_at": now, "history": history})

    def seen(self, control: Control | None, now: datetime) -> Self:
        """Return the state that agrees with *control*, which decides: who committed may have been killed before saying so here."""
        phase = self.phase if control is None else self._phase_of(control)
        state = self.at(phase, now)
        if control is not None and control.highest_epoch > self.epoch:
            state = state.model_copy(update={"epoch": control.highest_epoch})
        if phase in (Phase.CUT_OVER, Phase.FINISHED) and (phase is not self.phase or state.cut_over_at is None):
            was_cut_over = self.phase is Phase.CUT_OVER and self.cut_over_at is not None
            return state if was_cut_over else state.model_copy(update={"cut_over_at": now})
        if phase in (Phase.ABANDONED, Phase.STARTED) and phase is not self.phase:
            # What was carried over is no longer what the source holds.
            state = state.without_results()
            return state.model_copy(update={"options": None}) if phase is Phase.ABANDONED else state
        return state

    @property
    def lost_epoch(self) -> int:
        """Above all that records were written under, for where no control document tells it any more; 0 before the first."""
        return self.epoch and self.epoch + LOST_EPOCHS

    def without_results(self) -> Self:
        """Return the state without what was done with the target as it was."""
        gone: dict[str, Any] = {"backfill": None, "verification": None, "progress": {}, "cut_over_at": None, "dropped_before": None}
        return self.model_copy(update=gone)

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


def _of_older_shape(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return *body* with the options as they were saved when they were one field: a migration outlives an upgrade in its midst."""
    values = dict(body)
    kept = values.pop("keepExpired", None)
    if kept is not None and values.get("phase") not in (Phase.NONE, Phase.STARTING, Phase.STARTED, Phase.ABANDONED):
        values["options"] = {"dropExpired": not kept}
    return values
