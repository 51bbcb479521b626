"""Payloads: results, logs, variables, snapshots, large input and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.errors import (
    CorruptDocumentError,
)
from bifrost_store.protocols import ExecutionRef
from bifrost_store.testing import strategies
from bifrost_store.testing.contract.repositories_executions import ids, start
from bifrost_store.testing.examples import ORGANIZATION, execution
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio

DATA = "execution-data"
LIVE = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING)
FINAL = tuple(status for status in ExecutionStatus if status not in LIVE)


async def blobs_of(store: StoreUnderTest) -> list[str]:
    """Return the names of all payload blobs."""
    return [blob.name async for blob in store.blobs.list(DATA)]


RESULTS: dict[str, tuple[Any, str | None, str]] = {
    "small object": ({"a": 1}, None, "json"),
    "empty object": ({}, None, "json"),
    "object of 1,024 bytes": ({"a": "x" * 1015}, None, "json"),
    "object of 1,025 bytes": ({"a": "x" * 1016}, None, "json"),
    "list": ([1, 2.0], None, "json"),
    "empty list": ([], None, "json"),
    "number": (0, None, "json"),
    "float": (-0.0, None, "json"),
    "false": (False, None, "json"),
    "big integer": (2**64, None, "json"),
    "text": ("plain", None, "text"),
    "empty text": ("", None, "text"),
    "html": (" <p>x</p>", None, "html"),
    "not html": ("<p", None, "text"),
    "text that is JSON": ("null", None, "text"),
    "text that is NaN": ("NaN", None, "text"),
    "number as text": ("12", "text", "text"),
    "text as JSON": ("plain", "json", "json"),
    "html as text": ("<p>x</p>", "text", "text"),
    "text as html": ("plain", "html", "html"),
    "emoji of 1,024 bytes": ("🙂" * 256, None, "text"),
    "emoji of 1,028 bytes": ("🙂" * 257, None, "text"),
    "line breaks": ("a\r\nb\u2028\x00", None, "text"),
    "64 KiB": ("é" * 32_768, None, "text"),
    "1 MiB": ({"data": "x" * 1_048_576}, None, "json"),
    "1 MiB of emoji": ("🙂" * 262_144, None, "text"),
}


@pytest.mark.parametrize("case", RESULTS)
async def test_results(repositories: Repositories, case: str) -> None:
    """Any JSON value or text is kept as a result with its type, wherever it is stored, and is replaced by the next."""
    value, given_type, known_type = RESULTS[case]
    run = await start(repositories)
    done = await repositories.executions.complete(run, ExecutionStatus.SUCCESS, result=value, result_type=given_type)
    ref = ExecutionRef(ORGANIZATION, run.execution_id)

    for which in (done, ref, run):
        result = await repositories.executions.load_result(which)
        assert result is not None
        assert (result.type, exact_json(result.value)) == (known_type, exact_json(value))
    assert done.result_type == known_type
    assert done.result_in_blob or exact_json(done.result) == exact_json(value)
    replaced = await repositories.executions.save_result(ref, {"next": True})
    assert replaced.status is ExecutionStatus.SUCCESS
    result = await repositories.executions.load_result(ref)
    assert result is not None
    assert result.value == {"next": True}
    none = await repositories.executions.save_result(replaced, None)
    assert (none.result, none.result_type, none.result_in_blob) == (None, None, False)
    assert await repositories.executions.load_result(ref) is None


@pytest.mark.parametrize("case", ["object of 1,025 bytes", "list", "text that is JSON", "emoji of 1,028 bytes", "not html"])
async def test_results_lie_where_the_old_application_looks(repositories: Repositories, store: StoreUnderTest, case: str) -> None:
    """A result in a blob lies under today's name too, and nowhere once it has been replaced by a small one."""
    value, given_type, known_type = RESULTS[case]
    run = await start(repositories)
    run = await repositories.executions.save_result(run, value, result_type=given_type)
    todays = f"{run.execution_id}/result.{ {'json': 'json', 'text': 'txt', 'html': 'html'}[known_type] }"
    data = await store.blobs.get(DATA, todays)
    if not run.result_in_blob:
        assert data is None
        return

    assert data is not None
    assert data.decode() == (json.dumps(value, indent=2) if known_type == "json" else value)
    assert run.result_size == len(data)
    await repositories.executions.save_result(run, {"small": 1})
    assert await blobs_of(store) == []


@given(value=strategies.json_values)
async def test_any_json_result(repositories: Repositories, value: Any) -> None:
    """Any JSON value but null comes back from a result, type for type."""
    run = await start(repositories)
    await repositories.executions.save_result(run, value, result_type="json")

    result = await repositories.executions.load_result(run)
    assert (None if result is None else exact_json(result.value)) == (None if value is None else exact_json(value))


