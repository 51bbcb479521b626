"""``logs``: what a run has left so far, for whoever looks for the line that tells why."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bifrost_store.cli.output import out, report, run, scope_of
from bifrost_store.core.clock import format_time
from bifrost_store.repository_protocols.execution_data import Item, ItemsPage, Level, LogLine, State, Variables

if TYPE_CHECKING:
    from bifrost_store.core.scope import Scope
    from bifrost_store.repository_protocols.execution_data import ExecutionItems

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]")
"""Of terminals ("ECMA-48: Control Functions for Coded Character Sets"): a line of a log must not move anybody's cursor."""
_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Other control characters, and those that turn the direction of what follows."""
_STYLES: Final = {Level.DEBUG: "dim", Level.WARNING: "yellow", Level.ERROR: "red", Level.CRITICAL: "bold red"}
_PAGE: Final = 500


def logs(
    execution_id: Annotated[str, typer.Argument(metavar="EXECUTION", help="The run's id.")],
    *,
    scope: Annotated[str | None, typer.Option("--scope", metavar="ORG", help="The run's organization; by default GLOBAL.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until the run has ended.")] = False,
    last: Annotated[int | None, typer.Option("--last", min=1, max=_PAGE, metavar="N", help="Begin with the last N items.")] = None,
    level: Annotated[
        Level, typer.Option("--level", case_sensitive=False, help="Only lines that matter at least so much.")
    ] = Level.DEBUG,
    find: Annotated[
        str | None, typer.Option("--find", metavar="TEXT", help="Only lines with this text, whatever its case.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each item as one JSON object on a line of its own.")] = False,
) -> None:
    """Show the log, variables and states of a run, also while it goes on."""
    from bifrost_store.opening.store import open_store

    if find is not None and (follow or last is not None):
        raise typer.BadParameter("not together with --follow or --last", param_hint="--find")
    whose = scope_of(scope)

    async def show() -> None:
        async with open_store() as store:
            async for page in _pages(store.execution_data, whose, execution_id, follow=follow, last=last, level=level, find=find):
                for item in page:
                    _show(item, as_json=as_json)
                for error in page.unreadable:
                    out.print(f"unreadable: {error}", markup=False, style="red")

    run(show)


async def _pages(
    data: ExecutionItems, scope: Scope, execution_id: str, *, follow: bool, last: int | None, level: Level, find: str | None
) -> AsyncIterator[ItemsPage]:
    after: str | None = None
    if last is not None:
        page = await data.last(scope, execution_id, limit=last, level=level)
        yield page
        if not follow:
            return
        after = page.after
    if follow:
        async for page in data.follow(scope, execution_id, after=after, level=level):
            yield page
        return
    while True:
        if find is None:
            page = await data.items(scope, execution_id, after=after, limit=_PAGE, level=level)
        else:
            page = await data.find(scope, execution_id, find, after=after, limit=_PAGE, level=level)
        yield page
        if page.is_last:
            return
        after = page.after


def _show(item: Item, *, as_json: bool) -> None:
    if as_json:
        report(_values(item), as_json=True, lines=[])
        return
    time = format_time(item.timestamp)
    match item:
        case LogLine():
            data = "" if item.data is None else f"  {json.dumps(item.data, ensure_ascii=False)}"
            text = f"{time} {item.level.upper():8} {item.message}{data}"
            style = _STYLES.get(item.level)
            out.print(_plain(text), markup=False, style=style)
            if item.traceback is not None:
                out.print(_plain("\n".join(f"    {line}" for line in item.traceback.splitlines())), markup=False, style=style)
        case Variables():
            out.print(_plain(f"{time} variables {json.dumps(item.values, ensure_ascii=False)}"), markup=False, style="dim")
        case State():
            out.print(_plain(f"{time} state {json.dumps(item.value, ensure_ascii=False)}"), markup=False, style="dim")


def _values(item: Item) -> dict[str, Any]:
    values: dict[str, Any] = {"recording": item.recording, "number": item.number, "timestamp": format_time(item.timestamp)}
    match item:
        case LogLine():
            optional = {"data": item.data, "logger": item.logger, "traceback": item.traceback}
            given = {name: value for name, value in optional.items() if value is not None}
            return {"type": "log", **values, "level": item.level.value, "message": item.message, **given}
        case Variables():
            return {"type": "variables", **values, "count": item.count, "variables": item.values}
        case State():
            return {"type": "state", **values, "count": item.count, "state": item.value}


def _plain(text: str) -> str:
    """Return *text* without what a terminal would obey; other hidden characters are shown by their code."""
    return _HIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", _ESCAPES.sub("", text))
