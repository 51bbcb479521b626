"""``init``, ``ping``, ``repair``, ``purge``: looking after the store that the settings name."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bifrost_store.cli.output import JsonOption, report, run
from bifrost_store.cli.progress import counting_all

if TYPE_CHECKING:
    from bifrost_store.backends.protocol import Difference, IndexRows, RepairReport


def init(
    *,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Also replace TTL and indexing policy of containers that differ from what is needed."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make tables, containers and schema where missing. Reports what differs from what is needed, and changes it on request."""
    from bifrost_store.opening.store import open_store

    async def provision() -> tuple[list[Difference], list[Difference], list[str]]:
        async with open_store() as store:
            await store.provision()
            fixed = await store.fix() if fix else []
            left = await store.differences()
            is_usable = all(one.is_warning or one.is_fixable for one in left)
            return fixed, left, await store.ping() if is_usable else []

    fixed, left, stores = run(provision)
    lines = [*stores, *(f"fixed: {one}" for one in fixed)]
    lines += [f"{'warning' if one.is_warning else 'differs'}: {one} - {one.remedy}" for one in left]
    ok = all(one.is_warning for one in left)
    done = [str(one) for one in fixed]
    values = {"ok": ok, "stores": stores, "fixed": done, "differences": [asdict(one) for one in left]}
    report(values, as_json=as_json, lines=lines)
    if not ok:
        raise typer.Exit(1)


def ping(*, as_json: JsonOption = False) -> None:
    """Ask every backend and blob store in use whether it can be used."""
    from bifrost_store.opening.store import open_store

    async def ask() -> list[str]:
        async with open_store() as store:
            return await store.ping()

    lines = run(ask)
    report({"ok": True, "stores": lines}, as_json=as_json, lines=lines)


def repair(
    *,
    old_application_stopped: Annotated[
        bool,
        typer.Option(
            "--old-application-stopped",
            help="Confirms that only this library still creates executions: ids without a locator are no longer searched for.",
        ),
    ] = False,
    stop_index_rows: Annotated[
        bool,
        typer.Option(
            "--stop-index-rows",
            help="Confirms that the old application has stopped for good: the index rows that only it reads are removed, and no "
            "longer written. Refused while a migration promises the way back to it.",
        ),
    ] = False,
    resume_index_rows: Annotated[
        bool, typer.Option("--resume-index-rows", help="Withdraws that: index rows are written again, all of them.")
    ] = False,
    collect_payloads: Annotated[
        bool,
        typer.Option(
            "--collect-payloads",
            help="Confirms that no other store keeps payloads in the same place: removes what is a day old and no execution names.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make index rows, locators and the rows of memberships agree with the records. Safe at any time, and may be repeated."""
    from bifrost_store.opening.store import open_store

    if stop_index_rows and resume_index_rows:
        raise typer.BadParameter("--stop-index-rows and --resume-index-rows contradict each other")
    index_rows: IndexRows | None = "stop" if stop_index_rows else "resume" if resume_index_rows else None

    async def work() -> RepairReport:
        async with open_store() as store, counting_all(store) as progress:
            return await store.repair(
                old_application_stopped=old_application_stopped,
                index_rows=index_rows,
                collect_payloads=collect_payloads,
                progress=progress,
            )

    done = run(work)
    unreadable = [str(error) for error in done.unreadable]
    lines = [f"{what}: {count}" for what, count in done.repaired.items()] or ["nothing to repair"]
    lines += [f"unreadable: {line}" for line in unreadable]
    lines += [f"contradiction: {line}" for line in done.contradictions]
    values = {"repaired": done.repaired, "unreadable": unreadable, "contradictions": done.contradictions}
    report({"ok": not unreadable, **values}, as_json=as_json, lines=lines)
    if unreadable:
        raise typer.Exit(1)


def purge(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be removed, and say what stands in its way; change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove expired executions and their blobs, and figures of hours, for good. Readers do not see them before either.

    Refused while a migration is under way, and until 90 days after its cut-over.
    """
    from bifrost_store.opening.store import open_store

    async def remove() -> tuple[int, int]:
        async with open_store() as store:
            return await store.executions.purge_expired(), await store.metrics.purge_expired()

    if dry_run:
        _plan_purge(as_json=as_json)
        return
    count, hours = run(remove)
    lines = [f"{count} expired executions removed", *([f"figures of {hours} hours removed"] if hours else [])]
    report({"ok": True, "executions": count, "metrics": hours}, as_json=as_json, lines=lines)


def _plan_purge(*, as_json: bool) -> None:
    from bifrost_store.core.clock import utc_now
    from bifrost_store.migration.purging import PurgePlan, plan_purge
    from bifrost_store.opening.store import open_store

    async def plan() -> PurgePlan:
        async with open_store() as store, counting_all(store) as progress:
            return await plan_purge(store.backend, await store.backend.data_stores(), utc_now(), progress)

    found = run(plan)
    lines = [
        f"{found.executions} expired executions would be removed",
        f"figures of {found.metrics} hours would be removed",
        f"{found.documents} documents of execution data would be removed that have ended by themselves",
        *(f"refused: {obstacle}" for obstacle in found.obstacles),
    ]
    report({"ok": not found.obstacles, **asdict(found)}, as_json=as_json, lines=lines)
    if found.obstacles:
        raise typer.Exit(1)
