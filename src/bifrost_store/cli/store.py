"""``init``, ``ping``, ``repair``, ``purge``: looking after the store that the settings name."""

from __future__ import annotations

from typing import Annotated

import typer

from bifrost_store.cli.output import JsonOption, report, run
from bifrost_store.store import open_store


def init(*, as_json: JsonOption = False) -> None:
    """Make tables, containers and schema where missing. Changes nothing that exists."""

    async def provision() -> list[str]:
        async with open_store() as store:
            await store.provision()
            return await store.ping()

    lines = run(provision)
    report({"ok": True, "stores": lines}, as_json=as_json, lines=lines)


def ping(*, as_json: JsonOption = False) -> None:
    """Ask every backend and blob store in use whether it can be used."""

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
            help="Only this library still creates executions: ids without a locator are no longer searched for.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make index rows, locators and the rows of memberships agree with the records. Safe at any time, and twice."""

    async def mend() -> tuple[dict[str, int], list[str]]:
        async with open_store() as store:
            done = await store.repair(old_application_stopped=old_application_stopped)
            return done.mended, [str(error) for error in done.unreadable]

    mended, unreadable = run(mend)
    lines = [f"{what}: {count}" for what, count in mended.items()] or ["nothing to mend"]
    lines += [f"unreadable: {line}" for line in unreadable]
    report({"ok": not unreadable, "mended": mended, "unreadable": unreadable}, as_json=as_json, lines=lines)
    if unreadable:
        raise typer.Exit(1)


def purge(*, as_json: JsonOption = False) -> None:
    """Remove expired executions and their blobs for good. Readers do not see them before either."""

    async def remove() -> int:
        async with open_store() as store:
            return await store.executions.purge_expired()

    count = run(remove)
    report({"ok": True, "executions": count}, as_json=as_json, lines=[f"{count} expired executions removed"])
