"""What a recording leaves is saved with its run where no store keeps it, whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from bifrost_store.documents import ExecutionStatus
from bifrost_store.errors import (
    BackendUnavailableError,
)
from bifrost_store.protocols import ExecutionRef
from tests.recording.world import open_world

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("soon_again")]


@pytest.mark.parametrize("has_data", [True, False], ids=["in one store of two", "nowhere"])
async def test_a_recording_that_ends_late_leaves_its_blobs_anew(tmp_path: Path, has_data: bool) -> None:
    async with open_world(tmp_path, has_data=has_data, is_complete=False) as world:
        run = await world.run()
        executions = world.repositories.executions
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("one")
            ended = await executions.complete(run, ExecutionStatus.SUCCESS)
            assert [entry["message"] for entry in await executions.load_logs(ended) or ()] == ["one"]
            recording.info("two")
        late = await executions.get(run.scope, run.execution_id)
        assert late is not None
        assert [entry["message"] for entry in await executions.load_logs(late) or ()] == ["one", "two"]
        assert ended.blobs["logs"] != late.blobs["logs"]
        assert not world.recorder._kept


@pytest.mark.parametrize("is_first_late", [False, True], ids=["one after the other", "at once"])
async def test_processes_of_one_run_leave_everything_where_no_store_keeps_it(tmp_path: Path, is_first_late: bool) -> None:
    """A run that waits for an approval goes on elsewhere: what its first process recorded is there at its end."""
    async with open_world(tmp_path, has_data=False) as one, open_world(tmp_path, beside=one, has_data=False) as two:
        run = await one.run()
        first = one.repositories.execution_data.recording(run)
        recording = await first.__aenter__()
        recording.info("asked")
        recording.set_variables({"asked": 1})
        recording.set_state("asked")
        if not is_first_late:
            await first.__aexit__(None, None, None)
        async with two.repositories.execution_data.recording(run) as other:
            other.info("approved")
            other.info("approved")
            other.set_state("approved")
            ended = await two.repositories.executions.complete(run, ExecutionStatus.SUCCESS)
            other.info("goodbye")
        if is_first_late:
            await first.__aexit__(None, None, None)
        executions = one.repositories.executions
        logs = await executions.load_logs(ExecutionRef(run.scope, run.execution_id))
        assert [entry["message"] for entry in logs or ()] == ["asked", "approved", "approved", "goodbye"]
        assert await executions.load_variables(ExecutionRef(run.scope, run.execution_id)) == {"asked": 1}
        snapshot = await executions.load_snapshot(ExecutionRef(run.scope, run.execution_id))
        assert sorted(snapshot or ()) == ["approved", "asked"]
        assert ended.status is ExecutionStatus.SUCCESS
        assert not one.recorder._kept
        assert not two.recorder._kept


async def test_a_block_ends_though_what_it_leaves_cannot_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflow does not fail for it, and `complete` saves it with the run."""
    async with open_world(tmp_path, has_data=False) as world:
        run = await world.run()
        with monkeypatch.context() as patch:
            patch.setattr(world.recorder, "_leave", away)
            async with world.repositories.execution_data.recording(run) as recording:
                recording.info("one")
        ended = await world.repositories.executions.complete(run, ExecutionStatus.SUCCESS)
        assert [entry["message"] for entry in await world.repositories.executions.load_logs(ended) or ()] == ["one"]
        assert not world.recorder._kept


async def test_a_damaged_blob_keeps_no_run_from_ending(tmp_path: Path) -> None:
    async with open_world(tmp_path, has_data=False) as world:
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("one")
        damage(tmp_path)
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("two")
            ended = await world.repositories.executions.complete(run, ExecutionStatus.SUCCESS)
        assert [entry["message"] for entry in await world.repositories.executions.load_logs(ended) or ()] == ["two"]


def damage(folder: Path) -> None:
    for path in folder.rglob("logs.json"):
        path.write_text("{")


async def away(*_: object) -> bool:
    raise BackendUnavailableError("away")


async def test_what_was_saved_is_not_replaced_by_what_was_recorded(tmp_path: Path) -> None:
    async with open_world(tmp_path, is_complete=False) as world:
        run = await world.run()
        executions = world.repositories.executions
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("recorded")
            recording.set_variables({"recorded": True})
            saved = await executions.save_logs(run, [{"message": "saved"}])
            ended = await executions.complete(saved, ExecutionStatus.SUCCESS)
        assert await executions.load_logs(ended) == [{"message": "saved"}]
        assert await executions.load_variables(ended) == {"recorded": True}


async def test_switched_off_it_is_saved_with_the_run(tmp_path: Path) -> None:
    """The way back: nothing is stored while the run goes on, and everything is there at its end, on every backend."""
    async with open_world(tmp_path) as world:
        world.is_on = False
        run = await world.run()
        async with world.repositories.execution_data.recording(run) as recording:
            recording.info("one")
            world.is_on = True  # A flag that is flipped meanwhile changes nothing for a recording that has begun.
            recording.set_state({"s": 1})
            assert await recording.flush()
            assert not (await world.repositories.execution_data.items(run.scope, run.execution_id)).items
        ended = await world.repositories.executions.complete(run, ExecutionStatus.SUCCESS)
        assert not world.data.documents
        assert await world.repositories.executions.load_snapshot(ended) == [{"s": 1}]
        assert await world.messages(ended) == ["one"]
