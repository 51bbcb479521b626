"""Claims of schedules from processes of their own: each run has one winner, whoever asks."""

from __future__ import annotations

from datetime import timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import anyio
import anyio.to_thread
import pytest

from bifrost_store import StoreSettings, open_store
from bifrost_store.testing.clock import START
from bifrost_store.testing.crash import context
from bifrost_store.testing.harness import Harness, StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from tests.contract.cosmos_harness import CosmosStore
from tests.contract.harness import SqliteStore, TableStore

pytestmark = pytest.mark.anyio

NAME = "nightly sync"
RUNS = 8
PROCESSES = 3
Won = list[bool]


def claim_all(settings: StoreSettings, barrier: Barrier, answers: Queue[Won]) -> None:
    """Claim every run at the same moment as the other processes, and tell which were won."""

    async def claim() -> None:
        won = []
        async with open_store(settings) as store:
            await store.schedules.get(NAME)
            for run in range(RUNS):
                await anyio.to_thread.run_sync(barrier.wait, 60)
                now = START + timedelta(minutes=run)
                won.append(await store.schedules.claim(NAME, now=now, next_run_at=now + timedelta(minutes=1)) is not None)
        answers.put(won)

    anyio.run(claim)


async def test_each_run_has_one_winner(store: StoreUnderTest, harness: Harness, repositories: Repositories) -> None:
    """Of several processes that claim each run at the same time exactly one gets it."""
    if harness.name in ("model", "dual"):
        return  # no settings lead another process to it
    if isinstance(store, TableStore):
        settings = StoreSettings(backend="table", table_connection_string=store.azurite.connection_string)
    elif isinstance(store, CosmosStore):
        settings = store.settings()
    else:
        assert isinstance(store, SqliteStore)
        settings = StoreSettings(backend="sqlite", sqlite_path=str(store.path))
    await repositories.schedules.create(NAME, cron_expression="* * * * *", next_run_at=START)
    processes = context()
    barrier, answers = processes.Barrier(PROCESSES), processes.Queue()
    started = [processes.Process(target=claim_all, args=(settings, barrier, answers), daemon=True) for _ in range(PROCESSES)]
    for process in started:
        process.start()
    won = [await anyio.to_thread.run_sync(answers.get, True, 100) for _ in started]
    for process in started:
        await anyio.to_thread.run_sync(process.join, 60)

    assert [1] * RUNS == [sum(of_run) for of_run in zip(*won, strict=True)]
    stored = await repositories.schedules.get(NAME)
    assert stored is not None
    assert stored.execution_count == RUNS
