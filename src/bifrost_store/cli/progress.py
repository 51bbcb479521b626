"""How far something long is, on stderr: bars with rate and time left on a terminal, plain counts now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from bifrost_store.cli.output import talk

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from bifrost_store.core.progress import Progress
    from bifrost_store.store import Store

_PLAIN_LINE_EVERY: Final = 1000


def is_watched() -> bool:
    """Return whether somebody looks at bars: stderr is a terminal that can move its cursor."""
    return sys.stderr.isatty() and talk.is_terminal and not talk.is_dumb_terminal


@contextmanager
def counting(totals: Mapping[str, int] | None = None) -> Iterator[Progress]:
    """Show what is told until the block ends, however it does.

    Args:
        totals: How many there are in all, where whoever counts does not know it; may be filled in meanwhile.
    """
    if not is_watched():
        yield _plain()
        return
    with _bars() as bars:
        yield _drawn(bars, totals or {})


@asynccontextmanager
async def counting_all(store: Store) -> AsyncIterator[Progress]:
    """As `counting`, for what goes through every record of *store*: where it is watched, they are counted beside it."""
    from bifrost_store.documents import SPECS
    from bifrost_store.migration.totals import beside, count_records

    totals: dict[str, int] = {}

    async def count() -> None:
        found = await count_records(store.backend, SPECS)
        totals.update(records=sum(found.values()), executions=found["execution"])

    with counting(totals) as progress:
        if not is_watched():
            yield progress
            return
        async with beside(count):
            yield progress


def _plain() -> Progress:
    shown: dict[str, int] = {}

    def line(what: str, done: int, total: int | None) -> None:
        if done // _PLAIN_LINE_EVERY != shown.get(what, 0) // _PLAIN_LINE_EVERY:
            talk.print(f"{what}: {done}" + (f" of {total}" if total else ""), markup=False)
        shown[what] = done

    return line


def _drawn(bars: Bars, totals: Mapping[str, int]) -> Progress:
    tasks: dict[str, TaskID] = {}

    def draw(what: str, done: int, total: int | None) -> None:
        total = total or totals.get(what)
        if what not in tasks:
            for before in tasks.values():  # comes to its end when the next begins
                bars.stop_task(before)
            tasks[what] = bars.add_task(what, total=None)
        # What is counted meanwhile may grow beyond what was there before.
        bars.update(tasks[what], completed=done, total=None if total is None else max(total, done))

    return draw


def _bars() -> Bars:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many a second."""

        @override
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f}/s")

    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), *times)
    return Progress(*columns, console=talk, transient=True)
