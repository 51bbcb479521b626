"""Where a migration stands, for administrators; read-only: what changes something is a command, which the page shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.backends.registry import SOURCE, TARGET
from bifrost_store.console.asking import admin_only, as_json
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.commands import command_of, words_of
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.state import MigrationState, Phase, Step
from bifrost_store.migration.status import MigrationStatus
from bifrost_store.opening.migration import open_migration
from bifrost_store.routing.control import EVERY_SCOPE
from bifrost_store.settings import StoreSettings

AskMigration = Callable[[], Awaitable[MigrationStatus]]
_STEPS: Final = (Step.START, Step.BACKFILL, Step.VERIFY, Step.CUTOVER, Step.FINISH)
_CURRENT: Final[Mapping[Phase, Step]] = {
    Phase.STARTING: Step.START,
    Phase.STARTED: Step.BACKFILL,
    Phase.BACKFILLING: Step.BACKFILL,
    Phase.BACKFILLED: Step.VERIFY,
    Phase.ROLLED_BACK: Step.VERIFY,
    Phase.VERIFIED: Step.CUTOVER,
    Phase.CUT_OVER: Step.FINISH,
}


@asynccontextmanager
async def asking_migration(settings: StoreSettings) -> AsyncIterator[AskMigration | None]:
    """Give what asks both stores where a migration stands; None where the settings do not name both."""
    if not (settings.is_configured(SOURCE) and settings.is_configured(TARGET)):
        yield None
        return
    async with open_migration(settings) as migration:
        yield migration.status


class Migrations:
    """Answers about the migration that *ask* tells of; None: there can be none, as there is one store."""

    def __init__(self, ask: AskMigration | None, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        return [Route("/api/migration", self._migration)]

    async def _migration(self, request: Request) -> Response:
        admin_only(request)
        now = format_time(self._clock())
        if self._ask is None:
            start = {"text": "", "command": command_of(Step.START)}
            return as_json({"isPossible": False, "phase": Phase.NONE.value, "next": [start], "now": now})
        return as_json({"isPossible": True, **shown_status(await self._ask()), "now": now})


def shown_status(status: MigrationStatus) -> dict[str, Any]:
    """Return where a migration stands as the page has it."""
    state, control, values = status.state, status.control, status.values()
    move = None if control is None else control.move
    return {
        "phase": status.phase.value,
        "ok": status.ok,
        "source": None if state is None else state.source,
        "target": None if state is None else state.target,
        "changedAt": values["changed_at"],
        "steps": [{"step": step.value, "state": state_of} for step, state_of in _steps(status)],
        "daysLeft": values["days_left"],
        "keptUntil": values["kept_until"],
        "next": [_next(step) for step in status.next_steps],
        "routes": [
            {"scope": None if key == EVERY_SCOPE else key, "primary": route.primary, "secondary": route.secondary}
            for key, route in ({} if control is None else control.routes).items()
        ],
        "move": None if move is None else {"kind": str(move.kind), "stage": move.stage},
        "running": _running(values["running"]),
        "progress": [
            {"name": name, "done": one["done"], "total": one["total"], "rate": one["rate"], "secondsLeft": one["seconds_left"]}
            for name, one in values["progress"].items()
        ],
        "backfill": None if state is None else _backfill(state),
        "verification": None if state is None else _verification(state),
        "stores": [_store(name, one) for name, one in values["stores"].items()],
        "commands": {} if state is None else _commands(state),
    }


def _steps(status: MigrationStatus) -> list[tuple[Step, str]]:
    """Return each step with ``done``, ``current`` or ``ahead``."""
    if status.phase is Phase.FINISHED:
        return [(step, "done") for step in _STEPS]
    current = _CURRENT.get(status.phase)
    if current is Step.FINISH and _is_partly_moved(status):
        current = Step.CUTOVER
    place = -1 if current is None else _STEPS.index(current)
    return [(step, "done" if number < place else "current" if number == place else "ahead") for number, step in enumerate(_STEPS)]


def _is_partly_moved(status: MigrationStatus) -> bool:
    state, control = status.state, status.control
    return state is not None and control is not None and any(one.primary == state.source for one in control.routes.values())


def _next(step: NextStep) -> dict[str, str | None]:
    return {"text": step.text, "command": None if step.step is None else _command(step.step, step)}


def _running(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        "step": values["step"],
        "runner": values["runner"],
        "beganAt": values["began_at"],
        "interruptedSince": values["interrupted_since"],
    }


def _backfill(state: MigrationState) -> dict[str, Any] | None:
    done = state.backfill
    return None if done is None else {"counts": done.counts, "endedAt": format_time(done.ended_at)}


def _verification(state: MigrationState) -> dict[str, Any] | None:
    found = state.verification
    if found is None:
        return None
    differing = [
        {"kind": kind, "counts": {name: count for name, count in counts.items() if count and name not in ("same", "expired")}}
        for kind, counts in sorted(found.kinds.items())
    ]
    return {
        "beganAt": format_time(found.began_at),
        "endedAt": format_time(found.ended_at),
        "counts": found.counts,
        "open": found.open_count,
        "kinds": [one for one in differing if one["counts"]],
    }


def _store(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "problem": values["problem"],
        "isNeeded": values["is_needed"],
        "journal": values["journal"],
        "oldestEntry": values["oldest_entry"],
        "stuck": [{"entry": entry, "reason": reason} for entry, reason in values["stuck"].items()],
        "processes": [
            {"process": one["process"], "state": one["state"], "flag": one["flag"], "problem": one["problem"]}
            for one in values["processes"]
        ],
    }


def _commands(state: MigrationState) -> dict[str, str]:
    """Return the command of each card: what may be done there now, else what shows more."""
    wanted = {
        "routes": (Step.ROLLBACK, Step.CUTOVER),
        "backfill": (Step.BACKFILL,),
        "verification": (Step.VERIFY,),
        "journal": (),
    }
    return {card: _first_legal(state, steps) for card, steps in wanted.items()}


def _first_legal(state: MigrationState, steps: tuple[Step, ...]) -> str:
    for step in steps:
        try:
            state.check(step)
        except MigrationRefusedError:
            continue
        return _command(step, state.next_step(step))
    return command_of("status")


def _command(step: str, given: NextStep) -> str:
    return command_of(step, *words_of(**given.options))
