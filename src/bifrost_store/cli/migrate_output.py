"""What ``migrate`` prints: progress while a phase runs, its report, and what went wrong with the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import typer

from bifrost_store.cli.interrupts import Interrupted
from bifrost_store.cli.next_steps import with_next
from bifrost_store.cli.output import display, error_values, report, show_error, talk
from bifrost_store.cli.progress import counting
from bifrost_store.core.commands import command_of, spelled
from bifrost_store.core.events import dotted, sentence
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    ConfigurationError,
    MigrationRefusedError,
    NextStep,
    NotProvisionedError,
    OutcomeUnknownError,
    StoreError,
)

if TYPE_CHECKING:
    from bifrost_store.core.progress import Progress
    from bifrost_store.migration.outcome import PhaseReport, Plan, Tell
    from bifrost_store.migration.phases import Migration
    from bifrost_store.migration.state import Phase


def show(done: PhaseReport | Plan, *, as_json: bool) -> None:
    """Print a report or a plan; exit with 1 unless what was asked for holds, or would."""
    from bifrost_store.migration.outcome import Plan

    values = with_next(done.values(), done.next_steps)
    lines = [*done.lines]
    if isinstance(done, Plan):
        lines += [f"refused: {obstacle}" for obstacle in done.obstacles]
    lines += [f"phase: {done.phase}", f"next: {values['next']}"]
    report(values, as_json=as_json, lines=lines)
    if not values["ok"]:
        raise typer.Exit(1)


@dataclass(slots=True)
class Known:
    """What is known of a migration when something goes wrong.

    Attributes:
        phase: The phase that was seen last.
        ways_without: For each store that does not answer, the step that goes on if it is gone for good.
    """

    phase: Phase | None = None
    ways_without: Mapping[str, NextStep] = field(default_factory=dict)

    def see(self, migration: Migration) -> None:
        """Take note of what *migration* knows."""
        self.phase, self.ways_without = migration.phase, migration.ways_without()


@contextmanager
def failed(step: str, words: Sequence[str] = ()) -> Iterator[Known]:
    """Turn what ends a step into its report, with the next step: 1, or 2 for wrong settings, or 130 where it was interrupted.

    Args:
        words: The options that the step was given: what is to be given again has them too.
    """
    again = command_of(step, *words)
    known = Known()
    try:
        yield known
    except KeyboardInterrupt:
        raise Interrupted(f"migrate {step}", again, {"phase": known.phase}) from None
    except (StoreError, OSError) as error:
        ways = known.ways_without.items() if isinstance(error, BackendError) else ()
        further = [replace(way, text=f"if {name} is gone for good") for name, way in ways]
        _report(known, error, "; ".join(filter(None, [_remedy(error, again), spelled(further)])))
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None


def _remedy(error: Exception, again: str) -> str:
    match error:
        case MigrationRefusedError(next_steps=[_, *_] as next_steps):
            return spelled(next_steps)
        case NotProvisionedError():
            from bifrost_store.backends.registry import SOURCE

            return f"{command_of('init')}, with BIFROST_STORE_BACKEND={error.backend or SOURCE}, then {again}"
        case AccessDeniedError():
            return f"correct the credentials, then {again}"
        case ConfigurationError():
            return f"correct the settings, then {again}"
        case OSError():
            return f"make room for reports, or name another folder with --reports, then {again}"
        case OutcomeUnknownError() | BackendError(is_retryable=True):
            return again
    return command_of("status")


def _report(known: Known, error: Exception, next_step: str) -> None:
    if display.is_json:
        report({"phase": known.phase, "ok": False, "next": next_step, "error": error_values(error)}, as_json=True, lines=[])
    show_error(error)
    talk.print(f"next: {next_step}", markup=False)


@contextmanager
def hearing() -> Iterator[Tell]:
    """Show what a phase tells: how far it is, and what happens, each in a sentence."""
    with counting() as progress:
        yield _telling(progress)


def _telling(progress: Progress) -> Tell:
    def tell(event: str, fields: Mapping[str, Any]) -> None:
        done = fields.get("done")
        if isinstance(done, int):
            progress(event, done, fields.get("total"))
        else:
            talk.print((dotted if display.is_json else sentence)(event, fields), markup=False)

    return tell
