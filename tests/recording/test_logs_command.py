"""`bifrost-store logs`: what people see, what programs get, and that no line of a log reaches the terminal as an order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bifrost_store.backends.execution_data import DataPage
from bifrost_store.cli.app import app
from bifrost_store.cli.execution_logs import Least
from bifrost_store.documents import ExecutionStatus
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.protocols import Level
from bifrost_store.testing.memory_data import MemoryData
from tests.recording.world import FailingData, open_world


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FailingData:
    """A store with one run, ``run-1``, that has ended; each command opens it."""
    kept = FailingData()

    @asynccontextmanager
    async def open_store() -> AsyncIterator[SimpleNamespace]:
        async with open_world(tmp_path / "blobs", kept) as world:
            run = await world.run(execution_id="run-1")
            recorded = next(iter(kept.documents.values()), None)
            run.record.body["creationId"] = recorded.run.creation if recorded else run.record.body["creationId"]
            if recorded is None:
                async with world.repositories.execution_data.recording(run) as recording:
                    recording.debug("small")
                    recording.info("one \x1b[31mred\x1b[0m \x1b]0;title\x07two\u202e", data={"k": "ü"})
                    recording.log("error", "failed", traceback="Traceback\n  here\x1b[2J")
                    recording.set_variables({"x": 1})
                    recording.set_state(["s"])
                run = await world.repositories.executions.complete(run, ExecutionStatus.FAILED)
            else:
                stored = await world.repositories.executions.complete(run, ExecutionStatus.FAILED)
                body = {**stored.record.body, "creationId": recorded.run.creation}
                await world.recorder._backend.replace(stored.record.with_body(body), stored.record.etag)
            yield SimpleNamespace(execution_data=world.repositories.execution_data)

    monkeypatch.setattr("bifrost_store.opening.store.open_store", open_store)
    asyncio.run(_once(open_store))
    return kept


async def _once(open_store: object) -> None:
    async with open_store():  # type: ignore[operator]
        pass


def run(*arguments: str, check: int = 0) -> Result:
    done = CliRunner().invoke(app, ["logs", *arguments])
    assert done.exit_code == check, done.output
    return done


def test_people_see_lines_and_no_escapes(data: FailingData) -> None:
    lines = run("run-1").stdout.splitlines()
    shown = [line.partition("Z ")[2] for line in lines]
    assert shown[0] == "DEBUG    small"
    assert shown[1] == 'INFO     one red two\\x202e  {"k": "ü"}'
    assert shown[2] == "ERROR    failed"
    assert lines[3:5] == ["    Traceback", "      here"]
    assert shown[5] == 'variables {"x": 1}'
    assert shown[6] == 'state ["s"]'


def test_programs_get_one_object_a_line(data: FailingData) -> None:
    found = [json.loads(line) for line in run("run-1", "--json").stdout.splitlines()]
    assert [one["type"] for one in found] == ["log", "log", "log", "variables", "state"]
    assert [one["number"] for one in found] == [1, 2, 3, 4, 5]
    assert found[1]["message"].startswith("one \x1b[31m")
    assert found[2]["traceback"].startswith("Traceback")


@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_read_is_named_where_items_are(monkeypatch: pytest.MonkeyPatch, data: FailingData, *, as_json: bool) -> None:
    read = MemoryData.read

    async def damaged(kept: MemoryData, *arguments: Any, **options: Any) -> DataPage:
        page = await read(kept, *arguments, **options)
        return replace(page, unreadable=(CorruptDocumentError("item 7 is no JSON", key="run-1"),))

    monkeypatch.setattr(MemoryData, "read", damaged)
    said = run("run-1", *(["--json"] if as_json else [])).stdout.splitlines()

    assert 1 == sum("item 7 is no JSON" in line for line in said)
    if as_json:
        error = next(one["error"] for one in map(json.loads, said) if one["type"] == "unreadable")
        assert ("CorruptDocumentError", "run-1") == (error["type"], error["key"])
    else:
        assert "unreadable: item 7 is no JSON" in said


def test_lines_are_chosen_by_level_text_and_place(data: FailingData) -> None:
    assert [line.split()[1] for line in run("run-1", "--level", "error").stdout.splitlines() if "Z " in line] == [
        "ERROR",
        "variables",
        "state",
    ]
    assert "ERROR    failed" in run("run-1", "--find", "HERE").stdout
    assert run("run-1", "--find", "nowhere").stdout == ""
    assert len(run("run-1", "--last", "2", "--json").stdout.splitlines()) == 2
    assert len(run("run-1", "--follow", "--json").stdout.splitlines()) == 5
    assert len(run("run-1", "--follow", "--last", "1", "--json").stdout.splitlines()) == 1


def test_a_run_of_an_organization_is_asked_for_with_its_scope(data: FailingData) -> None:
    assert "does not exist; if it is an organization's run, name that with --scope" in str(run("run-2", check=1).exception)
    assert "--scope" not in str(run("run-2", "--scope", "acme", check=1).exception)


def test_the_command_knows_every_level() -> None:
    assert [one.value for one in Least] == [one.value for one in Level]


@pytest.mark.parametrize("arguments", [("--find", "x", "--follow"), ("--last", "0"), ("--level", "loud"), ("--scope", "a/b")])
def test_what_makes_no_sense_is_refused(data: FailingData, arguments: tuple[str, ...]) -> None:
    run("run-1", *arguments, check=2)
