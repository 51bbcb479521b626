"""What a hand-over of an operator's step would do, and what stands in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from bifrost_store.core.scope import Scope
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.expiry import NO_LONGER_SEEN, dropped_line
from bifrost_store.migration.outcome import Plan
from bifrost_store.migration.state import (
    KEPT_DAYS,
    ROLLBACK_DAYS,
    STATUS,
    VERIFICATION_HOURS,
    Asked,
    MigrationState,
    Phase,
    Step,
    forced,
)
from bifrost_store.routing.control import EVERY_SCOPE, Control, MoveKind, Route, Target

if TYPE_CHECKING:
    from bifrost_store.migration.handover import HandOverReport

_VERIFY: Final = NextStep(step=Step.VERIFY)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a step takes its scopes.

    Attributes:
        kind: The kind of the hand-over.
        before: Primary and secondary that the scopes have now.
        after: Primary and secondary that they get.
    """

    kind: MoveKind
    before: tuple[str, str | None]
    after: Target


def destination_of(step: Step, state: MigrationState) -> Destination:
    """Return where *step*, one of the hand-overs after ``start``, leads."""
    source, target = state.source, state.target
    match step:
        case Step.CUTOVER:
            return Destination("cutover", (source, target), Target(primary=target, secondary=source))
        case Step.ROLLBACK:
            return Destination("rollback", (target, source), Target(primary=source, secondary=target))
        case Step.ABANDON:
            return Destination("abandon", (source, target), Target(primary=source))
        case Step.FINISH:
            return Destination("finish", (target, source), Target(primary=target))
    raise AssertionError(step)


def keys_to_move(control: Control, place: Destination, scopes: Sequence[Scope]) -> tuple[str, ...]:
    """Return the route keys that are not yet at their destination: of *scopes*, or of all.

    Raises:
        MigrationRefusedError: One of them is on neither end of the way.
    """
    keys = sorted({scope.value for scope in scopes} or control.routes)
    moving = [key for key in keys if not _is_at(control.route(key), place.after)]
    for key in moving:
        route = control.route(key)
        if (route.primary, route.secondary) != place.before:
            raise MigrationRefusedError(f"{_named(key)} is on {_shown(route)}, not on {_pair(*place.before)}", next_steps=(STATUS,))
    return tuple(moving)


def next_of(state: MigrationState, control: Control | None) -> tuple[NextStep, ...]:
    """Return what the operator may do now; where some scopes were cut over and others not, about those."""
    if state.phase is not Phase.CUT_OVER or control is None or state.asked is not None:
        return state.next_steps
    if all(route.primary == state.target for route in control.routes.values()):
        return state.next_steps
    began_at = state.changed_at if state.verification is None else state.verification.began_at
    return (_VERIFY if _verification_obstacles(state, control, began_at) else NextStep(step=Step.CUTOVER),)


def plan_of(
    step: Step,
    state: MigrationState,
    control: Control,
    keys: Sequence[str],
    *,
    now: datetime,
    force: bool,
    journal: int,
    scopes: Sequence[Scope] = (),
) -> Plan:
    """Return what *step* does with *keys* now, and why it would be refused; *scopes* are those that were asked for, if not all."""
    place = destination_of(step, state)
    if not keys:
        return Plan(step, state.phase, (f"nothing to do: every scope asked for is on {_shown(place.after)}",), is_done=True)
    lines = [f"{_named_together(keys, control)}: from {_pair(*place.before)} to {_shown(place.after)}"]
    if journal and place.after.primary != place.before[0]:
        lines.append(f"first, the records that the journal's {journal} entries name are repaired")
    dropped = 0 if state.verification is None else state.verification.counts.get(NO_LONGER_SEEN, 0)
    lines += [dropped_line(dropped)] if dropped and step is Step.CUTOVER else []
    lines += [_PARTICULAR[step], "writers wait for less than 3 seconds while it happens; interrupting it is safe"]
    asked = Asked(step=step, scopes=tuple(sorted(scope.partition_key for scope in scopes)))
    obstacles, remedies = _obstacles(asked, state, control, now=now, force=force)
    itself = NextStep(step=step, options={**asked.again.options, **({"force": True} if force else {})})
    return Plan(step, state.phase, tuple(lines), tuple(obstacles), remedies if obstacles else (itself,))


def lines_of_move(step: Step, place: Destination, keys: Sequence[str], control: Control, done: HandOverReport) -> list[str]:
    """Return what the hand-over of *keys*, which had the routes of *control*, has done, in the past tense."""
    lines = [f"{_named_together(keys, control)} went from {_pair(*place.before)} to {_shown(place.after)}"]
    if done.repaired:
        lines.append(f"{done.repaired} records that the journal named were repaired first")
    if done.revoked:
        lines.append(f"processes that were silent were taken off the list: {', '.join(done.revoked)}")
    if done.attempts:
        lines.append(f"writers waited for {done.paused_seconds:g} seconds")
    lines.append(_PARTICULAR[step])
    return lines + [f"left behind: {name}: {reason}" for name, reason in done.left.items()]


