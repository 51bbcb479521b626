"""``migrate``: the move from Table Storage to Cosmos DB and the way back, phase by phase."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from bifrost_store.cli import watching
from bifrost_store.cli.migrate_output import failed, hearing, show
from bifrost_store.cli.next_steps import with_next
from bifrost_store.cli.output import JsonOption, finite, report, run, talk
from bifrost_store.core.commands import command_of, words_of
from bifrost_store.core.scope import Scope
from bifrost_store.errors import InvalidKeyError, MigrationRefusedError, NextStep

if TYPE_CHECKING:
    from bifrost_store.migration.outcome import PhaseReport, Plan
    from bifrost_store.migration.phases import Migration
    from bifrost_store.migration.state import Options
    from bifrost_store.migration.status import MigrationStatus

app = typer.Typer(
    help="Move a live platform from Table Storage to Cosmos DB, and back: start, backfill, verify, cutover, finish. "
    "Every phase can be interrupted and repeated.",
    no_args_is_help=True,
)

_FOLDER = Path("bifrost-migration")
Folder = Annotated[
    Path, typer.Option("--reports", metavar="DIR", help="Where reports and rejected rows are written.", file_okay=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and what stands in its way; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DropExpired = Annotated[
    bool,
    typer.Option(
        "--drop-expired", help="Leave out executions past their retention: readers see them no longer after the cut-over."
    ),
]
RequestUnits = Annotated[
    float | None,
    typer.Option(
        "--request-units",
        metavar="N",
        min=1.0,
        help="What the backfill may use of Cosmos DB a second; by default what the account gives.",
        callback=finite,
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="GLOBAL or an organization's id: only this one moves. May be given several times."
    ),
]
Repair = Annotated[bool, typer.Option("--repair", help="Make the secondary what the primary is wherever they differ.")]

Do: TypeAlias = "Callable[[Migration], Awaitable[PhaseReport]]"


@app.command()
def start(*, dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Provision Cosmos DB, tell every process, and send every write to both stores from here on."""
    _carry_out("start", lambda migration: migration.start(), as_json=as_json, dry_run=dry_run)


