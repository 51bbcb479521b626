"""The phases of a migration as operators ask for them. Each can be interrupted, repeated, and asked for in two places at once."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.retention import Recorded, Retention
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.errors import BackendError, MigrationRefusedError
from bifrost_store.migration.backfill import Backfill
from bifrost_store.migration.expiry import Dropped, dropped_by, retention_line, with_drop
from bifrost_store.migration.findings import details, verified
from bifrost_store.migration.handover import Coordinator
from bifrost_store.migration.outcome import PhaseReport, Plan, Tell, ToldProgress, tell_nobody
from bifrost_store.migration.plans import destination_of, keys_to_move, next_of, plan_of, plan_of_takeover
from bifrost_store.migration.rehearsal import Rehearsal
from bifrost_store.migration.routes import directions, known, newest, pair_of
from bifrost_store.migration.starting import start
from bifrost_store.migration.state import Backfilled, MigrationState, Options, Phase, Progress, Step
from bifrost_store.migration.state_store import StateStore
from bifrost_store.migration.status import MigrationStatus, store_status
from bifrost_store.migration.takeover import take_over
from bifrost_store.migration.target import make_ready
from bifrost_store.migration.throttle import Budget
from bifrost_store.migration.verify import Verification, VerificationReport
from bifrost_store.routing.control import Control
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.lease_rows import Timing
from bifrost_store.wrappers.journal import Journal

_REPAIR: Final = "bifrost-store migrate verify --repair"


class Migration:
    """One operator's hands on a migration; made by `open_migration`.

    Args:
        stores: The two stores by backend name, addressed directly.
        source, target: Where the data is before it, and where it is to go.
        specs: Every kind that the stores know.
        folder: Where reports and rejected rows are written.
        request_units: What the backfill may use of the target a second; None: what it gives.
        retention: Recorded at the start for executions of the old application; None: they stay for good.
        recorded: What the stores know of the retention that was recorded; told here.
        timing: Of all processes of the migration.
        clock: Tells the time of reports, and the age of a verification.
        tell: Hears what happens meanwhile.

    Attributes:
        phase: The phase as it was seen last; None before anything was asked.
    """

    def __init__(
        self,
        stores: Mapping[str, Backend],
        *,
        source: str,
        target: str,
        specs: Specs,
        folder: Path,
        request_units: float | None = None,
        retention: timedelta | None = None,
        recorded: Recorded | None = None,
        timing: Timing | None = None,
        clock: Clock = utc_now,
        tell: Tell = tell_nobody,
    ) -> None:
        self._stores = stores
        self._source = source
        self._target = target
        self._specs = specs
        self._folder = folder
        self._request_units = request_units
        self._retention = retention
        self._recorded = recorded or Recorded()
        self._timing = timing or Timing()
        self._now = clock
        self._tell = tell
        self.phase: Phase | None = None
        self._control: Control | None = None
        self._state = StateStore(stores[source])
        self._copies = ControlCopies(stores)

    async def start(self, *, options: Options | None = None) -> PhaseReport:
        """Make the second store ready, tell every process, and let all writes go to both from here on.

        Args:
            options: Of the backfill that follows, if they are known already.

        Raises:
            MigrationRefusedError: The target is not as it must be, or holds something else.
        """
        state, _ = await self._standing()
        state.check(Step.START)
        if state.phase not in (Phase.NONE, Phase.STARTING, Phase.ABANDONED):
            state = await self._note()
            return self._report(Step.START, state, ok=True, lines=["started already: every write goes to both stores"])
        lines = [await make_ready(self._stores[self._target], self._target)]
        if options is not None:
            state = state.told(Step.RUN, options)
        state = await self._state.write(self._by_me(state).at(Phase.STARTING, self._now()))
        await self._state.copy_to(self._stores[self._target])
        retention = None if self._retention is None else Retention(self._retention, self._now())
        names = {"source": self._source, "target": self._target, "migration_id": state.migration_id}
        done = await start(self._coordinator(), **names, retention=retention)
        state = await self._note()
        lines += ["every write goes to both stores from here on", retention_line(self._recorded.retention)]
        return self._report(Step.START, state, ok=state.phase is Phase.STARTED, lines=lines, hand_over=asdict(done))

    async def backfill(self, *, drop_expired: bool = False) -> PhaseReport:
        """Carry over everything that readers see; goes on where an earlier run stopped.

        Args:
            drop_expired: Leave out executions of the old application that are past their retention, though readers see them.
        """
        state, control = await self._standing()
        state.check(Step.BACKFILL)
        state = self._with_drop(state.told(Step.BACKFILL, Options(drop_expired=drop_expired)))
        epoch = known(control).highest_epoch
        if state.phase is not Phase.BACKFILLING:
            state = state.model_copy(update={"progress": {}})
        await self._state.write(self._by_me(state).at(Phase.BACKFILLING, self._now()))
        work = Backfill(
            self._stores[self._source],
            self._stores[self._target],
            specs=self._specs,
            clock=self._now,
            progress=self._progress("backfill"),
            budget=Budget(self._request_units),
            dropped=dropped_by(state, self._specs, self._recorded.retention),
            folder=self._folder,
            is_current=lambda: self._is_current(epoch),
            epoch_of=lambda scope: known(control).route_of(scope).epoch,
        )
        done = await work.run()
        counts = done.counts
        if done.ok:
            summary = Backfilled(ended_at=self._now(), counts=counts)
            state = self._state.state.at(Phase.BACKFILLED, self._now())
            state = await self._state.write(state.model_copy(update={"backfill": summary, "progress": {}, "verification": None}))
        return self._report(Step.BACKFILL, self._state.state, ok=done.ok, lines=done.lines(), **done.values())

    async def verify(self, *, repair: bool = False) -> PhaseReport:
        """Compare every record of both stores.

        Args:
            repair: Make the secondary what the primary is wherever they differ.
        """
        state, control = await self._standing()
        state.check(Step.VERIFY)
        began_at, control = self._now(), known(control)
        state = await self._state.write(self._by_me(state))
        dropped = dropped_by(self._with_drop(state), self._specs, self._recorded.retention)
        found = [await self._compare(control, pair, dropped, repair=repair) for pair in directions(control)]
        summary = verified(found, began_at=began_at, ended_at=self._now(), epoch=control.highest_epoch)
        is_open = summary.open_count > 0
        state = self._state.state.model_copy(update={"verification": summary, "progress": {}})
        if state.phase is not Phase.CUT_OVER:
            state = state.at(Phase.BACKFILLED if is_open else Phase.VERIFIED, self._now())
        state = await self._state.write(state)
        lines = [line for report in found for line in report.lines()]
        next_step = _REPAIR if is_open else None
        return self._report(Step.VERIFY, state, ok=not is_open, lines=lines, next_step=next_step, **details(found, summary))

    async def cutover(self, scopes: Sequence[Scope] = (), *, force: bool = False) -> PhaseReport:
        """Let the second store answer, for *scopes* or all; the first is told of every write.

        Args:
            scopes: Those that go now; by default all that have not gone.
            force: Only where the first store is dead: without any check, and what it alone holds may be lost.

        Raises:
            MigrationRefusedError: A check fails; its reasons say which.
        """
        return await self._move(Step.CUTOVER, scopes, force=force)

    async def rollback(self, scopes: Sequence[Scope] = (), *, force: bool = False) -> PhaseReport:
        """Let the first store answer again; the second is told of every write.

        Args:
            scopes: Those that go back; by default all that were cut over.
            force: Also where the second store is dead, or processes that died left something open, which may be lost.
        """
        return await self._move(Step.ROLLBACK, scopes, force=force)

    async def abandon(self) -> PhaseReport:
        """Leave the first store alone again; the second need not be reachable. Deletes nothing."""
        return await self._move(Step.ABANDON)

    async def finish(self, *, force: bool = False) -> PhaseReport:
        """Leave the second store alone. Deletes nothing.

        Args:
            force: Also less than 30 days after the last cut-over.
        """
        return await self._move(Step.FINISH, force=force)

    async def run(self, *, drop_expired: bool = False) -> PhaseReport:
        """Go from wherever the migration is to verified: start, backfill, verify. Stops at the first that does not succeed.

        Args:
            drop_expired: See `backfill`.
        """
        state, _ = await self._standing()
        state.check(Step.RUN)
        options = Options(drop_expired=drop_expired)
        self._with_drop(state.told(Step.RUN, options))
        report = await self.start(options=options)
        if report.ok and report.phase in (Phase.STARTED, Phase.BACKFILLING):
            report = await self.backfill(drop_expired=drop_expired)
        return await self.verify() if report.ok else report

    async def plan(self, step: Step, scopes: Sequence[Scope] = (), *, force: bool = False, options: Options | None = None) -> Plan:
        """Return what a step would do now, and why it would be refused, as far as can be told without trying. Changes nothing.

        Args:
            scopes, force: Of a hand-over.
            options: Of a backfill, or of `run`.

        Raises:
            MigrationRefusedError: It is not the step's turn.
        """
        if force and step in (Step.CUTOVER, Step.ROLLBACK) and await self._is_dead(self._from(step)):
            return plan_of_takeover(step, self._from(step), self._heir(step))
        state, control = await self._standing(reads_only=True)
        state.check(step)
        if options is not None:
            state = self._with_drop(state.told(step, options))
        if step in (Step.START, Step.BACKFILL, Step.VERIFY, Step.RUN):
            return await self._rehearsal().plan(step, state, control)
        return await self._plan(step, state, known(control), scopes, force=force)

    def _rehearsal(self) -> Rehearsal:
        period = self._retention
        retention = self._recorded.retention or (None if period is None else Retention(period, self._now()))
        return Rehearsal(self._stores, self._specs, self._now(), retention, self._request_units)

    async def status(self) -> MigrationStatus:
        """Return where the migration stands. Changes nothing; a store that does not answer is told as such."""
        copies = await self._copies.readable()
        control = newest(copies)
        try:
            state = await self._state.read()
        except BackendError:
            state = None
        now = self._now()
        stores = {name: await store_status(backend) for name, backend in self._stores.items()}
        return MigrationStatus(None if state is None else state.seen(control, now), control, stores, now)

    async def _move(self, step: Step, scopes: Sequence[Scope] = (), *, force: bool = False) -> PhaseReport:
        if force and step in (Step.CUTOVER, Step.ROLLBACK) and await self._is_dead(self._from(step)):
            return await self._take_over(step)
        state, control = await self._standing()
        state.check(step)
        control = known(control)
        plan = await self._plan(step, state, control, scopes, force=force)
        if plan.obstacles:
            raise MigrationRefusedError(f"{step} is refused", reasons=plan.obstacles, next_step=plan.next)
        more: dict[str, Any] = {}
        if not plan.is_done:
            place = destination_of(step, state)
            keys = keys_to_move(control, place, scopes)
            more["hand_over"] = asdict(await self._coordinator().hand_over(place.kind, keys, place.after, force=force))
        state = await self._note(moved=step is Step.CUTOVER and not plan.is_done)
        return self._report(step, state, ok=True, lines=plan.lines, **more)

    def _from(self, step: Step) -> str:
        return self._source if step is Step.CUTOVER else self._target

    def _heir(self, step: Step) -> str:
        return self._target if step is Step.CUTOVER else self._source

    async def _take_over(self, step: Step) -> PhaseReport:
        """Let the other store answer for what the dead one answered for."""
        dead = self._from(step)
        heir = self._heir(step)
        done = await take_over(self._copies, dead=dead, heir=heir, timing=self._timing, tell=self._tell)
        lines = [
            f"{heir} answers for everything that {dead} answered for",
            f"no process may reach {dead} before this library has raised its control document, which the first that opens it does",
        ]
        phase = Phase.CUT_OVER if step is Step.CUTOVER else Phase.ROLLED_BACK
        try:
            phase = (await self._note()).phase
        except BackendError as error:
            lines.append(f"the phase is noted when {self._source} answers again: {error}")
        return PhaseReport(step, phase, True, "bifrost-store migrate status", tuple(lines), {"hand_over": asdict(done)})

    async def _is_dead(self, store: str) -> bool:
        try:
            await self._copies.read(store)
        except BackendError as error:
            return error.is_retryable
        return False

    async def _plan(self, step: Step, state: MigrationState, control: Control, scopes: Sequence[Scope], *, force: bool) -> Plan:
        place = destination_of(step, state)
        keys = keys_to_move(control, place, scopes)
        try:
            journal = await Journal(self._stores[place.before[0]]).count() if keys else 0
        except BackendError:
            journal = 0
        return plan_of(step, state, control, keys, now=self._now(), force=force, journal=journal)

    async def _compare(
        self, control: Control, pair: tuple[str, str], dropped: Dropped | None, *, repair: bool
    ) -> VerificationReport:
        primary, secondary = pair
        work = Verification(
            self._stores[primary],
            self._stores[secondary],
            specs=self._specs,
            clock=self._now,
            progress=self._progress(f"verify {primary} first"),
            dropped=dropped,
            folder=self._folder,
            name=f"differences-of-{secondary}.jsonl",
            is_current=lambda: self._is_current(control.highest_epoch),
            epoch_of=lambda scope: control.route_of(scope).epoch,
            includes=lambda scope: pair_of(control.route_of(scope)) == pair,
        )
        return await work.run(repair=repair)

    def _with_drop(self, state: MigrationState) -> MigrationState:
        return with_drop(state, self._recorded.retention, now=self._now(), period=self._retention)

    def _progress(self, name: str) -> Progress:
        return ToldProgress(self._state.progress(name), name, self._tell)

    async def _is_current(self, epoch: int) -> bool:
        control = newest(await self._copies.look())
        return control is not None and control.highest_epoch == epoch

    async def _standing(self, *, reads_only: bool = False) -> tuple[MigrationState, Control | None]:
        """Return where the migration stands, as the control document has it; what copies lack is written, unless *reads_only*."""
        saved = await self._state.read()
        copies = await (self._copies.readable() if reads_only else self._copies.look())
        control = self._control = newest(copies)
        state = saved or self._fresh()
        if control is not None and control.migration_id != state.migration_id:
            if saved is not None or self._source not in copies:
                raise _other(control, self._target)
            state = state.model_copy(update={"migration_id": control.migration_id})
        state = state.seen(control, self._now())
        self.phase = state.phase
        self._recorded.retention = None if control is None else control.retention
        return state, control

    async def _note(self, *, moved: bool = False) -> MigrationState:
        """Save the phase that the control document has now; *moved*: scopes were cut over just now."""
        now = self._now()
        saved, copies = await self._state.read(), await self._copies.look()
        self._control = newest(copies)
        self._recorded.retention = None if self._control is None else self._control.retention
        state = (saved or self._fresh()).seen(self._control, now)
        if moved:
            state = state.model_copy(update={"cut_over_at": now})
        if state != saved:
            state = await self._state.write(self._by_me(state))
        self.phase = state.phase
        with contextlib.suppress(BackendError):
            await self._state.copy_to(self._stores[self._target])
        return state

    def _report(
        self, step: Step, state: MigrationState, *, ok: bool, lines: Sequence[str], next_step: str | None = None, **details: Any
    ) -> PhaseReport:
        return PhaseReport(step, state.phase, ok, next_step or next_of(state, self._control), tuple(lines), details)

    def _fresh(self) -> MigrationState:
        return MigrationState(migration_id=uuid.uuid4().hex, source=self._source, target=self._target, changed_at=self._now())

    def _by_me(self, state: MigrationState) -> MigrationState:
        return state.model_copy(update={"runner": f"{socket.gethostname()} {os.getpid()}"})

    def _coordinator(self) -> Coordinator:
        return Coordinator(self._copies, self._stores, self._specs, report=self._tell, timing=self._timing)


def _other(control: Control, target: str) -> MigrationRefusedError:
    return MigrationRefusedError(
        f"the control document of {control.store} is of another migration, {control.migration_id}",
        next_step=f"name another database for {target}; or find out which account was restored or copied",
    )
