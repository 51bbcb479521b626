"""``feed status``, ``feed run``, ``feed dead-letters``: processors that follow what changes in a store."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bifrost_store.cli.output import JsonOption, one_line, report, run
from bifrost_store.core.clock import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from bifrost_store.backends.protocol import Backend
    from bifrost_store.changefeed import DeadLetter, FeedLease, Handler
    from bifrost_store.changefeed.status import ProcessorStatus
    from bifrost_store.store import Store

app = typer.Typer(help="Follow what changes in a store of SQLite or Cosmos DB.", no_args_is_help=True)

StoreOption = Annotated[
    str | None, typer.Option("--store", metavar="BACKEND", help="Whose feed: sqlite or cosmos; by default BIFROST_STORE_BACKEND.")
]


@app.command()
def status(*, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say how far each processor has come in each range, who follows it, and what it is held for."""
    from bifrost_store.changefeed.status import processors_of
    from bifrost_store.opening.store import open_store

    async def ask() -> list[ProcessorStatus]:
        async with open_store() as opened:
            return await processors_of(_followed(opened, store))

    found = run(ask)
    ok = not any(one.is_stuck for one in found)
    processors = [
        {"name": one.name, "feed": one.feed, "dead_letters": one.dead_letters, "ranges": list(map(_range_values, one.leases))}
        for one in found
    ]
    lines = [line for one in found for line in _lines(one)] or ["no processors"]
    report({"ok": ok, "processors": processors}, as_json=as_json, lines=lines)
    if not ok:
        raise typer.Exit(1)


