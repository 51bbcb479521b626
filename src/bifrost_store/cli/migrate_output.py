"""What ``migrate`` prints: progress while a phase runs, its report, and what went wrong with the next step."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bifrost_store.cli.output import error_values, report, show_error, talk, wishes
from bifrost_store.errors import AccessDeniedError, BackendError, ConfigurationError, MigrationRefusedError, StoreError
from bifrost_store.migration.outcome import PhaseReport, Plan, Tell
from bifrost_store.migration.state import Phase

_INTERRUPTED_EXIT: Final = 130
_INTERRUPTED: Final = "interrupted: nothing is lost, and what was done is saved"
_GOES_ON: Final = {
    "verify": "; a verification begins anew, as it must be of one piece",
    "run": "; the same command goes on where it stopped, but for a verification, which begins anew",
}
_NOT_REPEATED: Final = frozenset({"as_json", "dry_run", "verbose"})
_PLAIN_LINE_EVERY: Final = 1000


def show(done: PhaseReport | Plan, *, as_json: bool) -> None:
    """Print a report or a plan; exit with 1 unless what was asked for holds, or would."""
    values = done.values()
    lines = [*done.lines]
    if isinstance(done, Plan):
        lines += [f"refused: {obstacle}" for obstacle in done.obstacles]
    lines += [f"phase: {done.phase}", f"next: {done.next}"]
    report(values, as_json=as_json, lines=lines)
    if not values["ok"]:
        raise typer.Exit(1)


@dataclass(slots=True)
class Known:
    """What is known of a migration when something goes wrong."""

    phase: Phase | None = None


@contextmanager
def failed(step: str) -> Iterator[Known]:
    """Turn what ends a step into its report, with the next step: 1, or 2 for wrong settings, or 130 where it was interrupted."""
    again = command_given(step)
    known = Known()
    try:
        yield known
    except KeyboardInterrupt:
        _report(known, None, again, _INTERRUPTED + _GOES_ON.get(step, "; the same command goes on where it stopped"))
        raise typer.Exit(_INTERRUPTED_EXIT) from None
    except (StoreError, OSError) as error:
        _report(known, error, _remedy(error, again))
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None


def _remedy(error: Exception, again: str) -> str:
    match error:
        case MigrationRefusedError(next_step=str(next_step)):
            return next_step
        case AccessDeniedError():
            return f"correct the credentials, then {again}"
        case ConfigurationError():
            return f"correct the settings, then {again}"
        case OSError():
            return f"make room for reports, or name another folder with --reports, then {again}"
        case BackendError() if error.is_retryable:
            return again
    return "bifrost-store migrate status"


def command_given(step: str) -> str:
    """Return the command that is being carried out, with what it was given, to be pasted into a shell."""
    context = click.get_current_context(silent=True)
    words: list[str] = []
    for parameter in () if context is None else context.command.params:
        value = None if context is None or parameter.name is None else context.params.get(parameter.name)
        if parameter.name in _NOT_REPEATED or value is None or value is False or value == parameter.default:
            continue
        name = max(parameter.opts, key=len)
        given = value if isinstance(value, list | tuple) else [value]
        words += [name] if value is True else [word for one in given for word in (name, str(one))]
    return shlex.join(["bifrost-store", "migrate", step, *words])


def _report(known: Known, error: Exception | None, next_step: str, interrupted: str = "") -> None:
    if wishes.is_json:
        what = {"type": "Interrupted", "message": interrupted} if error is None else error_values(error)
        report({"phase": known.phase, "ok": False, "next": next_step, "error": what}, as_json=True, lines=[])
    if error is None:
        talk.print(interrupted, markup=False)
    else:
        show_error(error)
    talk.print(f"next: {next_step}", markup=False)


@contextmanager
def hearing() -> Iterator[Tell]:
    """Show what a phase tells: bars on a terminal, lines elsewhere."""
    if talk.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=talk, transient=True) as bars:
            tasks: dict[str, TaskID] = {}

            def draw(what: str, done: int, total: int | None) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total)

            yield _telling(draw)
        return
    shown: dict[str, int] = {}

    def line(what: str, done: int, total: int | None) -> None:
        if done // _PLAIN_LINE_EVERY != shown.get(what, 0) // _PLAIN_LINE_EVERY:
            talk.print(f"{what}: {done}" + (f" of {total}" if total else ""), markup=False)
        shown[what] = done

    yield _telling(line)


def _telling(count: Callable[[str, int, int | None], None]) -> Tell:
    def tell(event: str, fields: Mapping[str, Any]) -> None:
        done = fields.get("done")
        if isinstance(done, int):
            count(event, done, fields.get("total"))
        else:
            talk.print(" ".join([event, *(f"{name}={value}" for name, value in fields.items())]), markup=False)

    return tell
