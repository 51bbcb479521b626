"""Every line that a recording accepted is stored exactly once, in order, whatever the store does meanwhile."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.execution_data import DataDocument, segment_id
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.errors import (
    BackendUnavailableError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    OutcomeUnknownError,
    StoreError,
    ThrottledError,
)
from bifrost_store.protocols import ExecutionRef, LogLine, Recording
from bifrost_store.recording import carry, run_recording
from tests.recording.world import FailingData, World, check_covers, open_world, stored

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("soon_again")]

FAILURES: list[tuple[StoreError, bool]] = [
    (BackendUnavailableError("away"), False),
    (ThrottledError("busy", retry_after_seconds=0.001), False),
    (OutcomeUnknownError("lost"), False),
    (OutcomeUnknownError("lost"), True),
]


ACTIONS = st.sampled_from(["debug", "info", "warning", "error", "logging", "variables", "state", "pause"])


@given(
    threads=st.lists(st.lists(ACTIONS, max_size=25), min_size=1, max_size=4),
    failures=st.lists(st.one_of(st.none(), st.sampled_from(FAILURES)), max_size=12),
    shares=st.booleans(),
    recordings=st.integers(1, 3),
)
def test_what_was_accepted_is_stored_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    threads: list[list[str]],
    failures: list[tuple[StoreError, bool] | None],
    shares: bool,
    recordings: int,
) -> None:
    async def run() -> None:
        data = FailingData(plan=[one or (None, True) for one in failures], shares=shares)
        async with open_world(tmp_path_factory.mktemp("blobs"), data) as world:
            execution = await world.run()
            said = await asyncio.gather(*(record(world, execution, threads, number) for number in range(recordings)))
            await settled(world, execution)
            found = stored(data, execution)
            assert len(found) == (recordings if any(action != "pause" for actions in threads for action in actions) else 0)
            for documents in found.values():
                check_covers(documents)
            items = await world.items(execution)
            assert len({(item.recording, item.number) for item in items}) == len(items)
            lines = [item for item in items if isinstance(item, LogLine)]
            for number, one in enumerate(said):
                for thread, messages in enumerate(one):
                    of_thread = [line.message for line in lines if line.message.startswith(f"{number}.{thread}.")]
                    assert of_thread == messages
            assert len(lines) == sum(len(messages) for one in said for messages in one)

    anyio.run(run)


async def record(world: World, execution: Execution, threads: list[list[str]], number: int) -> list[list[str]]:
    """Record on several threads at once; return what each said."""
    said: list[list[str]] = [[] for _ in threads]
    logger = logging.getLogger(f"workflow.{number}")
    logger.setLevel(logging.DEBUG)
    async with world.repositories.execution_data.recording(execution) as recording:

        def work(thread: int) -> None:
            for step, action in enumerate(threads[thread]):
                do(recording, logger, action, f"{number}.{thread}.{step}", said[thread])

        with ThreadPoolExecutor(len(threads)) as pool:
            running = asyncio.get_running_loop()
            await asyncio.gather(*(running.run_in_executor(pool, carry(work), thread) for thread in range(len(threads))))
    return said


def do(recording: Recording, logger: logging.Logger, action: str, text: str, said: list[str]) -> None:
    match action:
        case "pause":
            time.sleep(0.001)
            return
        case "variables":
            recording.set_variables({"text": text})
            return
        case "state":
            recording.set_state(text)
            return
        case "logging":
            logger.log(random.choice((10, 20, 30, 40)), "%s", text)
        case level:
            getattr(recording, level)(text)
    said.append(text)


async def settled(world: World, execution: Execution) -> None:
    """Wait until every recording of a run has said that it ends."""
    for _ in range(3000):
        await asyncio.sleep(0.01)
        if all(not turn.waiting for turn in list(world.recorder._flusher._turns.values())):
            return
    raise AssertionError("not everything was stored")


async def test_a_burst_takes_few_requests(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            for number in range(500):
                recording.info(f"line {number}")
        assert await world.messages(run) == [f"line {number}" for number in range(500)]
        assert world.data.calls <= 6


async def test_lines_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    """The first line after a silence does not wait for a second one."""
    async with open_world(tmp_path) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            for number in range(3):
                recording.info(str(number))
                assert await recording.flush(seconds=30)
                page = await world.repositories.execution_data.items(run.scope, run.execution_id)
                assert [item.message for item in page if isinstance(item, LogLine)] == [str(n) for n in range(number + 1)]
                assert page.is_live


async def test_an_outage_makes_nobody_wait_and_loses_nothing(tmp_path: Path) -> None:
    data = FailingData(down=BackendUnavailableError("away"))
    async with open_world(tmp_path, data) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            for number in range(3000):
                recording.info(f"line {number}")
            assert not await recording.flush(seconds=0.05)
            assert not data.documents
            data.down = None
            assert await recording.flush(seconds=30)
        assert await world.messages(run) == [f"line {number}" for number in range(3000)]
        check_covers(stored(data, run)[0])


async def test_a_run_ends_though_its_store_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block and `complete` wait, but not long; what is left is stored when the store is back."""
    monkeypatch.setattr("bifrost_store.recording.recorder.END_SECONDS", 0.05)
    data = FailingData(down=BackendUnavailableError("away"))
    async with open_world(tmp_path, data) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("one")
            ended = await world.repositories.executions.complete(run, ExecutionStatus.SUCCESS)
        assert ended.status is ExecutionStatus.SUCCESS
        data.down = None
        await settled(world, run)
        assert await world.messages(run) == ["one"]


