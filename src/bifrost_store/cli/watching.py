"""``migrate status --watch``: where a migration stands, looked at again and again until Ctrl-C."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio

from bifrost_store.cli.next_steps import with_next
from bifrost_store.cli.output import out, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

    from bifrost_store.migration.pace import Pace
    from bifrost_store.migration.status import MigrationStatus

    Show: TypeAlias = Callable[[MigrationStatus, Mapping[str, Pace]], None]

LOOK_EVERY_SECONDS: Final = 2.0
_BAR_WIDTH: Final = 40


async def watch(*, as_json: bool) -> None:
    """Look every two seconds, and show what is seen: drawn over on a terminal, a line for each change elsewhere.

    With *as_json* each look is one object on a line of its own.
    """
    from bifrost_store.migration.pace import Paces

    paces = Paces()
    with _shown(as_json=as_json) as show:
        async for status in _looks():
            show(status, paces.see(status))


async def _looks() -> AsyncIterator[MigrationStatus]:
    from bifrost_store.opening.migration import open_migration

    async with open_migration() as migration:
        while True:
            yield await migration.status()
            await anyio.sleep(LOOK_EVERY_SECONDS)


def _shown(*, as_json: bool) -> AbstractContextManager[Show]:
    if as_json:
        return _as_json()
    return _drawn() if out.is_terminal and not out.is_dumb_terminal else _plain()


@contextmanager
def _as_json() -> Iterator[Show]:
    def show(status: MigrationStatus, paces: Mapping[str, Pace]) -> None:
        values = with_next(status.values(), status.next_steps)
        values["progress"] = {name: pace.values() for name, pace in paces.items()}
        report(values, as_json=True, lines=[])

    yield show


@contextmanager
def _plain() -> Iterator[Show]:
    before = ""

    def show(status: MigrationStatus, paces: Mapping[str, Pace]) -> None:
        nonlocal before
        problems = [f"{name}: {store.problem}" for name, store in status.stores.items() if store.problem is not None]
        line = "; ".join([f"phase {status.phase}", *(f"{name} {_told(pace)}" for name, pace in paces.items()), *problems])
        if line != before:
            out.print(f"{status.now:%H:%M:%S} UTC {line}", markup=False)
        before = line

    yield show


@contextmanager
def _drawn() -> Iterator[Show]:
    from rich.live import Live

    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
        yield lambda status, paces: live.update(_picture(status, paces), refresh=True)


def _picture(status: MigrationStatus, paces: Mapping[str, Pace]) -> Group:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    from bifrost_store.migration.status import lines_of

    lines = [*lines_of(status, shows_progress=False), f"next: {with_next(status.values(), status.next_steps)['next']}"]
    parts: list[Any] = [Text("\n".join(lines))]
    for name, pace in paces.items():
        parts += [Text(f"\n{name}: {_told(pace)}"), ProgressBar(pace.total, pace.done, width=_BAR_WIDTH)]
    parts.append(Text(f"\n{status.now:%Y-%m-%d %H:%M:%S} UTC, every {LOOK_EVERY_SECONDS:g} s; Ctrl-C ends", style="dim"))
    return Group(*parts)


def _told(pace: Pace) -> str:
    of = f" of {pace.total:,}" if pace.total is not None else ""
    rate = f", {pace.rate:,.0f} a second" if pace.rate is not None else ""
    left = f", {_duration(pace.seconds_left)} left" if pace.seconds_left is not None else ""
    return f"{pace.done:,}{of}{rate}{left}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"
