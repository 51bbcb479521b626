"""Index rows end at an operator's word, for every process, and come back at another."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table import repair
from bifrost_store.backends.table.account import Put
from bifrost_store.backends.table.index_word import TRUSTED_SECONDS, IndexWord, Word
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.protocols import ExecutionRef
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION
from bifrost_store.testing.repositories import Repositories, repositories_over
from tests.contract.harness import TableStore, rows_of
from tests.innermost import innermost
from tests.steps import counting_steps

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]
INDEX_PREFIXES = ("userexec:", "workflowexec:", "formexec:", "status:", "workflowform:")


@pytest.fixture(autouse=True)
def _no_waiting() -> Any:
    """Let `repair` not wait until other processes have asked again: tests say when those do."""
    with patch.object(repair, "TRUSTED_SECONDS", 0):
        yield


@pytest.fixture
def repositories(tables: TableStore, clock: SettableClock) -> Repositories:
    """The repositories over them."""
    return repositories_over(tables.backend, tables.blobs, clock)


def word_of(backend: Backend) -> IndexWord:
    """Return what a process knows of the word."""
    found: IndexWord = innermost(backend)._writer.word
    return found


async def index_rows(tables: TableStore) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return every index row."""
    rows = await rows_of(tables.azurite)
    return {place: row for place, row in rows.items() if place[0] == "Relationships" and place[2].startswith(INDEX_PREFIXES)}


async def create(repositories: Repositories) -> Execution:
    return await repositories.executions.create(
        ORGANIZATION, workflow_name="w", executed_by="kim@x.example", executed_by_name="Kim", form_id="f"
    )


async def fill(repositories: Repositories) -> list[Execution]:
    """Store runs, one of which has ended, and a form; return the runs."""
    runs = [await create(repositories) for _ in range(3)]
    runs[0] = await repositories.executions.complete(runs[0], ExecutionStatus.SUCCESS)
    await repositories.forms.create(GLOBAL, "A", linked_workflow="w", form_schema={"fields": []}, created_by="ada")
    return runs


async def repaired(tables: TableStore, **what: Any) -> dict[str, int]:
    """Let an operator's process repair; return what it reports."""
    async with tables.open_another() as operator:
        assert operator.repair is not None
        report = await operator.repair.run(**what)
    return report.repaired


async def test_no_index_row_is_left_or_written(tables: TableStore, repositories: Repositories) -> None:
    """Once the old application has stopped for good, to create and to complete takes one step, and answers are the same."""
    runs = await fill(repositories)
    count = len(await index_rows(tables))
    assert {"index rows stopped": 1, "index rows removed": count} == await repaired(tables, index_rows="stop")
    word_of(tables.backend)._trusted_until = 0.0
    await create(repositories)  # asks what the word is
    with counting_steps() as creating:
        run = await create(repositories)
    with counting_steps() as completing:
        await repositories.executions.complete(run, ExecutionStatus.SUCCESS)
    with counting_steps() as completing_by_id:
        await repositories.executions.complete(ExecutionRef(ORGANIZATION, runs[1].execution_id), ExecutionStatus.FAILED)
    assert await repositories.executions.delete(ORGANIZATION, runs[2].execution_id)

    assert (1, 1, 2) == (creating.count, completing.count, completing_by_id.count)
    assert {} == await index_rows(tables)
    counts = await repositories.executions.count_by_status(ORGANIZATION)
    assert {ExecutionStatus.RUNNING: 1, ExecutionStatus.SUCCESS: 2, ExecutionStatus.FAILED: 1} == counts
    assert {} == await repaired(tables)


async def test_the_word_is_asked_for_beside_the_write(tables: TableStore, repositories: Repositories) -> None:
    """A process that does not know it needs no step more."""
    await repaired(tables, index_rows="stop")
    with counting_steps() as steps:
        await create(repositories)

    assert (1, 2) == (steps.count, steps.requests)


