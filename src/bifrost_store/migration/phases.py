"""The phases of a migration as operators ask for them. Each can be interrupted, repeated, and asked for in two places at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.handover import AfterHandover, nothing_more
from bifrost_store.core.retention import Recorded, Retention
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.spec import Specs
from bifrost_store.errors import BackendError, MigrationRefusedError, NextStep
from bifrost_store.migration.backfill import Backfill
from bifrost_store.migration.expiry import Dropped, dropped_by, retention_line, with_drop
from bifrost_store.migration.findings import details, verified
from bifrost_store.migration.forcing import Forced
from bifrost_store.migration.handover import Coordinator, check_flags
from bifrost_store.migration.outcome import PhaseReport, Plan, Tell, ToldProgress, tell_nobody
from bifrost_store.migration.plans import destination_of, keys_to_move, lines_of_move, next_of, plan_of
from bifrost_store.migration.rehearsal import Rehearsal
from bifrost_store.migration.routes import directions, known, newest, pair_of
from bifrost_store.migration.runners import running
from bifrost_store.migration.scopes import check_scopes
from bifrost_store.migration.standing import Standing
from bifrost_store.migration.starting import check_target, start
from bifrost_store.migration.state import Backfilled, MigrationState, Options, Phase, Step, repairing
from bifrost_store.migration.status import STATUS_SECONDS, MigrationStatus, status_of
from bifrost_store.migration.target import make_ready
from bifrost_store.migration.throttle import Budget
from bifrost_store.migration.totals import beside
from bifrost_store.migration.verify import Verification, VerificationReport
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.control import Control
from bifrost_store.routing.membership.lease_rows import LeaseRows
from bifrost_store.routing.timing import Timing


class Migration:
    """One operator's hands on a migration; made by `open_migration`.

    Args:
        stores: The two stores by backend name, addressed directly.
        source, target: The stores in which the data is before and after it.
        specs: Every kind that the stores know.
        folder: The folder for reports and rejected rows.
        request_units: What the backfill may use of the target a second; None: what it gives.
        retention: Recorded at the start for executions of the old application; None: they stay for good.
        recorded: What the stores know of the retention that was recorded; told here.
        timing: Durations that all processes of the migration use.
        clock: Tells the time of reports, and the age of a verification.
        tell: Hears what happens meanwhile.
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
        after_handover: AfterHandover = nothing_more,
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
        self._after_handover = after_handover
        self._standing = Standing(stores, source=source, target=target, clock=clock, recorded=self._recorded)
        self._state = self._standing.saved
        self._copies = self._standing.copies
        self._forced = Forced(self._standing, self._coordinator, lambda: self._retention_now)

    @property
    def phase(self) -> Phase | None:
        """The phase as it was seen last; None before anything was asked."""
        return self._standing.phase

    def ways_without(self) -> dict[str, NextStep]:
        """Return for each store that did not answer the step that goes on if it is gone for good, where there is one."""
        return self._standing.ways_without()

    async def start(self, *, options: Options | None = None) -> PhaseReport:
        """Make the second store ready, tell every process, and let all writes go to both from here on.

        Args:
            options: The options of the backfill that follows, if they are known already.

        Raises:
            MigrationRefusedError: The target is not as it must be, or holds something else.
        """
        state = await self._standing.look(begins=True)
        state.check(Step.START)
        if options is not None:
            state = state.told(Step.RUN, options)
        is_begun = state.phase not in (Phase.NONE, Phase.STARTING, Phase.ABANDONED)
        if is_begun and not self._standing.missing(state):
            state = await self._standing.note()
            return self._report(Step.START, state, ok=True, lines=["started already: every write goes to both stores"])
        state = await self._standing.paired(state)
        names = {"source": self._source, "target": self._target, "migration_id": state.migration_id}
        await check_target(self._copies, **names, epoch=state.lost_epoch)
        lines = [await make_ready(self._stores[self._target], self._target)]
        await self._standing.write(state if is_begun else state.at(Phase.STARTING, self._now()))
        done = await start(self._coordinator(), **names, epoch=state.lost_epoch, retention=self._retention_now)
        state = await self._standing.note()
        lines += ["every write goes to both stores from here on", retention_line(self._recorded.retention)]
        is_started = state.phase not in (Phase.STARTING, Phase.ABANDONED)
        return self._report(Step.START, state, ok=is_started, lines=lines, hand_over=done.values())

    async def backfill(self, *, drop_expired: bool = False) -> PhaseReport:
        """Carry over everything that readers see; goes on where an earlier run stopped.

        Args:
            drop_expired: Leave out executions of the old application that are past their retention, though readers see them.
        """
        state = await self._standing.look()
        state.check(Step.BACKFILL)
        self._standing.refuse(Step.BACKFILL, state)
        control = known(self._standing.control)
        state = self._with_drop(state.told(Step.BACKFILL, Options(drop_expired=drop_expired)))
        epoch = control.highest_epoch
        if state.phase is not Phase.BACKFILLING:
            state = state.model_copy(update={"progress": {}})
        progress = self._progress("backfill")
        work = Backfill(
            self._stores[self._source],
            self._stores[self._target],
            specs=self._specs,
            clock=self._now,
            progress=progress,
            budget=Budget(self._request_units),
            dropped=dropped_by(state, self._specs, self._recorded.retention),
            folder=self._folder,
            is_current=lambda: self._is_current(epoch),
            epoch_of=lambda scope: control.route_of(scope).epoch,
        )
        counted = beside(lambda: progress.count(self._stores[self._source], self._specs))
        async with running(self._state, state.at(Phase.BACKFILLING, self._now()), Step.BACKFILL, self._now), counted:
            done = await work.run()
        state = self._state.state.model_copy(update={"running": None})
        if done.ok:
            summary = Backfilled(ended_at=self._now(), counts=done.counts, kinds=done.kinds)
            state = state.at(Phase.BACKFILLED, self._now())
            state = state.model_copy(update={"backfill": summary, "progress": {}, "verification": None})
        state = await self._state.write(state)
        return self._report(Step.BACKFILL, state, ok=done.ok, lines=done.lines(), **done.values())

    async def verify(self, *, repair: bool = False) -> PhaseReport:
        """Compare every record of both stores.

        Args:
            repair: Make the secondary what the primary is wherever they differ.
        """
        state = await self._standing.look()
        state.check(Step.VERIFY)
        if repair and self._standing.can_be_made_whole(state):
            state = await self._standing.made_whole(state)
        self._standing.refuse(Step.VERIFY, state)
        began_at, control = self._now(), known(self._standing.control)
        dropped = dropped_by(self._with_drop(state), self._specs, self._recorded.retention)
        begun = state.model_copy(update={"asked": None, "progress": {}})
        async with running(self._state, begun, Step.VERIFY, self._now):
            pairs = directions(control)
            found = [await self._compare(control, pair, dropped, repair=repair) for pair in pairs]
        summary = verified(found, began_at=began_at, ended_at=self._now(), epoch=control.highest_epoch)
        is_open = summary.open_count > 0
        state = self._state.state.model_copy(update={"verification": summary, "progress": {}, "running": None})
        if state.phase is not Phase.CUT_OVER:
            state = state.at(Phase.BACKFILLED if is_open else Phase.VERIFIED, self._now())
        state = await self._state.write(state)
        await self._state.copy_to(self._stores[self._target])
        lines = [line for pair, report in zip(pairs, found, strict=True) for line in report.lines(*pair)]
        report = self._report(Step.VERIFY, state, ok=not is_open, lines=lines, **details(found, summary))
        return replace(report, next_steps=(repairing(),)) if is_open else report

    async def cutover(self, scopes: Sequence[Scope] = (), *, force: bool = False) -> PhaseReport:
        """Let the second store answer, for *scopes* or all; the first receives every write too.

        Args:
            scopes: The scopes that go now; by default all that have not gone.
            force: Go on although the first store is dead, without any check: what it alone holds may be lost.

        Raises:
            MigrationRefusedError: A check fails; its reasons say which.
        """
        return await self._hand_over(Step.CUTOVER, scopes, force=force)

    async def rollback(self, scopes: Sequence[Scope] = (), *, force: bool = False) -> PhaseReport:
        """Let the first store answer again; the second receives every write too.

        Args:
            scopes: The scopes that go back; by default all that were cut over.
            force: Go on although the second store is dead, or processes that died left something open, which may be lost.
        """
        return await self._hand_over(Step.ROLLBACK, scopes, force=force)

    async def abandon(self) -> PhaseReport:
        """Stop sending writes to the second store, which need not be reachable. Deletes nothing."""
        return await self._move(Step.ABANDON)

    async def finish(self, *, force: bool = False) -> PhaseReport:
        """Stop sending writes to the first store. Deletes nothing.

        Args:
            force: Do not wait for 30 days after the last cut-over; give the first store up if it is lost.

        Raises:
            MigrationRefusedError: A check fails; its reasons say which.
        """
        return await self._move(Step.FINISH, force=force)

    async def run(self, *, drop_expired: bool = False) -> PhaseReport:
        """Go from wherever the migration is to verified: start, backfill, verify. Stops at the first that does not succeed.

        Args:
            drop_expired: See `backfill`.
        """
        state = await self._standing.look(begins=True)
        state.check(Step.RUN)
        options = Options(drop_expired=drop_expired)
        self._with_drop(state.told(Step.RUN, options))
        report = await self.start(options=options)
        if report.ok and report.phase in (Phase.STARTED, Phase.BACKFILLING):
            report = await self.backfill(drop_expired=drop_expired)
        return await self.verify() if report.ok else report

    async def plan(
        self,
        step: Step,
        scopes: Sequence[Scope] = (),
        *,
        force: bool = False,
        repair: bool = False,
        options: Options | None = None,
        may_write: bool = False,
    ) -> Plan:
        """Return what a step would do now, and why it would be refused, as far as can be told without trying. Changes nothing.

        Args:
            scopes, force: Those of a hand-over.
            repair: That of a verification.
            options: Those of a backfill, or of `run`.
            may_write: With *force*, find out by a write that changes nothing whether the store that is left takes any.

        Raises:
            MigrationRefusedError: It is not the step's turn.
        """
        if reason := await self._forced.reason(step, force=force, may_write=may_write):
            return await self._forced.plan(step, reason)
        state = await self._standing.look(begins=step in (Step.START, Step.RUN), reads_only=True)
        state.check(step)
        if options is not None:
            state = self._with_drop(state.told(step, options))
        if step not in (Step.START, Step.BACKFILL, Step.VERIFY, Step.RUN):
            return await self._plan(step, state, scopes, force=force)
        refused: MigrationRefusedError | None = None
        try:
            await self._check(step, state, repair=repair)
        except MigrationRefusedError as error:
            refused = error
        begins = bool(self._standing.missing(state))
        return await self._rehearsal().plan(step, state, self._standing.control, begins=begins, refused=refused)

    def _rehearsal(self) -> Rehearsal:
        return Rehearsal(self._stores, self._specs, self._now(), self._retention_now, self._request_units)

    @property
    def _retention_now(self) -> Retention | None:
        """As it is recorded, or as ``start`` records it now."""
        return self._recorded.retention or (None if self._retention is None else Retention(self._retention, self._now()))

    async def status(self, *, patience: float = STATUS_SECONDS) -> MigrationStatus:
        """Return where the migration stands. Changes nothing; a store that does not answer is told as such.

        Args:
            patience: Seconds after which a store that says nothing counts as one that does not answer; all are asked at once.
        """
        standing = Standing(self._stores, source=self._source, target=self._target, clock=self._now, patience=patience)
        lease = timedelta(seconds=self._timing.lease)
        return await status_of(standing, self._stores, now=self._now(), patience=patience, lease=lease)

    async def _check(self, step: Step, state: MigrationState, *, repair: bool) -> None:
        """Refuse a step before a cut-over as it would be itself."""
        if repair and self._standing.can_be_made_whole(state):
            return
        missing = self._standing.missing(state)
        is_begun = state.phase not in (Phase.NONE, Phase.STARTING, Phase.ABANDONED)
        if step not in (Step.START, Step.RUN):
            self._standing.refuse(step, state)
        elif missing or not is_begun:
            state = await self._standing.paired(state)
            names = {"source": self._source, "target": self._target, "migration_id": state.migration_id}
            await check_target(self._copies, **names, epoch=state.lost_epoch)

    async def _hand_over(self, step: Step, scopes: Sequence[Scope], *, force: bool) -> PhaseReport:
        report = await self._move(step, scopes, force=force)
        return replace(report, lines=(*report.lines, *await self._after_handover(scopes)))

    async def _move(self, step: Step, scopes: Sequence[Scope] = (), *, force: bool = False) -> PhaseReport:
        if reason := await self._forced.reason(step, force=force, may_write=True):
            return await self._forced.carry_out(step, reason)
        state = await self._standing.look()
        state.check(step)
        if step is Step.FINISH and self._standing.can_be_closed(state):
            state = await self._standing.closed(state, self._retention_now)
        plan = await self._plan(step, state, scopes, force=force)
        if plan.obstacles:
            raise MigrationRefusedError(f"{step} is refused", reasons=plan.obstacles, next_steps=plan.next_steps)
        more: dict[str, Any] = {}
        lines = list(plan.lines)
        if not plan.is_done:
            place = destination_of(step, state)
            before = known(self._standing.control)
            keys = keys_to_move(before, place, scopes)
            async with self._standing.asked(state, step, scopes):
                done = await self._coordinator().hand_over(place.kind, keys, place.after, force=force)
            more["hand_over"] = done.values()
            lines = lines_of_move(step, place, keys, before, done)
        state = await self._standing.note(moved=step is Step.CUTOVER and not plan.is_done)
        return self._report(step, state, ok=True, lines=lines, **more)

    async def _plan(self, step: Step, state: MigrationState, scopes: Sequence[Scope], *, force: bool) -> Plan:
        if step is Step.FINISH and self._standing.can_be_closed(state):
            given = f"{self._target} is given the control document that it lost"
            return Plan(step, state.phase, (given,), next_steps=(state.next_step(step),))
        obstacles = await self._standing.obstacles(step, state)
        if obstacles:
            return Plan(step, state.phase, (), tuple(told for told, _ in obstacles), obstacles[0][1])
        control = known(self._standing.control)
        place = destination_of(step, state)
        await check_scopes(scopes, control, self._stores[control.route_of(GLOBAL).primary])
        keys = keys_to_move(control, place, scopes)
        try:
            journal = await Journal(self._stores[place.before[0]]).count() if keys else 0
        except BackendError:
            journal = 0
        plan = plan_of(step, state, control, keys, now=self._now(), force=force, journal=journal, scopes=scopes)
        if step is Step.FINISH and keys:
            try:
                check_flags([row async for row in LeaseRows(self._stores[self._target]).all()], self._target)
            except MigrationRefusedError as error:
                next_steps = error.next_steps or plan.next_steps
                return replace(plan, obstacles=(*plan.obstacles, *error.reasons), next_steps=next_steps)
        return plan

    async def _compare(
        self, control: Control, pair: tuple[str, str], dropped: Dropped | None, *, repair: bool
    ) -> VerificationReport:
        primary, secondary = pair
        work = Verification(
            self._stores[primary],
            self._stores[secondary],
            specs=self._specs,
            clock=self._now,
            progress=self._progress(f"verify {primary} first", self._state.state.record_count),
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

    def _progress(self, name: str, total: int | None = None) -> ToldProgress:
        return ToldProgress(self._state.progress(name), name, self._tell, total)

    async def _is_current(self, epoch: int) -> bool:
        control = newest(await self._copies.look())
        return control is not None and control.highest_epoch == epoch

    def _report(self, step: Step, state: MigrationState, *, ok: bool, lines: Sequence[str], **details: Any) -> PhaseReport:
        return PhaseReport(step, state.phase, ok, next_of(state, self._standing.control), tuple(lines), details)

    def _coordinator(self) -> Coordinator:
        return Coordinator(self._copies, self._stores, self._specs, report=self._tell, timing=self._timing)