@app.command()
def backfill(
    *,
    drop_expired: DropExpired = False,
    request_units: RequestUnits = None,
    reports: Folder = _FOLDER,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Carry over every row of every table. Goes on where an earlier run stopped; no row of Table Storage is changed."""
    _carry_over(
        "backfill",
        lambda migration: migration.backfill(drop_expired=drop_expired),
        drop_expired=drop_expired,
        request_units=request_units,
        reports=reports,
        dry_run=dry_run,
        as_json=as_json,
    )


@app.command()
def verify(*, repair: Repair = False, reports: Folder = _FOLDER, dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Compare every record of both stores. Exits with 0 only if no difference is left open."""
    words = words_of(repair=repair, reports=_named(reports))
    _carry_out(
        "verify",
        lambda migration: migration.verify(repair=repair),
        as_json=as_json,
        dry_run=dry_run,
        folder=reports,
        repair=repair,
        words=words,
    )


@app.command()
def cutover(
    *,
    scope: Scopes = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Go on although Table Storage is dead, or the journal names records that cannot be repaired. "
            "Their last writes may be lost; the report names them.",
        ),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Serve from Cosmos DB. Table Storage receives every write too, so that rolling back loses nothing."""
    scopes = _scopes(scope)
    words = words_of(scope=scope, force=force)
    _hand_over(
        "cutover",
        lambda migration: migration.cutover(scopes, force=force),
        scopes,
        force=force,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        words=words,
    )


@app.command()
def rollback(
    *,
    scope: Scopes = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Go on although Cosmos DB is dead, or the journal names records that cannot be repaired. "
            "Their last writes may be lost; the report names them.",
        ),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Serve from Table Storage again. Cosmos DB receives every write too, so that a later cut-over loses nothing."""
    scopes = _scopes(scope)
    words = words_of(scope=scope, force=force)
    _hand_over(
        "rollback",
        lambda migration: migration.rollback(scopes, force=force),
        scopes,
        force=force,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        words=words,
    )


@app.command()
def abandon(*, dry_run: DryRun = False, yes: Yes = False, as_json: JsonOption = False) -> None:
    """Stop sending writes to Cosmos DB, before the cut-over or after a rollback. Deletes nothing."""
    _hand_over("abandon", lambda migration: migration.abandon(), (), dry_run=dry_run, yes=yes, as_json=as_json)


@app.command()
def finish(
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Do not wait for 30 days after the last cut-over; give Table Storage up if it is gone for good.",
        ),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Stop sending writes to Table Storage: there is no way back afterwards. Deletes nothing."""
    _hand_over(
        "finish",
        lambda migration: migration.finish(force=force),
        (),
        force=force,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        words=words_of(force=force),
    )


@app.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look every two seconds, with rates and time left, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say where the migration stands: phase, routes, progress, differences, journal, processes, days left. Changes nothing."""
    from bifrost_store.migration.status import lines_of
    from bifrost_store.opening.migration import open_migration

    async def ask() -> MigrationStatus:
        async with open_migration() as migration:
            return await migration.status()

    with failed("status", words_of(watch=watch)):
        if watch:
            run(lambda: watching.watch(as_json=as_json))
            return
        found = run(ask)
    values = with_next(found.values(), found.next_steps)
    report(values, as_json=as_json, lines=[*lines_of(found), f"next: {values['next']}"])
    if not found.ok:
        raise typer.Exit(1)


@app.command("report")
def write_report(
    *,
    html: Annotated[
        Path, typer.Option("--html", metavar="FILE", help="Where the page is written, in place of what is there.", dir_okay=False)
    ],
    executions_per_month: Annotated[
        float | None,
        typer.Option(
            "--executions-per-month",
            min=0.0,
            metavar="N",
            help="Also project what a month with so many costs, as `cost` does on an emulator.",
            callback=finite,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page for those who decide: what was moved and verified, differences, timeline, cost. One file; changes nothing."""
    from bifrost_store.cli.reporting import write_page

    words = words_of(html=html, executions_per_month=executions_per_month)
    with failed("report", words):
        found = run(lambda: write_page(html, executions_per_month))
    values = with_next(found.values(), found.next_steps)
    kept = {"phase": values["phase"], "ok": True, "next": values["next"], "html": str(html)}
    report(kept, as_json=as_json, lines=[f"written: {html}", f"next: {values['next']}"])


@app.command("run")
def run_to_verified(
    *,
    drop_expired: DropExpired = False,
    request_units: RequestUnits = None,
    reports: Folder = _FOLDER,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Go from wherever the migration is to verified: start, backfill, verify."""
    _carry_over(
        "run",
        lambda migration: migration.run(drop_expired=drop_expired),
        drop_expired=drop_expired,
        request_units=request_units,
        reports=reports,
        dry_run=dry_run,
        as_json=as_json,
    )


def _carry_over(
    name: str,
    do: Do,
    *,
    drop_expired: bool,
    request_units: float | None,
    reports: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Carry out a step that backfills."""
    from bifrost_store.migration.state import Options

    _carry_out(
        name,
        do,
        as_json=as_json,
        dry_run=dry_run,
        folder=reports,
        request_units=request_units,
        options=Options(drop_expired=drop_expired),
        words=words_of(drop_expired=drop_expired, request_units=request_units, reports=_named(reports)),
    )


def _carry_out(
    name: str,
    do: Do,
    *,
    as_json: bool,
    dry_run: bool = False,
    folder: Path = _FOLDER,
    request_units: float | None = None,
    repair: bool = False,
    options: Options | None = None,
    words: Sequence[str] = (),
) -> None:
    """Carry out a step, or with *dry_run* only plan it, show its report, and exit."""
    from bifrost_store.migration.state import Step
    from bifrost_store.opening.migration import open_migration

    async def work() -> PhaseReport | Plan:
        with hearing() as tell:
            async with open_migration(folder=folder, request_units=request_units, tell=tell) as migration:
                try:
                    return await (migration.plan(Step(name), repair=repair, options=options) if dry_run else do(migration))
                finally:
                    known.see(migration)

    with failed(name, words) as known:
        done = run(work)
    show(done, as_json=as_json)


def _hand_over(
    name: str,
    do: Do,
    scopes: Sequence[Scope],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    force: bool = False,
    words: Sequence[str] = (),
) -> None:
    """Plan a hand-over, show the plan, ask unless *yes*, and carry it out."""
    from bifrost_store.migration.state import Step
    from bifrost_store.opening.migration import open_migration

    words = [*words, *words_of(yes=yes)]

    async def plan() -> Plan:
        async with open_migration() as migration:
            try:
                return await migration.plan(Step(name), scopes, force=force, may_write=not dry_run)
            finally:
                known.see(migration)

    with failed(name, words) as known:
        planned = run(plan)
        if not (dry_run or planned.obstacles or planned.is_done):
            if not (yes and as_json):
                for line in planned.lines:
                    talk.print(line, markup=False)
            if not yes:
                _ask(name, words)
    if dry_run or planned.obstacles:
        show(planned, as_json=as_json)
    else:
        _carry_out(name, do, as_json=as_json, words=words)


def _ask(name: str, words: Sequence[str]) -> None:
    if not sys.stdin.isatty():
        raise MigrationRefusedError(
            f"migrate {name} asks before it begins, and there is nobody to ask",
            next_steps=(NextStep(command_of(name, *words, "--yes")),),
        )
    try:
        is_wanted = typer.confirm("Go on?", err=True)
    except typer.Abort:  # of Ctrl-C, and of the end of the input
        raise KeyboardInterrupt from None
    if not is_wanted:
        talk.print("nothing was changed", markup=False)
        raise typer.Exit(1)


def _named(folder: Path) -> Path | None:
    return None if folder == _FOLDER else folder


def _scopes(given: list[str] | None) -> list[Scope]:
    try:
        return [Scope.from_partition_key(text) for text in given or ()]
    except InvalidKeyError as error:
        raise typer.BadParameter(str(error)) from None
