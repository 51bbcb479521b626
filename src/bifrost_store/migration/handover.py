"""Hands scopes over to another route while processes serve them. Steps 1 to 9 of the hand-over protocol."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NoReturn

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.spec import Specs
from bifrost_store.errors import MigrationRefusedError, NextStep, StoreError
from bifrost_store.migration.outcome import Tell, tell_nobody
from bifrost_store.migration.pending import Pending
from bifrost_store.migration.routes import known, newest, pair_of
from bifrost_store.migration.state import STATUS, Step, forced
from bifrost_store.routing.control import Control, Move, MoveKind, Route, Target
from bifrost_store.routing.copies import ControlCopies, Copy
from bifrost_store.routing.membership.lease_rows import LeaseRow
from bifrost_store.routing.membership.watching import LAPSED, Watch
from bifrost_store.routing.timing import Timing, running_seconds

_ATTEMPTS: Final = 30
_PASSES: Final = 10


@dataclass(slots=True)
class HandOverReport:
    """What a hand-over took.

    Attributes:
        kind, keys: What moved.
        epoch: The epoch of the new routes.
        attempts: Announcements that it took.
        paused_seconds: The time in which nobody could begin anything in these scopes, at the successful attempt.
        revoked: Processes that were silent, whose leases were revoked.
        repaired: Journal entries whose records were repaired.
        left: With force: journal entries that are left behind, by what they are about, with the reason.
    """

    kind: str
    keys: tuple[str, ...]
    epoch: int = 0
    attempts: int = 0
    paused_seconds: float = 0.0
    revoked: list[str] = field(default_factory=list)
    repaired: int = 0
    left: dict[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return asdict(self)

    def note(self, pending: Pending) -> None:
        """Take over what was done about the journal."""
        self.repaired, self.left = pending.repaired, dict(pending.left)


class _BeginAgain(Exception):  # noqa: N818 - no error: the next attempt
    """The attempt was called off, by whomever."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done, as it was when it was asked for."""

    kind: MoveKind
    keys: tuple[str, ...]
    before: Route
    target: Target
    force: bool

    @property
    def is_away(self) -> bool:
        """Whether another store becomes primary."""
        return self.target.primary != self.before.primary

    def fits(self, move: Move | None) -> bool:
        """Return whether *move* is this one, begun by somebody."""
        return move is not None and (set(move.keys), move.target) == (set(self.keys), self.target)

    def is_done(self, control: Control) -> bool:
        """Return whether all keys are where they should be."""
        return all(_is_at(control.route(key), self.target) for key in self.keys)