@given(value=strategies.json_objects)
async def test_any_json_payload(repositories: Repositories, value: dict[str, Any]) -> None:
    """Logs, variables and snapshot keep any JSON, each apart from the others."""
    executions = repositories.executions
    run: Execution = await start(repositories)
    run = await executions.save_logs(run, [value, {}])
    run = await executions.save_variables(run, value)
    run = await executions.save_snapshot(run, [*value.values(), 1.0, None])

    assert exact_json(await executions.load_logs(run)) == exact_json([value, {}])
    assert exact_json(await executions.load_variables(run)) == exact_json(value)
    assert exact_json(await executions.load_snapshot(run)) == exact_json([*value.values(), 1.0, None])
    await executions.delete(ORGANIZATION, run.execution_id)


@pytest.mark.parametrize("size", [0, 65_536, 1_048_576])
async def test_large_payloads(repositories: Repositories, store: StoreUnderTest, size: int) -> None:
    """Payloads of any size are kept, empty ones too; a replaced one leaves nothing behind; they are kept after the end."""
    executions = repositories.executions
    run = await start(repositories)
    for text in ("é" * (size // 2), "x" * size):
        logs = [{"message": text}] if size else []
        variables = {"text": text} if size else {}
        run = await executions.save_logs(run, logs)
        run = await executions.save_variables(run, variables)
        run = await executions.save_snapshot(run, list(logs))

        assert await executions.load_logs(run) == logs
        assert await executions.load_variables(run) == variables
        assert await executions.load_snapshot(ExecutionRef(ORGANIZATION, run.execution_id)) == logs
    assert len(await blobs_of(store)) == 6
    done = await executions.complete(run, ExecutionStatus.SUCCESS)
    assert await executions.load_logs(done) == logs


async def test_nothing_saved_is_none(repositories: Repositories) -> None:
    """What was never saved is None, not empty."""
    run = await start(repositories)
    executions = repositories.executions
    for load in (executions.load_result, executions.load_logs, executions.load_variables, executions.load_snapshot):
        assert await load(run) is None


@pytest.mark.parametrize("length", [32_750, 32_760, 32_769, 65_536, 1_048_576])
async def test_large_input(repositories: Repositories, length: int) -> None:
    """Input of any size comes back from create, get, lists and every change, wherever it is kept."""
    input_data = {"text": "x" * length, "n": 1.0}
    run = await start(repositories, input_data=input_data)
    changed = await repositories.executions.set_status(run, ExecutionStatus.PENDING)
    repeated = await start(repositories, execution_id=run.execution_id, input_data=input_data)
    (listed,) = await repositories.executions.list(ORGANIZATION)

    for one in (run, changed, repeated, listed, await repositories.executions.get(ORGANIZATION, run.execution_id)):
        assert one is not None
        assert exact_json(one.input_data) == exact_json(input_data)


@pytest.mark.parametrize("message", ["x" * 32_768, "x" * 32_769, "🙂" * 16_385, "x" * 32_767 + "🙂", "é" * 1_000_000], ids=len)
async def test_large_errors(repositories: Repositories, message: str) -> None:
    """An error message of any length comes back whole from complete, get and lists, and the same call may be repeated."""
    run = await start(repositories)
    done = await repositories.executions.complete(run, ExecutionStatus.FAILED, error_message=message)
    (listed,) = await repositories.executions.list(ORGANIZATION)
    repeated = await repositories.executions.complete(run, ExecutionStatus.FAILED, error_message=message)

    for one in (done, listed, repeated, await repositories.executions.get(ORGANIZATION, run.execution_id)):
        assert one is not None
        assert one.error_message == message


async def test_a_lost_or_broken_blob_is_named(repositories: Repositories, store: StoreUnderTest) -> None:
    """A payload that the record names and that is gone or cannot be read raises CorruptDocumentError naming it; lists go on."""
    executions = repositories.executions
    run = await executions.save_logs(await start(repositories, execution_id="e-1"), [{"a": 1}])
    spilled = await start(repositories, execution_id="e-2", input_data={"x": "y" * 40_000})
    name = run.blobs["logs"]
    await store.blobs.put(DATA, name, b"[1")
    with pytest.raises(CorruptDocumentError, match="logs"):
        await executions.load_logs(run)
    await store.blobs.delete(DATA, name)
    with pytest.raises(CorruptDocumentError, match="logs"):
        await executions.load_logs(run)
    await store.blobs.delete(DATA, spilled.blobs["input"])
    with pytest.raises(CorruptDocumentError, match="e-2"):
        await executions.get(ORGANIZATION, "e-2")
    page = await executions.list(ORGANIZATION)
    assert ids(page) == ["e-1"]
    assert len(page.unreadable) == 1


async def test_payloads_of_the_old_application(repositories: Repositories, store: StoreUnderTest) -> None:
    """Blobs under today's names are read for runs whose record names none."""
    await store.backend.create(execution(1, resultInBlob=True))
    await store.blobs.put(DATA, "e-1/logs.json", b'[{"level": "info"}]')
    await store.blobs.put(DATA, "e-1/result.html", "<b>é</b>".encode())
    ref = ExecutionRef(ORGANIZATION, "e-1")

    assert await repositories.executions.load_logs(ref) == [{"level": "info"}]
    result = await repositories.executions.load_result(ref)
    assert result is not None
    assert (result.type, result.value) == ("html", "<b>é</b>")
    assert await repositories.executions.load_variables(ref) is None