@app.command("run")
def run_processor(
    handler: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:HANDLER",
            help="An async function of a list of items, found from the current folder; or realtime, which tells clients of Azure "
            "SignalR Service what happens to runs; or metrics, which keeps the figures of dashboards right.",
        ),
    ],
    *,
    name: Annotated[str | None, typer.Option("--name", help="Of the processor: what its processes have in common.")] = None,
    feed: Annotated[str | None, typer.Option("--feed", help="entities, executions or execution_data.")] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", help="Where a processor begins that has no position yet: now (default), beginning, or a position."),
    ] = None,
    on_poison: Annotated[
        str | None,
        typer.Option("--on-poison", help="What becomes of an item that the handler cannot take: dead-letter (default) or stop."),
    ] = None,
    poll: Annotated[
        float | None, typer.Option("--poll", metavar="SECONDS", help="How long to wait when nothing is new: 5; of realtime 1.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand what changes to a function, until interrupted. Several processes with one name share the work."""
    given = {"--name": name, "--feed": feed, "--start": start, "--on-poison": on_poison}
    if handler in ("realtime", "metrics"):
        if own := [option for option, value in given.items() if value is not None]:
            raise typer.BadParameter(f"{handler} has its own", param_hint=" ".join(own))
        run(
            lambda: (
                _follow_realtime(store, 1.0 if poll is None else poll)
                if handler == "realtime"
                else _follow_metrics(store, 5.0 if poll is None else poll)
            )
        )
    else:
        if missing := [option for option in ("--name", "--feed") if given[option] is None]:
            raise typer.BadParameter("must be given for a handler of yours", param_hint=" ".join(missing))
        found = _handler(handler)
        options = {"name": name, "feed": feed, "start": start or "now", "on_poison": on_poison or "dead-letter"}
        run(lambda: _follow(store, handler=found, poll_seconds=5.0 if poll is None else poll, **options))
    report({"ok": True}, as_json=as_json, lines=[])


async def _follow(store: str | None, **options: Any) -> None:
    from bifrost_store.changefeed import ChangeFeedProcessor
    from bifrost_store.opening.store import open_store

    async with open_store() as opened:
        await ChangeFeedProcessor(_followed(opened, store), **options).run()


async def _follow_realtime(name: str | None, poll: float) -> None:
    from bifrost_store.opening.signalr import follow_realtime, open_signalr
    from bifrost_store.opening.store import open_store
    from bifrost_store.settings import StoreSettings

    async with open_signalr(StoreSettings.from_environment()) as sender, open_store() as opened:
        await follow_realtime(opened, _followed(opened, name).name, sender, poll_seconds=poll)


async def _follow_metrics(name: str | None, poll: float) -> None:
    from bifrost_store.opening.metrics import metrics_processor
    from bifrost_store.opening.store import open_store

    async with open_store() as opened:
        await metrics_processor(opened, _followed(opened, name).name, poll_seconds=poll).run()


@app.command("dead-letters")
def dead_letters(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the processor.")],
    *,
    replay: Annotated[
        str | None,
        typer.Option("--replay", metavar="MODULE:HANDLER", help="Hand over what is there by now, and forget what is taken."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the items that a processor went past, as its handler could not take them; on request, try them again."""
    from bifrost_store.changefeed import DeadLetters
    from bifrost_store.opening.store import open_store

    handler = None if replay is None else _handler(replay)

    async def work() -> tuple[list[DeadLetter], int]:
        async with open_store() as opened:
            letters = DeadLetters(_followed(opened, store), name)
            outcomes = [] if handler is None else await letters.replay(handler)
            return [row.state async for row in letters.all()], sum(error is None for _, error in outcomes)

    left, taken = run(work)
    lines = [f"replayed: {taken}"] if handler is not None else []
    lines += [f"{_item_of(letter)}: {letter.error}: {one_line(letter.message)} ({letter.attempts} attempts)" for letter in left]
    ok = handler is None or not left
    values = [letter.model_dump(mode="json") for letter in left]
    report({"ok": ok, "replayed": taken, "dead_letters": values}, as_json=as_json, lines=lines or ["no dead letters"])
    if not ok:
        raise typer.Exit(1)


def _followed(opened: Store, name: str | None) -> Backend:
    """Return the store that is followed, if it has a feed."""
    from bifrost_store.backends.registry import BACKENDS
    from bifrost_store.changefeed.power import feed_of
    from bifrost_store.settings import StoreSettings

    name = name or StoreSettings.from_environment().backend
    if name not in BACKENDS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(sorted(BACKENDS))}", param_hint="--store")
    backend = opened.backend.backend(name)
    feed_of(backend)
    return backend


def _handler(text: str) -> Handler:
    """Return the function that ``module:function`` names."""
    module, _, function = text.partition(":")
    if not module or not function:
        raise typer.BadParameter(f"{text!r}: expected module:function, such as my_handlers:handle", param_hint="MODULE:HANDLER")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Handler = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"{text!r}: there is no module {error.name!r}", param_hint="MODULE:HANDLER") from error
    except AttributeError as error:
        raise typer.BadParameter(f"{text!r}: the module has no {function!r}", param_hint="MODULE:HANDLER") from error
    return found


def _range_values(lease: FeedLease) -> dict[str, Any]:
    return {
        "low": lease.low,
        "high": lease.high,
        "process": lease.process,
        "lag_items": lease.lag_items,
        "lag_seconds": lease.lag_seconds,
        "moved_at": _time(lease.moved_at),
        "problem": lease.problem,
        "failures": lease.failures,
        "failing_since": _time(lease.failing_since),
        "stuck_since": _time(lease.stuck_since),
    }


def _lines(one: ProcessorStatus) -> list[str]:
    lines = [f"{one.name}: {one.feed}, {one.dead_letters} dead letters"]
    for lease in one.leases:
        what = [lease.process or "nobody", f"{lease.lag_items} behind", f"moved {_time(lease.moved_at) or 'never'}"]
        if lease.problem is not None:
            stuck = f", stuck since {_time(lease.stuck_since)}" if lease.stuck_since else ""
            what.append(f"held: {lease.problem}, {lease.failures} times{stuck}")
        lines.append(f"  {lease.part}: {'; '.join(what)}")
    return lines


def _item_of(letter: DeadLetter) -> str:
    parts = (letter.kind or letter.feed, letter.scope, letter.id, letter.document)
    return " ".join(part for part in parts if part)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