class Coordinator:
    """Carries out hand-overs. Any number may at once, in any processes; each may die at any step.

    Args:
        copies: The control documents.
        stores: The stores by backend name, addressed directly.
        specs: Every kind that they know.
        monotonic: Seconds of a clock that runs on while the machine sleeps.
        sleep: Waits for so many seconds.
        report: Hears what happens.
        timing: Durations that all processes of the migration use.
    """

    def __init__(
        self,
        copies: ControlCopies,
        stores: Mapping[str, Backend],
        specs: Specs,
        *,
        monotonic: Callable[[], float] = running_seconds,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        report: Tell = tell_nobody,
        timing: Timing | None = None,
    ) -> None:
        self.copies = copies
        self.stores = stores
        self.specs = specs
        self.monotonic = monotonic
        self.sleep = sleep
        self.tell = report
        self.timing = timing or Timing()

    async def hand_over(self, kind: MoveKind, keys: Sequence[str], target: Target, *, force: bool = False) -> HandOverReport:
        """Give *keys*, which all have the same route now, the route *target*.

        Args:
            force: Leave behind what processes that are gone wrote last, where unacknowledged writes may go, and entries of the
                journal that cannot be repaired. The report names each.

        Raises:
            MigrationRefusedError: It cannot be done now; nothing has moved.
            BackendError: A store does not answer. Whether it was committed, the control document tells.
        """
        before = _one_route(await self._newest(), keys, target)
        if before is None:
            return HandOverReport(kind, tuple(keys), (await self._newest()).highest_epoch)
        plan = _Plan(kind, tuple(keys), before, target, force)
        # One watch for all attempts, as silence is counted over them: a frozen process costs one wait, not many.
        watch = self.watch(before.primary)
        report = HandOverReport(kind, plan.keys, revoked=watch.revoked)
        reason = "another coordinator was faster"
        for _ in range(_ATTEMPTS):
            try:
                if await self._attempt(plan, watch, report):
                    self.tell("handover.committed", {"kind": kind, "epoch": report.epoch})
                    return report
            except _BeginAgain as again:
                reason = str(again) or reason
        raise MigrationRefusedError(
            f"the hand-over was called off {_ATTEMPTS} times; the last time: {reason}",
            next_steps=(NextStep("to see who is busy or silent", STATUS.step), NextStep("then try again")),
        )

    def watch(self, store: str) -> Watch:
        """Return a fresh watch over the leases of *store*."""
        return Watch(store, self.stores[store], monotonic=self.monotonic, timing=self.timing)

    async def _attempt(self, plan: _Plan, watch: Watch, report: HandOverReport) -> bool:
        copy = await self._begun(plan)
        if copy is None:
            report.epoch = (await self._newest()).highest_epoch
            return True
        report.attempts += 1
        pending = self._pending(plan, copy) if plan.is_away else None
        try:
            # One that is found prepared has been through step 4 already; what came since, step 7 repairs.
            if _move(copy).stage == "announced":
                await self._wait_until_heard(plan, copy, watch)
                if pending is not None:
                    await self._repair(pending, copy, report)
                copy = await self._prepared(plan, copy)
            began = self.monotonic()
            await self._wait_until_acknowledged(plan, copy, watch)
            if pending is not None:
                await self._repair_the_rest(pending, report, began + self.timing.call_off)
            await self._commit(plan, copy, report)
            report.paused_seconds = round(self.monotonic() - began, 3)
        # Also where this is cancelled: writers wait until it is gone.
        except BaseException:
            await self._call_off(copy)
            raise
        if pending is not None:
            with suppress(StoreError):
                await pending.forget()
        await self.copies.look()
        return True

    async def _begun(self, plan: _Plan) -> Copy | None:
        """Return the source's copy with this move in it, announced now or found (steps 1 and 2); None: it is done already."""
        unchanged_since: tuple[str, float] | None = None
        while True:
            copies = await self.copies.look()
            control = known(newest(copies))
            if plan.is_done(control):
                return None
            if any(pair_of(control.route(key)) != pair_of(plan.before) for key in plan.keys):
                raise MigrationRefusedError("another hand-over has moved these scopes meanwhile", next_steps=(STATUS,))
            copy = copies.get(plan.before.primary)
            if copy is None:
                raise self._absent(plan.before.primary, "answers for these scopes", plan)
            self._check_goal(plan, copies)
            move = copy.control.move
            if plan.fits(move):
                return copy
            if move is None:
                announced = Move(attempt=uuid.uuid4().hex, kind=plan.kind, keys=plan.keys, target=plan.target)
                await self.copies.change(copy, copy.control.model_copy(update={"move": announced}))
                continue
            name = f"{move.attempt} {move.stage}"
            if unchanged_since is None or unchanged_since[0] != name:
                unchanged_since = (name, self.monotonic())
                self.tell("handover.waiting_for_another", {"kind": move.kind, "stage": move.stage})
            limit = self.timing.withdraw if move.stage == "announced" else self.timing.call_off
            if self.monotonic() - unchanged_since[1] >= limit:
                await self._call_off(copy)
            await self.sleep(self.timing.poll)

    def _check_goal(self, plan: _Plan, copies: Mapping[str, Copy]) -> None:
        """Refuse to let a store answer that has no copy of this migration's document, or does not answer itself."""
        if plan.is_away and plan.target.primary not in copies:
            raise self._absent(plan.target.primary, "is to answer for these scopes", plan)

    def _absent(self, store: str, role: str, plan: _Plan) -> MigrationRefusedError:
        lack = self.copies.lack_of(store)
        reason = f"does not answer ({self.copies.away.get(store)})" if lack is None else lack.reason
        is_dead = store == plan.before.primary and plan.kind == "rollback"
        next_step = forced(Step.ROLLBACK) if is_dead else STATUS
        return MigrationRefusedError(f"{store}, which {role}, {reason}; nothing has moved", next_steps=(next_step,))

    async def _wait_until_heard(self, plan: _Plan, copy: Copy, watch: Watch) -> None:
        """Step 3: every process in the source polls for this announcement, has gone, or had its lease revoked."""
        attempt, began, told = _move(copy).attempt, self.monotonic(), False
        while True:
            rows = await watch.look(copy.control)
            waiting = [row for row in rows if row.state.heard != attempt]
            if plan.kind == "finish":
                check_flags(rows, plan.target.primary)
            for row in waiting:
                if watch.is_silent(row):
                    await self._revoke(watch, row, copy.control)
            if not waiting:
                return
            if not told:
                self.tell("handover.announced", {"waiting_for": len(waiting), "processes": len(rows)})
                told = True
            if self.monotonic() - began > self.timing.withdraw + self.timing.watch:
                names = ", ".join(row.state.process for row in waiting)
                raise MigrationRefusedError(f"processes do not take part: {names}", next_steps=(NextStep("stop or restart them"),))
            await self._check_still_there(copy)
            await self.sleep(self.timing.poll)

    async def _wait_until_acknowledged(self, plan: _Plan, copy: Copy, watch: Watch) -> None:
        """Step 6: every process in the source has drained, or has gone. Not in time, or silent: called off."""
        attempt, ends_at = _move(copy).attempt, self.monotonic() + self.timing.call_off
        while True:
            waiting = [row for row in await watch.look(copy.control) if row.state.acknowledged != attempt]
            for row in waiting:
                # What it wrote last must be compared (J4), which takes a scan: longer than writers may wait.
                if watch.is_silent(row) and await self._revoke(watch, row, copy.control) and plan.is_away:
                    raise _BeginAgain
            if not waiting:
                return
            if self.monotonic() >= ends_at:
                names = ", ".join(row.state.process for row in waiting)
                self._again(f"processes have not finished their operations within {self.timing.call_off:g} seconds: {names}")
            await self.sleep(self.timing.poll / 4)

    async def _revoke(self, watch: Watch, row: LeaseRow, control: Control) -> bool:
        is_ended = await watch.revoke(row, control)
        if is_ended:
            self.tell("handover.lease_revoked", {"process": row.state.process})
        return is_ended

    def _pending(self, plan: _Plan, copy: Copy) -> Pending:
        control = copy.control
        return Pending(
            plan.before.primary,
            plan.target.primary,
            self.stores,
            control,
            is_moving=lambda scope: scope.value in plan.keys or control.key_of(scope) in plan.keys,
            force=plan.force,
        )

    async def _repair(self, pending: Pending, copy: Copy, report: HandOverReport) -> None:
        """Step 4: repair what the journal names, so that what is left fits into the pause; else the hand-over is refused."""
        found = await pending.found()
        report.note(pending)
        for _ in range(_PASSES):
            if not found.count:
                return
            self.tell("handover.repairing", {"entries": found.count})
            found = await pending.repair()
            report.note(pending)
            pending.check(found)
            if pending.may_pause(found):
                return
            await self._check_still_there(copy)
            await self.sleep(self.timing.poll)
        raise pending.refusal(found)

    async def _repair_the_rest(self, pending: Pending, report: HandOverReport, ends_at: float) -> None:
        """Step 7: nobody writes any more, so what the journal names now is repaired at once, or the attempt is called off."""
        with anyio.move_on_after(max(0.0, ends_at - self.monotonic())):
            found = await pending.found(fresh=True)
            report.note(pending)
            while found.count:
                found = await pending.repair(in_pause=True)
                report.note(pending)
                if found.writers or found.unreadable or self.monotonic() >= ends_at:
                    break
            if not found.count:
                await pending.hand_on()
                return
            self._again(f"{found.count} journal entries are left: {pending.refusal(found)}")
        self._again("a store took too long to repair what the journal names")

    def _again(self, reason: str) -> NoReturn:
        self.tell("handover.called_off", {"reason": reason})
        raise _BeginAgain(reason)

    async def _prepared(self, plan: _Plan, copy: Copy) -> Copy:
        """Step 5."""
        move = _move(copy).model_copy(update={"stage": "prepared"})
        await self.copies.change(copy, copy.control.model_copy(update={"move": move}))
        # Whatever came of it, the document tells: another coordinator may have prepared the same move.
        now = await self.copies.read(plan.before.primary)
        if now is None or now.control.move != move:
            raise _BeginAgain
        return now

    async def _commit(self, plan: _Plan, copy: Copy, report: HandOverReport) -> None:
        """Step 8. Whether a commit whose answer was lost was one, the next attempt sees."""
        copies = await self.copies.readable()
        if plan.is_away and plan.target.primary not in copies:
            raise _BeginAgain  # which says why
        # Above both copies: a commit that only the other one knows must not share its epoch (D1).
        highest = max(one.control.highest_epoch for one in copies.values())
        committed = copy.control.committed(1 + highest)
        if not await self.copies.change(copy, committed):
            raise _BeginAgain
        report.epoch = 1 + highest

    async def _call_off(self, copy: Copy) -> None:
        """Remove the move that *copy* has, if it is there still in exactly that state. Others do it if this fails."""
        with anyio.move_on_after(self.timing.call_off, shield=True), suppress(StoreError):
            await self.copies.change(copy, copy.control.model_copy(update={"move": None}))

    async def _check_still_there(self, copy: Copy) -> None:
        now = await self.copies.read(copy.control.store)
        if now is None or now.control.move != copy.control.move:
            raise _BeginAgain

    async def _newest(self) -> Control:
        return known(newest(await self.copies.look()))


