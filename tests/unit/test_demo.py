"""The demo: its data set is its generator's, and it sees a difference where there is one."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import anyio
import pytest

from bifrost_store import GLOBAL, ConfigType, ExecutionStatus, LogLine, open_store
from bifrost_store.demo.calls import Answer
from bifrost_store.demo.generator import Generator
from bifrost_store.demo.journey import Answers, Journey, compare
from bifrost_store.demo.running import run_on_and_on
from bifrost_store.documents import Organization
from bifrost_store.settings import StoreSettings
from bifrost_store.testing.examples import organization

DATA = Path(str(resources.files("bifrost_store.demo") / "data"))
MAX_BYTES = 300_000


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "tables" / f"{table}.jsonl").read_text("utf-8").splitlines()]


def test_the_data_set_is_what_the_generator_makes(tmp_path: Path) -> None:
    """The shipped files are those that the generator writes, to the byte, at every run."""
    for name in ("one", "two"):
        generator = Generator()
        generator.run()
        generator.write(tmp_path / name)

    assert contents(DATA) == contents(tmp_path / "one") == contents(tmp_path / "two")
    assert sum(map(len, contents(DATA).values())) < MAX_BYTES


def test_the_data_set_shows_what_there_is() -> None:
    """Every status, every type of configuration value, overrides, forms, payloads and rows that no kind claims occur."""
    entities, config = rows("Entities"), rows("Config")
    keys = [row["RowKey"] for row in config]

    assert set(ExecutionStatus) == {row["Status"] for row in entities if "ExecutionId" in row}
    assert set(ConfigType) == {row["Type"] for row in config}
    assert len(set(keys)) < len(keys)
    assert any("FormId" in row for row in entities)
    assert {"logs.json", "result.html"} == {path.name for path in (DATA / "blobs").rglob("*.*")}
    assert any(row["RowKey"].startswith("assignedrole:") for row in rows("Relationships"))


@pytest.mark.anyio
async def test_a_run_is_under_way_for_the_page(tmp_path: Path) -> None:
    """Whoever opens the page finds a run that says what it does, with variables and input."""
    async with open_store(StoreSettings(sqlite_path=str(tmp_path / "demo.db"))) as store, anyio.create_task_group() as tasks:
        await store.provision()
        tasks.start_soon(run_on_and_on, store)
        messages: list[str] = []
        while len(messages) < 3:
            for run in await store.executions.list(GLOBAL):
                assert ExecutionStatus.RUNNING == run.status
                page = await store.execution_data.items(GLOBAL, run.execution_id, types=["log"], level="info")
                messages = [item.message for item in page if isinstance(item, LogLine)]
        assert "240 mailboxes are to be moved" == messages[0]
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("name", "is_identical"), [("Contoso", True), ("Fabrikam", False)])
def test_a_difference_in_any_field_is_seen(name: str, *, is_identical: bool) -> None:
    """Answers are compared whole, whatever is shown of them; etags, which name the backend, are no difference."""
    call = Answers("organizations.get")
    for number, (backend, shown) in enumerate({"table": "Contoso", "sqlite": "Contoso", "cosmos": name}.items()):
        document = Organization.from_record(organization(name=shown))
        compare(call, backend, Answer("one organization", document.model_copy(update={"etag": str(number)})))

    assert is_identical is call.is_identical
    assert is_identical is Journey(["table", "sqlite", "cosmos"], [call], []).is_identical
    assert {"one organization"} == set(call.answers.values())
