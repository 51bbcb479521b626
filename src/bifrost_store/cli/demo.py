"""``demo``: the same calls on each backend, side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from bifrost_store.cli.console import check_libraries
from bifrost_store.cli.output import JsonOption, out, report, run, talk

if TYPE_CHECKING:
    from bifrost_store.demo.journey import Answers, Journey
    from bifrost_store.demo.moving import Leg
    from bifrost_store.demo.watching import Sight
    from bifrost_store.settings import StoreSettings
    from bifrost_store.store import Store

_NARROWEST = 132


def demo(
    *,
    page: Annotated[bool, typer.Option("--page", help="Then serve the console on its data, with a run under way.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load a small data set, make the same calls on each backend and compare, watch a run, then migrate to Cosmos DB and back."""
    from bifrost_store.demo.journey import travel

    if page:
        check_libraries()
    talk.print("Bringing up Azurite and the Cosmos DB emulator, and loading the data set ...", style="dim")

    async def show(journey: Journey, settings: StoreSettings) -> None:
        if as_json:
            report(_as_json(journey), as_json=True, lines=[])
        else:
            _show(journey)
        if page:
            await _serve(settings)

    journey = run(lambda: travel(show))
    if not page:
        talk.print("To watch a run in a browser, on this data: bifrost-store demo --page", style="dim", markup=False)
    if not journey.ok:
        raise typer.Exit(1)


async def _serve(settings: StoreSettings) -> None:
    """Serve the console until Ctrl-C."""
    import anyio

    from bifrost_store.console.serving import serve
    from bifrost_store.demo.running import run_on_and_on

    async with anyio.create_task_group() as tasks:

        def tell(address: str, store: Store) -> None:
            print(address, flush=True)  # noqa: T201 - data goes to stdout
            talk.print("A run is under way there. Ctrl-C ends the demo.", style="dim")
            tasks.start_soon(run_on_and_on, store)

        await serve(settings, on_ready=tell)
        tasks.cancel_scope.cancel()


def _as_json(journey: Journey) -> dict[str, object]:
    calls = [
        {
            "call": call.call,
            "is_identical": call.is_identical,
            "answers": call.answers,
            "requests": call.requests,
            "request_units": call.request_units,
        }
        for call in journey.calls
    ]
    sights, legs = [asdict(sight) for sight in journey.sights], [asdict(leg) for leg in journey.legs]
    seen = {"backends": journey.backends, "notes": journey.notes, "calls": calls, "watched_run": sights, "migration": legs}
    return {"ok": journey.ok, **seen}


def _show(journey: Journey) -> None:
    from rich.table import Table

    table = Table(show_lines=True)
    for column in ("call", *(f"{backend} answers" for backend in journey.backends), "requests"):
        table.add_column(column, overflow="fold")
    for call in journey.calls:
        requests = ", ".join(_cost(call, backend) for backend in journey.backends)
        style = None if call.is_identical else "red"
        answers = [escape(_short(call.answers[backend])) for backend in journey.backends]
        table.add_row(escape(call.call), *answers, requests, style=style)
    Console(width=max(out.width, _NARROWEST)).print(table)
    for note in journey.notes:
        out.print(note, markup=False)
    _show_sights(journey.backends, journey.sights)
    if journey.legs:
        _show_legs(journey.legs)
    if len(journey.backends) > 1:
        different = [call.call for call in journey.calls if not call.is_identical]
        different += [sight.moment for sight in journey.sights if not sight.ok]
        different += [leg.step for leg in journey.legs if not leg.ok]
        out.print("identical" if not different else f"different: {', '.join(different)}", markup=False)


def _show_sights(backends: list[str], sights: list[Sight]) -> None:
    from rich.table import Table

    table = Table(title="A run that is watched while it goes on", show_lines=True)
    for column in ("what has happened", *(f"{backend} shows" for backend in backends)):
        table.add_column(column, overflow="fold")
    for sight in sights:
        seen = [escape(sight.seen[backend]) for backend in backends]
        table.add_row(escape(sight.moment), *seen, style=None if sight.ok else "red")
    Console(width=max(out.width, _NARROWEST)).print(table)


def _show_legs(legs: list[Leg]) -> None:
    from rich.table import Table

    table = Table(title="From Table Storage to Cosmos DB and back, while a store serves", show_lines=True)
    for column in ("step", "answers then", "what came of it"):
        table.add_column(column, overflow="fold")
    for leg in legs:
        table.add_row(escape(leg.step), leg.answers, escape(leg.said), style=None if leg.ok else "red")
    Console(width=max(out.width, _NARROWEST)).print(table)


def _cost(call: Answers, backend: str) -> str:
    charge = call.request_units[backend]
    return f"{backend} {call.requests[backend]}" + (f" ({charge:.2f} RU)" if charge else "")


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else f"{text[:limit]} ..."
