"""Where a migration stands, read without changing anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import format_time
from bifrost_store.core.tasks import for_each, together
from bifrost_store.errors import BackendError, BackendTimeoutError, NextStep, NotProvisionedError, StoreError
from bifrost_store.migration.expiry import retention_line
from bifrost_store.migration.plans import next_of
from bifrost_store.migration.remedies import remedy_of_absence
from bifrost_store.migration.runners import interrupted_since, is_gone
from bifrost_store.migration.standing import Standing
from bifrost_store.migration.state import MigrationState, Phase, Running, Step
from bifrost_store.mirroring.journal import Entry, Journal, UnreadableEntry
from bifrost_store.routing.control import EVERY_SCOPE, Control
from bifrost_store.routing.membership.lease_rows import LeaseRow, LeaseRows

T = TypeVar("T")
STATUS_SECONDS: Final = 5.0
"""A store that says nothing for so long does not answer; the other's side is shown all the same."""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """One store, asked directly.

    Attributes:
        problem: Why it could not be asked, or what it lacks; None where it answered and has its copy of the control document.
        journal: Entries of records that the other store may lack.
        oldest_entry: When the oldest of them was made or failed last, by the clock of whoever made it.
        is_away: Whether it does not answer.
        is_needed: Whether something is wrong without it; the one that the routes do not name is not needed.
        stuck: Entries among them that no repetition helps, by what they are about, with the reason; a hand-over waits for them.
        processes: The leases in it; one that is silent is listed until its lease is revoked.
    """

    problem: str | None = None
    journal: int | None = None
    oldest_entry: datetime | None = None
    is_away: bool = False
    is_needed: bool = True
    stuck: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[LeaseRow, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Where a migration stands.

    Attributes:
        state: The saved state, as the control document has it now; None where nothing was started, or its store does not answer.
        control: The control document, or None.
        stores: The stores by backend name.
        now: When it was asked, by the operator's clock.
        lease: The duration of a lease.
        remedy: What to do about a store that lacks something or does not answer; nothing where all is well.
    """

    state: MigrationState | None
    control: Control | None
    stores: Mapping[str, StoreStatus]
    now: datetime
    lease: timedelta
    remedy: tuple[NextStep, ...] = ()

    @property
    def phase(self) -> Phase:
        """The phase; ``none`` where it cannot be told."""
        return Phase.NONE if self.state is None else self.state.phase

    @property
    def ok(self) -> bool:
        """Whether the stores that are needed answered, and have what they must."""
        return all(store.problem is None or not store.is_needed for store in self.stores.values())

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        """What the operator may do now."""
        if self.remedy:
            return self.remedy
        return (NextStep(step=Step.START),) if self.state is None else next_of(self.state, self.control)

    def values(self) -> dict[str, Any]:
        """Return the status as one JSON object, but for the next steps."""
        state, control = self.state, self.control
        routes = {} if control is None else {key: route.model_dump() for key, route in control.routes.items()}
        kept = None if state is None else state.kept_until()
        return {
            "phase": self.phase.value,
            "ok": self.ok,
            "migration_id": None if control is None else control.migration_id,
            "changed_at": None if state is None else format_time(state.changed_at),
            "runner": None if state is None else state.runner,
            "routes": routes,
            "move": None if control is None or control.move is None else control.move.model_dump(mode="json"),
            "progress": {} if state is None else progress_of(state, self.now),
            "running": None if state is None or state.running is None else _running_values(state.running, self.now),
            "backfill": None if state is None or state.backfill is None else state.backfill.model_dump(mode="json"),
            "verification": None if state is None or state.verification is None else state.verification.model_dump(mode="json"),
            "days_left": None if state is None else state.days_left(self.now),
            "old_executions_end": None if control is None or control.retention is None else control.retention.values(),
            "kept_until": format_time(kept) if isinstance(kept, datetime) else kept,
            "stores": {name: _store_values(self, store) for name, store in self.stores.items()},
        }


def progress_of(state: MigrationState, now: datetime) -> dict[str, dict[str, float | int | None]]:
    """Return how far what is under way is: records done, how many a second, and seconds left where a total is known."""
    found: dict[str, dict[str, float | int | None]] = {}
    for name, values in state.progress.items():
        done, total = values.get("done"), values.get("total")
        if not isinstance(done, int):
            continue
        running = state.running
        since = state.changed_at if running is None else running.began_at
        stopped = None if running is None else interrupted_since(running, now)
        rate = done / max(((stopped or now) - since).total_seconds(), 0.001)
        left = (total - done) / rate if isinstance(total, int) and rate and stopped is None else None
        found[name] = {"done": done, "total": total if isinstance(total, int) else None, "rate": rate, "seconds_left": left}
    return found


