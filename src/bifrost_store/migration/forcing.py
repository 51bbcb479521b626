"""What ``--force`` does where a store is lost: it does not answer, takes no writes, or has no copy of the control document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from bifrost_store.core.retention import Retention
from bifrost_store.errors import MigrationRefusedError, StoreError
from bifrost_store.migration.handover import Coordinator, check_flags
from bifrost_store.migration.outcome import PhaseReport, Plan
from bifrost_store.migration.plans import destination_of, keys_to_move, lines_of_move, next_of, plan_of_loss, plan_of_takeover
from bifrost_store.migration.remedies import remedy_of_absence
from bifrost_store.migration.routes import known
from bifrost_store.migration.standing import Standing
from bifrost_store.migration.state import STATUS, MigrationState, Phase, Step
from bifrost_store.migration.takeover import refuses_writes, take_over
from bifrost_store.routing.control import Control
from bifrost_store.routing.copies import Copy
from bifrost_store.routing.membership.lease_rows import LeaseRows

_STEPS: Final = frozenset({Step.CUTOVER, Step.ROLLBACK, Step.FINISH})


class Forced:
    """Carries out the steps that go on without a store.

    Args:
        standing: Knows where the migration stands.
        coordinator: Makes one that carries out hand-overs.
        retention: Returns the retention that is recorded, or would be now.
    """

    def __init__(
        self, standing: Standing, coordinator: Callable[[], Coordinator], retention: Callable[[], Retention | None]
    ) -> None:
        self._standing = standing
        self._coordinator = coordinator
        self._retention = retention

    async def reason(self, step: Step, *, force: bool, may_write: bool) -> str | None:
        """Return why *step* is carried out without the store that it leaves; None if it is not forced, or that store can answer.

        Args:
            may_write: Find out whether that store takes writes, by one that changes nothing.
        """
        if step not in _STEPS or not (force or step is Step.FINISH):
            return None
        standing, store = self._standing, self._lost(step)
        reason = await standing.lost(store)
        is_over = standing.control is not None and standing.control.finished
        if reason is not None or not force or not may_write or is_over:
            return reason if force or is_over else None
        found = await standing.copies.answer(store)
        refused = await refuses_writes(standing.copies, found) if isinstance(found, Copy) and step is not Step.FINISH else None
        return None if refused is None else f"{store} takes no writes: {refused}"

    async def plan(self, step: Step, reason: str) -> Plan:
        """Return what the forced *step* does."""
        if step is not Step.FINISH:
            return plan_of_takeover(step, self._lost(step), self._successor(step), reason)
        state, control = await self._finishing()
        return await self._plan_of_loss(state, keys_to_move(control, destination_of(step, state), ()), reason)

    async def carry_out(self, step: Step, reason: str) -> PhaseReport:
        """Do what `plan` tells.

        Raises:
            MigrationRefusedError: The store answers after all, or the other one does not hold what it answers for.
            BackendError: The other store does not answer.
        """
        return await (self._finish(reason) if step is Step.FINISH else self._take_over(step))

    async def _finishing(self) -> tuple[MigrationState, Control]:
        """Return where the migration stands, seen from the target alone.

        Raises:
            MigrationRefusedError: The target does not answer for every scope.
        """
        standing = self._standing
        state = await standing.look_without_source()
        if away := standing.copies.away.get(standing.target):
            raise away
        standing.refuse(Step.FINISH, state, without=standing.source)
        control = known(standing.control)
        if state.phase is Phase.CUT_OVER and any(route.primary == standing.source for route in control.routes.values()):
            raise MigrationRefusedError(
                f"{standing.source} is still what answers for some scopes",
                next_steps=remedy_of_absence(standing.source, state, control),
            )
        state.check(Step.FINISH)
        return state, control

    async def _plan_of_loss(self, state: MigrationState, keys: Sequence[str], reason: str) -> Plan:
        """Return what `finish` does with *keys*, those that the lost store still is a part of.

        Raises:
            MigrationRefusedError: The flag of a process names the lost store.
        """
        if not keys:
            return Plan(Step.FINISH, state.phase, ("nothing to do: it is finished",), is_done=True)
        target = self._standing.copies.stores[self._standing.target]
        check_flags([row async for row in LeaseRows(target).all()], self._standing.target)
        return plan_of_loss(state, reason)

    async def _finish(self, reason: str) -> PhaseReport:
        standing, step = self._standing, Step.FINISH
        state, control = await self._finishing()
        place = destination_of(step, state)
        keys = keys_to_move(control, place, ())
        plan = await self._plan_of_loss(state, keys, reason)
        lines, more = [*plan.lines], {}
        if not plan.is_done:
            done = await self._coordinator().hand_over(place.kind, keys, place.after)
            lines = [*lines_of_move(step, place, keys, control, done), *plan.lines[:-1]]
            more = {"hand_over": done.values(), "given_up": standing.source}
        state = await standing.note()
        return PhaseReport(step, state.phase, True, next_of(state, standing.control), tuple(lines), more)

    async def _take_over(self, step: Step) -> PhaseReport:
        """Let the other store answer for what the dead one answered for."""
        standing, dead, successor = self._standing, self._lost(step), self._successor(step)
        coordinator = self._coordinator()
        lost = standing.lost_copy(successor, dead, self._retention())
        done = await take_over(
            standing.copies,
            dead=dead,
            successor=successor,
            gives_up=step is Step.ROLLBACK,
            lost=lost,
            timing=coordinator.timing,
            tell=coordinator.tell,
        )
        lines = [f"{successor} answers for everything that {dead} answered for", done.told]
        phase = Phase.CUT_OVER if step is Step.CUTOVER else Phase.ROLLED_BACK
        try:
            phase = (await standing.note()).phase
        except StoreError as error:
            lines.append(f"the phase is noted when {standing.source} answers again: {error}")
        return PhaseReport(step, phase, True, (STATUS,), tuple(lines), {"hand_over": asdict(done)})

    def _lost(self, step: Step) -> str:
        return self._standing.target if step is Step.ROLLBACK else self._standing.source

    def _successor(self, step: Step) -> str:
        return self._standing.source if step is Step.ROLLBACK else self._standing.target
