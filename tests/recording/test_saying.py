"""What is said in a block is its recording's, as it was when it was said, and tells no secret."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.errors import (
    BackendUnavailableError,
    InvalidRequestError,
)
from bifrost_store.protocols import LogLine, State, Variables
from bifrost_store.recording import carry
from tests.recording.world import FailingData, open_world

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("soon_again")]
ORG = Scope.organization("one")


async def test_values_are_kept_as_they_are_at_the_call(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            changing: dict[str, object] = {"a": [1]}
            recording.info("m", data=changing)
            recording.set_state(changing)
            recording.set_variables(changing)
            changing["a"] = "changed"
        line, state, variables = await world.items(run)
        assert isinstance(line, LogLine)
        assert isinstance(state, State)
        assert isinstance(variables, Variables)
        assert line.data == state.value == variables.values == {"a": [1]}


async def test_variables_between_two_flushes_are_one(tmp_path: Path) -> None:
    data = FailingData(down=BackendUnavailableError("away"))
    async with open_world(tmp_path, data) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            gate = threading.Event()
            world.recorder._flusher._post(lambda: gate.wait(30))  # type: ignore[arg-type]
            for number in range(50):
                recording.set_variables({"n": number})
                recording.info(str(number))
            gate.set()
            data.down = None
        items = await world.items(run)
        (variables,) = [item for item in items if isinstance(item, Variables)]
        assert variables.values == {"n": 49}
        assert variables.count == 1
        assert await world.repositories.execution_data.variables(run.scope, run.execution_id) == variables


async def test_secrets_are_masked_wherever_they_stand(tmp_path: Path, root_at_debug: logging.Logger) -> None:
    secret = 'se"sa\\me\n-1234'
    async with open_world(tmp_path, is_complete=False) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            recording.mask(secret)
            recording.info(f"a {secret} b", data={"inner": [secret, repr(secret)], "ApiKey": "k", "Password": None})
            recording.set_variables({"token": "t", "text": f"<{secret}>", secret: 1})
            recording.set_state([secret])
            try:
                raise RuntimeError(secret)
            except RuntimeError:
                logging.getLogger("workflow").exception("it failed with %r", secret)
        await world.repositories.executions.complete(run, ExecutionStatus.FAILED)
        everything = repr([one.body for one in world.data.documents.values()])
        blobs = texts(tmp_path)
        for text in (everything, blobs):
            assert "1234" not in text
            assert "***" in text
            assert "'k'" not in text
            assert '"k"' not in text


def texts(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*.json"))


@pytest.mark.parametrize("value", ["", "short", None, 7])
async def test_what_is_too_short_to_be_a_secret_is_refused(tmp_path: Path, value: object) -> None:
    async with open_world(tmp_path) as world, world.repositories.execution_data.recording(await world.run()) as recording:
        with pytest.raises(InvalidRequestError, match="mask"):
            recording.mask(value)  # type: ignore[arg-type]


async def test_the_context_decides_whose_line_it_is(tmp_path: Path, root_at_debug: logging.Logger) -> None:
    """Tasks and `to_thread` carry it; a pool's threads are brought by `carry`; `extra` names a run from anywhere."""
    logger = logging.getLogger("workflow")
    async with open_world(tmp_path) as world:
        runs = [await world.run(ORG), await world.run(ORG)]
        outside = logging.getLogger("outside")

        async def work(run: Execution) -> None:
            async with world.repositories.execution_data.recording(run):
                logger.info("in %s", run.execution_id)
                await asyncio.create_task(say(logger, f"task {run.execution_id}"))
                await asyncio.to_thread(logger.info, "thread %s", run.execution_id)
                loop = asyncio.get_running_loop()
                with ThreadPoolExecutor(1) as pool:
                    await loop.run_in_executor(pool, logger.info, "lost")
                    await loop.run_in_executor(pool, carry(logger.info), f"pool {run.execution_id}")
                    extra = {"executionId": run.execution_id, "data": {"k": 1}}
                    await loop.run_in_executor(pool, lambda: outside.warning("named", extra=extra))
                logging.getLogger("azure.core").info("not ours")
                logging.getLogger("bifrost_store.x").info("not ours")

        await asyncio.gather(*map(work, runs))
        logger.info("after")
        for run in runs:
            name = run.execution_id
            assert await world.messages(run) == [f"in {name}", f"task {name}", f"thread {name}", f"pool {name}", "named"]


async def say(logger: logging.Logger, text: str) -> None:
    logger.info(text)


async def test_blocks_may_stand_in_each_other(tmp_path: Path, root_at_debug: logging.Logger) -> None:
    async with open_world(tmp_path) as world:
        outer, inner = await world.run(), await world.run()
        data, logger = world.repositories.execution_data, logging.getLogger("workflow")
        async with data.recording(outer):
            logger.info("outer")
            async with data.recording(inner):
                logger.info("inner")
            async with data.recording(inner, capture=False) as silent:
                logger.info("outer again")
                silent.info("said")
        assert await world.messages(outer) == ["outer", "outer again"]
        assert await world.messages(inner) == ["inner", "said"]