async def test_a_process_that_has_not_heard_it_goes_on_writing(tables: TableStore, repositories: Repositories) -> None:
    """That harms nobody, and the next repair removes what it wrote."""
    await create(repositories)
    await repaired(tables, index_rows="stop")
    await create(repositories)
    written = len(await index_rows(tables))

    assert written == 4
    assert {"index rows removed": written} == await repaired(tables)
    assert 2 == len(await repositories.executions.list(ORGANIZATION))


async def test_what_was_heard_is_good_for_half_a_minute(tables: TableStore, repositories: Repositories) -> None:
    """So long after it was withdrawn every process writes index rows again."""
    now = 100.0
    word = word_of(tables.backend)
    word._monotonic = lambda: now
    await repaired(tables, index_rows="stop")
    await create(repositories)
    async with tables.open_another() as operator:
        await word_of(operator).write(Word.RESUMING)
    now += TRUSTED_SECONDS - 0.001
    await create(repositories)
    before = await index_rows(tables)
    now += 0.001
    await create(repositories)

    assert {} == before
    assert 4 == len(await index_rows(tables))


@pytest.mark.parametrize("is_withdrawn", [False, True])
async def test_a_word_that_lapses_during_a_write_is_asked_for_again(
    tables: TableStore, repositories: Repositories, is_withdrawn: bool
) -> None:
    """A slow write leaves no index row behind once they are stopped, and every one once they are wanted again."""
    now = 100.0
    word, account = word_of(tables.backend), innermost(tables.backend).account
    word._monotonic = lambda: now
    await repaired(tables, index_rows="stop")
    await create(repositories)
    write = account.write

    async def write_slowly(table: str, *args: Any, **options: Any) -> Any:
        nonlocal now
        etags = await write(table, *args, **options)
        if table == "Entities":
            now += TRUSTED_SECONDS
            async with tables.open_another() as operator:
                await word_of(operator).write(Word.RESUMING if is_withdrawn else Word.STOPPED)
        return etags

    with patch.object(account, "write", write_slowly):
        await create(repositories)

    assert (4 if is_withdrawn else 0) == len(await index_rows(tables))


@pytest.mark.parametrize("is_interrupted", [False, True])
async def test_resuming_makes_every_index_row_again(tables: TableStore, repositories: Repositories, is_interrupted: bool) -> None:
    """They are the ones that would be there without the word; a repair that was killed meanwhile is completed by the next."""
    runs = await fill(repositories)
    expected = await index_rows(tables)
    await repaired(tables, index_rows="stop")
    word_of(tables.backend)._trusted_until = 0.0
    await repositories.executions.delete(ORGANIZATION, (await create(repositories)).execution_id)
    if is_interrupted:
        async with tables.open_another() as operator:
            await word_of(operator).write(Word.RESUMING)
    report = await repaired(tables, index_rows=None if is_interrupted else "resume")
    word_of(tables.backend)._trusted_until = 0.0

    assert len(expected) == report["index rows written"]
    assert without_times(expected) == without_times(await index_rows(tables))
    await repositories.executions.complete(runs[1], ExecutionStatus.SUCCESS)
    assert len(expected) - 1 == len(await index_rows(tables))
    assert {} == await repaired(tables, index_rows="resume")


def without_times(rows: dict[tuple[str, str, str], dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return rows without the time of their last change."""
    return {place: {name: value for name, value in row.items() if name != "UpdatedAt"} for place, row in rows.items()}


async def test_a_word_that_cannot_be_read_leaves_index_rows_on(tables: TableStore, repositories: Repositories) -> None:
    """A later release may know more words; what is not understood stops nothing."""
    await innermost(tables.backend).account.write(
        "Relationships", [Put({"PartitionKey": "GLOBAL", "RowKey": "bs-index-rows", "BsWord": "another"})]
    )
    await create(repositories)

    assert 4 == len(await index_rows(tables))


async def test_the_word_is_no_record(tables: TableStore) -> None:
    """Neither dump, backfill nor verification meet it."""
    await repaired(tables, index_rows="stop")

    assert [] == [record async for page in tables.backend.scan() for record in page.records]
