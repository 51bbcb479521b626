"""``logs``: what a run has left so far, for whoever looks for the line that tells why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bifrost_store.cli.output import JsonLinesOption, run, scope_of
from bifrost_store.errors import DocumentNotFoundError

if TYPE_CHECKING:
    from bifrost_store.core.scope import Scope
    from bifrost_store.repository_protocols.execution_data import ExecutionItems, ItemsPage

_PAGE: Final = 500


class Least(StrEnum):
    """The levels of lines, which the library itself would take long to import."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def logs(
    execution_id: Annotated[str, typer.Argument(metavar="EXECUTION", help="The run's id.")],
    *,
    scope: Annotated[str | None, typer.Option("--scope", metavar="ORG", help="The run's organization; by default GLOBAL.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until the run has ended.")] = False,
    last: Annotated[int | None, typer.Option("--last", min=1, max=_PAGE, metavar="N", help="Begin with the last N items.")] = None,
    level: Annotated[
        Least, typer.Option("--level", case_sensitive=False, help="Only lines that matter at least so much.")
    ] = Least.DEBUG,
    find: Annotated[
        str | None, typer.Option("--find", metavar="TEXT", help="Only lines with this text, whatever its case.")
    ] = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Show the log, variables and states of a run, also while it goes on."""
    from bifrost_store.cli.items import show_item, show_unreadable
    from bifrost_store.opening.store import open_store

    if find is not None and (follow or last is not None):
        raise typer.BadParameter("not together with --follow or --last", param_hint="--find")
    whose = scope_of(scope)

    async def show() -> None:
        async with open_store() as store:
            async for page in _pages(store.execution_data, whose, execution_id, follow=follow, last=last, level=level, find=find):
                for item in page:
                    show_item(item, as_json=as_json)
                for error in page.unreadable:
                    show_unreadable(error, as_json=as_json)

    async def show_or_ask() -> None:
        try:
            await show()
        except DocumentNotFoundError as error:
            if scope is not None:
                raise
            raise DocumentNotFoundError(
                f"{error}; if it is an organization's run, name that with --scope", key=error.key
            ) from error

    run(show_or_ask)


async def _pages(
    data: ExecutionItems, scope: Scope, execution_id: str, *, follow: bool, last: int | None, level: str, find: str | None
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