@pytest.mark.parametrize("most", [1, 10, 300])
async def test_what_nobody_takes_in_time_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """DEBUG goes first, then the oldest; a line says how many, and numbers have no unexplained gap."""
    monkeypatch.setattr(run_recording, "MOST_WAITING", most)
    async with open_world(tmp_path) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            flusher = world.recorder._flusher
            stopped = threading.Event()
            flusher._post(lambda: stopped.wait(30))  # type: ignore[arg-type]
            said = Counter[str]()
            for number in range(1000):
                level = "debug" if number % 3 else "info"
                getattr(recording, level)(f"line {number}")
                said[level] += 1
            stopped.set()
        lines = [item for item in await world.items(run) if isinstance(item, LogLine)]
        kept = [line for line in lines if line.message.startswith("line ")]
        noticed = sum(line.dropped for line in lines)
        assert noticed == sum(int(line.message.split()[0]) for line in lines if "dropped here" in line.message)
        documents = stored(world.data, run)[0]
        check_covers(documents)
        assert documents[-1].body["ends"] == {"counts": dict(said), "dropped": 1000 - len(kept)}
        ended: dict[int, int] = {}
        after, is_last = None, False
        while not is_last:
            page = await world.repositories.execution_data.items(run.scope, run.execution_id, after=after, limit=100)
            after, is_last = page.after, page.is_last
            ended |= page.ended
        assert ended == {0: 1000 - len(kept)}
        assert noticed in (0, 1000 - len(kept))
        assert len(kept) >= most
        if most >= said["info"]:
            assert sum(line.level == "info" for line in kept) == said["info"]


async def test_an_ordinal_is_claimed_once(tmp_path: Path) -> None:
    """Recordings in several processes at once never share numbers."""
    data = FailingData(shares=False)
    async with open_world(tmp_path, data) as one, open_world(tmp_path, beside=one) as two:
        run = await one.run()
        begun = [world.repositories.execution_data.recording(run) for world in (one, two) for _ in range(5)]
        recordings = [await block.__aenter__() for block in begun]
        for number, recording in enumerate(recordings):
            recording.info(f"of {number}")
        for block in reversed(begun):
            await block.__aexit__(None, None, None)
        found = stored(data, run)
        assert sorted(found) == list(range(10))
        for documents in found.values():
            check_covers(documents)
        assert sorted(await one.messages(run)) == sorted(f"of {number}" for number in range(10))


async def test_a_recording_whose_place_is_taken_goes_on_elsewhere(tmp_path: Path) -> None:
    """Somebody else's document stands where the next one would: nothing of either is lost."""
    async with open_world(tmp_path) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("one")
            recording.info("two")
            assert await recording.flush(seconds=30)
            (first,) = stored(world.data, run)[0]
            taken = replace(first, id=segment_id(GLOBAL, 0, 3), first=3, last=3, write_id="f" * 32, body={"lines": [], "ends": {}})
            assert await world.data.append([[taken]]) == [None]
            recording.info("three")
            recording.info("four")
        found = stored(world.data, run)
        assert [line["number"] for one in found[1] for line in one.body["lines"]] == [1, 2]
        check_covers(found[0])
        check_covers(found[1])
        assert await world.messages(run) == ["one", "two", "three", "four"]


async def test_what_a_store_refuses_for_good_stops_nothing(tmp_path: Path) -> None:
    class Choosy(FailingData):
        def _append(self, flush: Sequence[DataDocument]) -> StoreError | None:
            if "poison" in repr([one.body for one in flush]):
                return DocumentTooLargeError("too large")
            return super()._append(flush)

    data = Choosy()
    async with open_world(tmp_path, data) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            for number in range(20):
                recording.info("poison" if number in (7, 13) else f"line {number}")
        found = await world.messages(run)
        assert [one for one in found if one.startswith("line")] == [f"line {n}" for n in range(20) if n not in (7, 13)]
        assert sum("cannot be stored (DocumentTooLargeError)" in one for one in found) == 2
        check_covers(stored(data, run)[0])


async def test_a_run_that_is_not_there_cannot_be_recorded(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        with pytest.raises(DocumentNotFoundError):
            async with world.repositories.execution_data.recording(ExecutionRef(GLOBAL, "none")):
                pass
        with pytest.raises(InvalidRequestError, match="level"):
            world.repositories.execution_data.recording(await world.run(), level="loud")


async def test_a_run_without_a_word_leaves_no_document(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run):
            pass
        assert not world.data.documents
        assert world.data.calls == 0


async def test_followers_see_each_line_once_and_end_with_the_run(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        run = await world.run()

        async def follow() -> list[str]:
            pages = world.repositories.execution_data.follow(run.scope, run.execution_id, poll_seconds=0.01)
            return [item.message async for page in pages for item in page if isinstance(item, LogLine)]

        watching = asyncio.create_task(follow())
        async with world.repositories.execution_data.recording(run) as recording:
            for number in range(60):
                recording.info(str(number))
                await asyncio.sleep(0.002)
        await world.repositories.executions.complete(run, ExecutionStatus.SUCCESS)
        async with asyncio.timeout(60):
            assert await watching == [str(number) for number in range(60)]