def check_flags(rows: Sequence[LeaseRow], wanted: str) -> None:
    """Refuse while the flag of a live process names another store than *wanted*.

    Raises:
        MigrationRefusedError: It does.
    """
    live = [row for row in rows if row.state.state != LAPSED]
    wrong = [f"{row.state.process} ({row.state.flag})" for row in live if row.state.flag not in (None, wanted)]
    if wrong:
        raise MigrationRefusedError(
            f"the flag of live processes does not say {wanted}: {', '.join(wrong)}",
            next_steps=(NextStep(f"set it to {wanted} everywhere and restart them, then try again"),),
        )


def _one_route(control: Control, keys: Sequence[str], target: Target) -> Route | None:
    """Return the route that all of *keys* have now; None if they are at *target* already.

    Raises:
        MigrationRefusedError: They differ.
    """
    routes = [control.route(key) for key in keys]
    if all(_is_at(route, target) for route in routes):
        return None
    if len({pair_of(route) for route in routes}) > 1:
        raise MigrationRefusedError("these scopes have different routes now", next_steps=(STATUS,))
    return routes[0]


def _is_at(route: Route, target: Target) -> bool:
    return pair_of(route) == (target.primary, target.secondary)


def _move(copy: Copy) -> Move:
    assert copy.control.move is not None
    return copy.control.move