def lines_of_copying(step: Step, state: MigrationState) -> list[str]:
    """Return what one of the steps before a cut-over would do."""
    source, target = state.source, state.target
    what = {
        Step.START: [
            f"{target} is provisioned; it must hold nothing, and its default consistency be Strong",
            f"every process is told, and sends each write to {source} and {target} from then on",
        ],
        Step.BACKFILL: [f"every row of {source} that {target} lacks is carried there; nothing of {source} is changed"],
        Step.VERIFY: [f"every record of {source} and {target} is compared"],
    }
    steps = (Step.START, Step.BACKFILL, Step.VERIFY) if step is Step.RUN else (step,)
    return [line for one in steps for line in what[one]]


def plan_of_takeover(step: Step, dead: str, successor: str, reason: str) -> Plan:
    """Return what a forced step does while the store that answers now is dead, or not this migration's any more."""
    lines = (
        f"{reason}; once every lease there has ended, {successor} answers for all that {dead} answered for",
        f"you assert that no process reaches {dead} any more",
        f"lost may be what was acknowledged and only {dead}'s journal names; `verify` shows it when {dead} is back",
    )
    return Plan(step, Phase.CUT_OVER, lines, (), (forced(step),))


def plan_of_loss(state: MigrationState, reason: str) -> Plan:
    """Return what `finish` does while the first store is lost, and what is lost with it."""
    source, target, last = state.source, state.target, state.verification
    if last is None:
        compared = "no verification of it is known"
    else:
        compared = (
            f"the last verification of it began at {last.began_at:%Y-%m-%d %H:%M} UTC; {last.open_count} differences were left"
        )
    lines = (
        f"{reason}; {source} is given up: nothing can be rolled back to it any more",
        f"what {source} holds cannot be read or compared: {compared}",
        f"lost is what {source} alone held: rows that its journal names, if {target} was away while it answered, and rejected rows",
        f"payload blobs are not touched; those that lie in the account of {source} are lost with it",
        f"if {source} answers again, nothing is served from it, whatever its control document says",
        f"every scope: from {_pair(target, source)} to {_pair(target, None)}",
    )
    return Plan(Step.FINISH, state.phase, lines, (), (forced(Step.FINISH),))


_PARTICULAR: Final = {
    Step.CUTOVER: f"the old store receives every write too, so that rolling back loses nothing, for {ROLLBACK_DAYS} days and more",
    Step.ROLLBACK: "the new store receives every write too, so that a later cut-over loses nothing",
    Step.ABANDON: "the new store receives no writes any more: what it holds becomes out of date; nothing is deleted",
    Step.FINISH: f"the old store receives no writes any more: there is no way back to it; nothing is deleted, for {KEPT_DAYS} days "
    "from the cut-over nothing may be purged",
}


def _obstacles(
    asked: Asked, state: MigrationState, control: Control, *, now: datetime, force: bool
) -> tuple[list[str], tuple[NextStep, ...]]:
    """Return why a step is refused, and what to do about it. A rollback is never refused here: nobody is to be trapped."""
    match asked.step:
        case Step.CUTOVER if state.asked is not None and state.asked != asked:
            begun = "every scope" if not state.asked.scopes else ", ".join(state.asked.scopes)
            half_done = f"{state.asked.step} of {begun} was begun and may be half done; to choose again, verify first"
            return [half_done], (state.asked.again,)
        case Step.CUTOVER:
            return _verification_obstacles(state, control, now), (_VERIFY,)
        case Step.FINISH:
            return ([] if force else _finish_obstacles(state, now)), (NextStep("wait"), forced(Step.FINISH, "or do not wait"))
        case Step.ABANDON if state.phase is Phase.CUT_OVER:
            return ["some scopes are cut over"], (NextStep(step=Step.ROLLBACK),)
    return [], ()


def _verification_obstacles(state: MigrationState, control: Control, now: datetime) -> list[str]:
    last = state.verification
    if last is None:
        return ["nothing was verified since the backfill"]
    found = []
    if last.open_count:
        found.append(f"the last verification left {last.open_count} differences open")
    if last.epoch != control.highest_epoch:
        found.append("there was a hand-over since the last verification began")
    if now - last.began_at >= timedelta(hours=VERIFICATION_HOURS):
        found.append(f"the last verification began more than {VERIFICATION_HOURS} hours ago, at {last.began_at:%Y-%m-%d %H:%M} UTC")
    if last.began_at > now + timedelta(minutes=5):
        found.append("the last verification began in the future: the clocks of operators differ")
    return found


def _finish_obstacles(state: MigrationState, now: datetime) -> list[str]:
    days = state.days_left(now)
    if not days:
        return []
    return [f"the last cut-over is less than {ROLLBACK_DAYS} days ago: {days} days are left to roll back"]


def _is_at(route: Route, place: Target) -> bool:
    return (route.primary, route.secondary) == (place.primary, place.secondary)


def _named_together(keys: Sequence[str], control: Control) -> str:
    return "every scope" if set(keys) == set(control.routes) else ", ".join(map(_named, keys))


def _named(key: str) -> str:
    return "every scope without a route of its own" if key == EVERY_SCOPE else f"scope {key}"


def _shown(place: Route | Target) -> str:
    return _pair(place.primary, place.secondary)


def _pair(primary: str, secondary: str | None) -> str:
    return f"{primary} only" if secondary is None else f"{primary} (every write also goes to {secondary})"
