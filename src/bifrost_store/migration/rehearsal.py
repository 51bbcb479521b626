"""A step before the cut-over, gone through without changing anything: its checks, what it will meet, and what that takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.retention import Retention
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.expiry import dropped_by, retention_line
from bifrost_store.migration.outcome import Plan
from bifrost_store.migration.plans import lines_of_copying
from bifrost_store.migration.routes import directions, pair_of
from bifrost_store.migration.state import MigrationState, Phase, Step
from bifrost_store.migration.survey import CARRIED_A_SECOND, COMPARED_A_SECOND, Survey, survey, together
from bifrost_store.migration.target import remedy_of, unfit
from bifrost_store.routing.control import Control

_BEFORE_BACKFILL: Final = frozenset({Phase.NONE, Phase.STARTING, Phase.STARTED, Phase.ABANDONED, Phase.BACKFILLING})
_TO_START: Final = frozenset({Phase.NONE, Phase.STARTING, Phase.ABANDONED})
_START_SECONDS: Final = 60
_CORRECT: Final = (
    NextStep("correct the rows that are named, or delete them"),
    NextStep("to see what is left", "repair"),
)


@dataclass(slots=True)
class _Found:
    """What was found so far."""

    lines: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    next_steps: tuple[NextStep, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    request_units: float = 0.0
    seconds: float = 0.0

    def refuse(self, reasons: Sequence[str], next_steps: tuple[NextStep, ...]) -> None:
        """Note why the step would be refused; what to do about the first reason comes first."""
        if reasons:
            self.obstacles += reasons
            self.next_steps = self.next_steps or next_steps

    def takes(self, seconds: float, request_units: float, budget: float | None = None) -> None:
        """Note what a part of the step takes, which may use *budget* request units a second."""
        self.request_units += request_units
        self.seconds += max(seconds, request_units / budget if budget else 0.0)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One look ahead.

    Attributes:
        stores: The stores by backend name, addressed directly; they are only read.
        specs: Every kind that they know.
        now: The time by the operator's clock.
        retention: The retention that is recorded, or that ``start`` would record now.
        request_units: What the backfill may use a second; None: what the target gives.
    """

    stores: Mapping[str, Backend]
    specs: Specs
    now: datetime
    retention: Retention | None
    request_units: float | None

    async def plan(
        self,
        step: Step,
        state: MigrationState,
        control: Control | None,
        *,
        begins: bool = False,
        refused: MigrationRefusedError | None = None,
    ) -> Plan:
        """Return what *step* would do, why it would be refused, and what it takes.

        Args:
            begins: A store lacks its control document, so that `start` has something to do in any phase.
            refused: Why it is refused for what stores lack or hold.
        """
        parts = {Step.START, Step.BACKFILL, Step.VERIFY} if step is Step.RUN else {step}
        found = _Found(lines_of_copying(step, state))
        if refused is not None:
            found.refuse(refused.reasons, refused.next_steps or state.next_steps)
        if Step.START in parts and (begins or state.phase in _TO_START):
            await self._start(found, state)
        if Step.BACKFILL in parts and (step is Step.BACKFILL or state.phase in _BEFORE_BACKFILL):
            await self._backfill(found, state, compares=Step.VERIFY in parts)
        elif Step.VERIFY in parts and control is not None:
            await self._verify(found, state, control)
        if parts != {Step.VERIFY}:
            found.lines.append(retention_line(self.retention))
        estimate = {"request_units": round(found.request_units), "seconds": math.ceil(found.seconds)}
        takes = f"{estimate['seconds']:,} seconds and {found.request_units:,.0f} request units of {state.target}"
        found.lines.append(f"estimate: about {takes}; the step itself may take more, or less")
        next_steps, details = found.next_steps or (state.next_step(step),), {**found.details, **estimate}
        return Plan(step, state.phase, tuple(found.lines), tuple(found.obstacles), next_steps, details=details)

    async def _start(self, found: _Found, state: MigrationState) -> None:
        if differences := await unfit(self.stores[state.target]):
            found.refuse([f"{state.target} is not as it must be: {one}" for one in differences], (remedy_of(differences),))
        found.takes(_START_SECONDS, 0)

    async def _backfill(self, found: _Found, state: MigrationState, *, compares: bool) -> None:
        source = await self._survey(state, state.source)
        self._note(found, [source])
        if source.retained:
            found.lines.append(f"{source.retained:,} of them are executions that store no expiry")
        found.takes(source.total / CARRIED_A_SECOND, source.write_units, self.request_units)
        if compares:
            found.takes(source.total / COMPARED_A_SECOND, source.read_units)

    async def _verify(self, found: _Found, state: MigrationState, control: Control) -> None:
        primaries: list[Survey] = []
        secondaries: list[Survey] = []
        for primary, secondary in directions(control):
            pair = (primary, secondary)
            for name, side in ((primary, primaries), (secondary, secondaries)):
                one = await self._survey(state, name, lambda scope, pair=pair: pair_of(control.route_of(scope)) == pair)  # type: ignore[misc]
                side.append(one)
                found.takes(one.total / COMPARED_A_SECOND / len(pair), one.read_units if name == state.target else 0)
        self._note(found, primaries)
        for one in secondaries:
            found.lines.append(one.lines()[0])
            found.refuse(one.obstacles(), _CORRECT)
            found.details["unreadable"] += one.unreadable

    async def _survey(self, state: MigrationState, name: str, includes: Callable[[Scope], bool] = lambda scope: True) -> Survey:
        dropped = dropped_by(state, self.specs, self.retention)
        return await survey(
            self.stores[name], name, self.specs, now=self.now, dropped=dropped, retention=self.retention, includes=includes
        )

    def _note(self, found: _Found, surveys: Sequence[Survey]) -> None:
        """Note what holds the truth: one store, or for some scopes the one and for others the other."""
        found.details = together(surveys)
        for one in surveys:
            found.lines += one.lines()
            found.refuse(one.obstacles(), _CORRECT)
