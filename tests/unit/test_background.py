"""Background work: none ends at an error, and what fails is told, counted and done again."""

from __future__ import annotations

import asyncio
import logging

import anyio
import anyio.lowlevel
import pytest

from bifrost_store.errors import BackendUnavailableError
from bifrost_store.routing.membership.background import Background
from bifrost_store.testing.model import ModelBackend
from tests.unit.member_world import TIMING, World, in_world

pytestmark = pytest.mark.anyio


class Scene:
    """Background work whose pauses are noted, and end it after the last of *answers*."""

    def __init__(self, answers: list[float | Exception]) -> None:
        self.answers = answers
        self.pauses: list[float] = []
        self.problems: list[dict[str, str]] = []
        self.is_over = asyncio.Event()
        self.background = Background(sleep=self.sleep)

    async def work(self) -> float:
        if not self.answers:
            self.is_over.set()
            await anyio.sleep_forever()
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.problems.append(dict(self.background.problems))
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    "error", [BackendUnavailableError("away"), RecursionError("deep"), KeyError("x"), ExceptionGroup("g", [ValueError()])]
)
async def test_work_goes_on_whatever_it_meets(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Pauses grow up to their bound; it is logged once for each spell, with a traceback where nobody expected it."""
    scene = Scene([5.0, *[error] * 9, 5.0, error, 5.0])
    with caplog.at_level(logging.INFO):
        scene.background.keep("repair", scene.work)
        scene.background.keep("repair", scene.work)
        await scene.is_over.wait()
    await scene.background.aclose()

    assert scene.pauses == [5.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 5.0, 1.0, 5.0]
    assert scene.background.tally.counts["repair"] == 10
    name = type(error).__name__
    assert scene.problems[9] == {"repair": f"{name}, 9 times in a row"}
    assert scene.background.problems == {}
    told = [record for record in caplog.records if getattr(record, "event", None) == "background.failed"]
    assert [bool(record.exc_info) for record in told] == [not isinstance(error, BackendUnavailableError)] * 2
    assert sum(getattr(record, "event", None) == "background.works_again" for record in caplog.records) == 2


async def test_what_cancels_only_a_part_ends_nothing() -> None:
    """Work that waited for something which was cancelled goes on; work that is cancelled itself ends."""
    scene = Scene([5.0, asyncio.CancelledError(), 5.0])  # type: ignore[list-item]
    task = scene.background.keep("lease", scene.work)
    await scene.is_over.wait()
    task.cancel()
    await asyncio.wait({task})

    assert scene.pauses == [5.0, 1.0, 5.0]
    assert task.cancelled()
    await scene.background.aclose()


async def test_after_closing_nothing_begins() -> None:
    """Work that is asked for too late is not done."""
    scene = Scene([])
    await scene.background.aclose()
    task = scene.background.keep("repair", scene.work)
    await asyncio.wait({task})

    assert task.cancelled()


def test_other_processes_see_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose repair of the journal meets an error of no known class says so in its lease row, until it works again."""

    async def work(world: World) -> None:
        await world.begin()
        process = await world.process()
        answers = process.reach["table"]
        query = answers.query

        async def damaged(asked: object) -> object:
            if getattr(asked, "kind", "") == "journal":
                raise RecursionError("deep")
            return await query(asked)

        answers.query = damaged  # type: ignore[attr-defined]
        await asyncio.sleep(4 * TIMING.renew)
        (row,) = await world.rows("table")
        assert row.state.problem is not None
        assert "repair of the journal of table: RecursionError" in row.state.problem
        del answers.query
        await asyncio.sleep(90 + 2 * TIMING.renew)
        (row,) = await world.rows("table")
        assert row.state.problem is None
        assert isinstance(world.stores["table"], ModelBackend)

    in_world(work)