async def status_of(
    standing: Standing, stores: Mapping[str, Backend], *, now: datetime, patience: float, lease: timedelta
) -> MigrationStatus:
    """Ask both stores for everything at once, each for so many seconds."""
    (saved, copy), answers, found = await together(
        lambda: for_each(lambda store: _in_time(store.read, patience), [standing.saved, standing.saved_copy]),
        standing.copies.answers,
        lambda: for_each(lambda name: store_status(stores[name], patience), list(stores)),
    )
    known, other = (one if isinstance(one, MigrationState) else None for one in (saved, copy))
    state = standing.seen(known, other, answers)
    told = dict(zip(stores, found, strict=True))
    if isinstance(saved, StoreError) and not isinstance(saved, BackendError):
        told[standing.source] = replace(told[standing.source], problem=str(saved))
    remedy: tuple[NextStep, ...] = ()
    if state is not None:
        missing = standing.missing(state)
        for lack in missing:
            told[lack.store] = replace(told[lack.store], problem=standing.told(lack))
        remedy = standing.remedy(state, missing) if missing else ()
    elif standing.control is not None and standing.source in standing.copies.lacks:
        problem = f"{standing.target} has the control document of a migration that {standing.source} knows nothing of"
        told[standing.target] = replace(told[standing.target], problem=problem)
        remedy = standing.stranger
    if (control := standing.control) is not None:
        for name in told.keys() - control.stores:
            told[name] = replace(told[name], is_needed=not (told[name].is_away or control.finished))
    if not remedy:
        remedy = next((_remedy(name, store, standing, state) for name, store in told.items() if _is_wrong(store)), ())
    return MigrationStatus(state, standing.control, told, now, lease, remedy)


def _is_wrong(store: StoreStatus) -> bool:
    return store.problem is not None and store.is_needed


def _remedy(name: str, store: StoreStatus, standing: Standing, state: MigrationState | None) -> tuple[NextStep, ...]:
    """Return what to do about a store that could not be asked for everything."""
    if not store.is_away:
        return (NextStep(f"correct or delete what is named of {name}, with a storage tool"),)
    return (NextStep(f"see that {name} answers"),) if state is None else remedy_of_absence(name, state, standing.control)


async def _in_time(ask: Callable[[], Awaitable[T]], patience: float) -> T | StoreError:
    """Return what *ask* answers, or why it did not."""
    try:
        with anyio.fail_after(patience):
            return await ask()
    except StoreError as error:
        return error
    except TimeoutError:
        return BackendTimeoutError(f"nothing was heard for {patience:g} seconds")


async def store_status(backend: Backend, patience: float) -> StoreStatus:
    """Ask one store; what it does not answer becomes its problem."""

    async def ask() -> StoreStatus:
        entries = [entry async for entry in Journal(backend).entries()]
        stuck = {entry.name: str(entry.error) for entry in entries if isinstance(entry, UnreadableEntry)}
        stuck |= {str(entry): entry.reason for entry in entries if isinstance(entry, Entry) and entry.is_stuck}
        processes = tuple([row async for row in LeaseRows(backend).all()])
        oldest = min((at for entry in entries if isinstance(entry, Entry) and (at := entry.noted_at)), default=None)
        return StoreStatus(journal=len(entries), oldest_entry=oldest, stuck=stuck, processes=processes)

    found = await _in_time(ask, patience)
    if isinstance(found, NotProvisionedError):
        return StoreStatus(journal=0)
    if isinstance(found, BackendError):
        return StoreStatus(problem=f"does not answer: {found}", is_away=True)
    if isinstance(found, StoreError):
        return StoreStatus(problem=str(found))
    return found


def lines_of(status: MigrationStatus, *, shows_progress: bool = True) -> list[str]:
    """Return the status for people, but for the next steps.

    Args:
        shows_progress: Tell how far what is under way is.
    """
    state = status.state
    lines = [f"phase: {status.phase}" + (f", since {state.changed_at:%Y-%m-%d %H:%M:%S} UTC" if state else "")]
    if status.control is not None:
        for key, route in status.control.routes.items():
            told = f", {route.secondary} receives every write too" if route.secondary else ""
            whose = "every scope without its own" if key == EVERY_SCOPE else key
            lines.append(f"route of {whose}: {route.primary}{told} (epoch {route.epoch})")
        if (move := status.control.move) is not None:
            lines.append(f"a hand-over is under way: {move.kind}, {move.stage}")
        lines.append(retention_line(status.control.retention))
    if state is not None:
        lines += _state_lines(state, status.now, shows_progress=shows_progress)
    for name, store in status.stores.items():
        lines += _store_lines(status, name, store)
    return lines


