"""``metrics rollup``, ``rebuild``, ``compare``, ``status``: the figures of dashboards."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bifrost_store.cli.output import JsonOption, report, run, scope_of
from bifrost_store.core.clock import format_time

if TYPE_CHECKING:
    from bifrost_store.core.scope import Scope
    from bifrost_store.protocols import MetricsComparison, MetricsReport, MetricsStatus

app = typer.Typer(help="Figures of runs by hour and day, which dashboards show.", no_args_is_help=True)

ScopeOption = Annotated[
    str | None, typer.Option("--scope", metavar="ORG", help="An organization, or GLOBAL; by default every scope and the platform.")
]


@app.command()
def rollup(*, as_json: JsonOption = False) -> None:
    """Count the last hours of every scope, and days that are not as a count finds them. For a timer, at least once an hour."""
    from bifrost_store.opening.store import open_store

    async def work() -> MetricsReport:
        async with open_store() as store:
            return await store.metrics.rollup()

    _show(run(work), as_json=as_json)


@app.command()
def rebuild(
    *,
    scope: ScopeOption = None,
    day: Annotated[
        str | None, typer.Option("--day", metavar="DATE", help="This day alone, in UTC; by default all days that are open.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count every open day again: to begin with figures, and whenever in doubt. Frozen days stay as they are."""
    from bifrost_store.opening.store import open_store

    whose, wanted = _scope(scope), _date(day)

    async def work() -> MetricsReport:
        async with open_store() as store:
            return await store.metrics.rebuild(whose, day=wanted)

    _show(run(work), as_json=as_json)


@app.command()
def compare(
    *,
    scope: ScopeOption = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, metavar="N", help="The last N days; by default all that are open.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what is stored with a count made now, and name what differs. Changes nothing; exits with 1 if something differs."""
    from bifrost_store.opening.store import open_store

    whose = _scope(scope)

    async def work() -> MetricsComparison:
        async with open_store() as store:
            return await store.metrics.compare(whose, days=days)

    found = run(work)
    lines = [
        f"{one.scope} {one.id}: {one.field} is {'missing' if one.stored is None else one.stored}, counted {one.counted}"
        for one in found.differences
    ]
    lines += [f"{one}: goes on changing, and was not compared" for one in found.unsettled]
    lines.append(f"{found.compared} hours and days compared, {len(found.differences)} differences")
    ok = not found.differences
    differences = [{**asdict(one), "scope": str(one.scope)} for one in found.differences]
    values = {"ok": ok, "compared": found.compared, "differences": differences, "unsettled": list(found.unsettled)}
    report(values, as_json=as_json, lines=lines)
    if not ok:
        raise typer.Exit(1)


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """Say since when days are counted, when that was done last, and which are incomplete. `feed status` tells about the feed."""
    from bifrost_store.opening.store import open_store

    async def ask() -> list[MetricsStatus]:
        async with open_store() as store:
            return list(await store.metrics.status())

    found = run(ask)
    report({"ok": True, "scopes": [_values(one) for one in found]}, as_json=as_json, lines=[_line(one) for one in found])


def _show(done: MetricsReport, *, as_json: bool) -> None:
    lines = [f"{done.hours} hours and {done.days} days of {done.scopes} scopes counted, {done.finished} days for the last time"]
    lines += [f"incomplete: {one}: it was not counted in time, runs may be missing" for one in done.incomplete]
    lines += [f"unreadable: {one}" for one in done.unreadable]
    report({"ok": True, **asdict(done)}, as_json=as_json, lines=lines)


def _values(one: MetricsStatus) -> dict[str, Any]:
    return {
        "scope": None if one.scope is None else str(one.scope),
        "since": None if one.since is None else one.since.isoformat(),
        "counted_at": None if one.counted_at is None else format_time(one.counted_at),
        "open_days": one.open_days,
        "frozen_days": one.frozen_days,
        "incomplete": [day.isoformat() for day in one.incomplete],
    }


def _line(one: MetricsStatus) -> str:
    name = "platform" if one.scope is None else str(one.scope)
    if one.since is None or one.counted_at is None:
        return f"{name}: never counted"
    incomplete = f", incomplete: {', '.join(day.isoformat() for day in one.incomplete)}" if one.incomplete else ""
    days = f"{one.open_days} days open, {one.frozen_days} frozen"
    return f"{name}: since {one.since}, {days}, counted {format_time(one.counted_at)}{incomplete}"


def _scope(text: str | None) -> Scope | None:
    return None if text is None else scope_of(None if text == "GLOBAL" else text)


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:40]!r} is no date, such as 2025-01-26", param_hint="--day") from None