def _state_lines(state: MigrationState, now: datetime, *, shows_progress: bool) -> list[str]:
    lines = [] if state.running is None else [_running_line(state.running, now)]
    for name, progress in progress_of(state, now).items() if shows_progress else ():
        left = f", {progress['seconds_left']:.0f} s left" if progress["seconds_left"] is not None else ""
        lines.append(f"{name}: {progress['done']} records, {progress['rate']:.0f} a second{left}")
    if state.backfill is not None:
        counts = ", ".join(f"{count} {name}" for name, count in state.backfill.counts.items())
        lines.append(f"backfill: {counts}; ended {state.backfill.ended_at:%Y-%m-%d %H:%M} UTC")
    if state.verification is not None:
        counts = ", ".join(f"{count} {name}" for name, count in state.verification.counts.items())
        lines.append(f"verification: {counts}; began {state.verification.began_at:%Y-%m-%d %H:%M} UTC")
    if (days := state.days_left(now)) is not None:
        lines.append(f"days left to roll back: {days}")
    kept = state.kept_until()
    if kept is not None:
        when = f"before {kept:%Y-%m-%d}" if isinstance(kept, datetime) else "as long as the migration lasts"
        lines.append(f"nothing of the old application is purged {when}")
    return lines


def _running_line(running: Running, now: datetime) -> str:
    stopped = interrupted_since(running, now)
    if stopped is None:
        return f"{running.step}: running since {running.began_at:%Y-%m-%d %H:%M:%S} UTC, by {running.runner}"
    again = "starts over" if running.step is Step.VERIFY else "goes on where it stopped"
    return (
        f"{running.step}: interrupted since {stopped:%Y-%m-%d %H:%M:%S} UTC, was run by {running.runner}; if repeated, it {again}"
    )


def _running_values(running: Running, now: datetime) -> dict[str, Any]:
    stopped = interrupted_since(running, now)
    return {
        "step": running.step.value,
        "runner": running.runner,
        "began_at": format_time(running.began_at),
        "interrupted_since": None if stopped is None else format_time(stopped),
    }


def _state_of(status: MigrationStatus, row: LeaseRow) -> str:
    """Return what can be said of a process: its row says ``live`` until somebody has watched it for a whole lease.

    One of this machine is asked whether it is there. Of another the row says when it was written, by the clock of its process.
    """
    if row.state.state == "live" and is_gone(row.state.process):
        return "gone"
    seen_at = row.state.seen_at
    is_silent = row.state.state == "live" and seen_at is not None and status.now - seen_at > status.lease
    return "silent" if is_silent else row.state.state


def _shown_state(status: MigrationStatus, row: LeaseRow) -> str:
    state, seen_at = _state_of(status, row), row.state.seen_at
    if seen_at is None:
        return state
    if state != "live":
        return f"{state} since {seen_at:%Y-%m-%d %H:%M:%S} UTC by its own clock"
    return f"live, {max(0.0, (status.now - seen_at).total_seconds()):.0f} s ago by its own clock"


def _store_lines(status: MigrationStatus, name: str, store: StoreStatus) -> list[str]:
    if store.problem is not None:
        return [f"{name}: {store.problem}" + ("" if store.is_needed else "; nothing needs it now")]
    lines = [f"{name}: {store.journal} journal entries, {len(store.processes)} processes"]
    lines += [f"  journal entry {entry}: {reason}" for entry, reason in store.stuck.items()]
    for row in store.processes:
        lines.append(f"  {row.state.process}: {_shown_state(status, row)}, flag {row.state.flag}")
        if row.state.problem is not None:
            lines.append(f"    in trouble: {row.state.problem}")
    return lines


def _store_values(status: MigrationStatus, store: StoreStatus) -> dict[str, Any]:
    processes = [{"id": row.id, **row.state.model_dump(mode="json"), "state": _state_of(status, row)} for row in store.processes]
    return {
        "ok": store.problem is None,
        "is_needed": store.is_needed,
        "problem": store.problem,
        "journal": store.journal,
        "oldest_entry": None if store.oldest_entry is None else format_time(store.oldest_entry),
        "stuck": dict(store.stuck),
        "processes": processes,
    }
