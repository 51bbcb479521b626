"""Purging waits for a migration, and so do index rows: nothing of the old application goes while its way back is promised."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bifrost_store import GLOBAL, ExecutionStatus, Store, StoreSettings, open_store
from bifrost_store.core.record import Record
from bifrost_store.errors import MigrationRefusedError
from bifrost_store.migration.purging import PurgePlan, plan_purge
from bifrost_store.migration.state import MigrationState, Phase
from bifrost_store.routing.copies import STATE_KEY
from tests.innermost import innermost

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 5, 1, tzinfo=UTC)
BASE = MigrationState(migration_id="m", source="table", target="cosmos", changed_at=NOW)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store with one expired execution."""
    times = [NOW - timedelta(days=90)]
    async with open_store(StoreSettings(sqlite_path=":memory:"), clock=lambda: times[0]) as opened:
        await opened.provision()
        run = await opened.executions.create(GLOBAL, workflow_name="w", executed_by="a", executed_by_name="A")
        await opened.executions.complete(run, ExecutionStatus.SUCCESS)
        times[0] = NOW
        yield opened


async def saved(store: Store, state: MigrationState) -> None:
    await innermost(store.backend.backend("sqlite")).create(Record(STATE_KEY, state.body()))


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.NONE, Phase.ABANDONED)])
async def test_nothing_is_purged_while_a_migration_is_under_way(store: Store, phase: Phase) -> None:
    """From start on, in every phase, also where the cut-over is not long ago."""
    cut_over_at = NOW - timedelta(days=89) if phase in (Phase.CUT_OVER, Phase.FINISHED) else None
    await saved(store, BASE.model_copy(update={"phase": phase, "cut_over_at": cut_over_at}))

    with pytest.raises(MigrationRefusedError) as refused:
        await store.executions.purge_expired()
    assert refused.value.next_steps


@pytest.mark.parametrize(
    "change",
    [
        {"phase": Phase.ABANDONED},
        {"phase": Phase.CUT_OVER, "cut_over_at": NOW - timedelta(days=90)},
        {"phase": Phase.FINISHED, "cut_over_at": NOW - timedelta(days=90)},
    ],
)
async def test_purging_goes_on_afterwards(store: Store, change: dict[str, object]) -> None:
    """Given up, or cut over 90 days ago: what has expired goes."""
    await saved(store, BASE.model_copy(update=change))

    assert 1 == await store.executions.purge_expired()


async def test_without_a_migration_nothing_changes(store: Store) -> None:
    """No documents of a migration: what has expired goes."""
    assert 1 == await store.executions.purge_expired()


async def test_a_plan_counts_and_changes_nothing(store: Store) -> None:
    """What would be removed, by kind; twice the same, and then the purge removes just that."""
    plans = [await plan_purge(store.backend, await store.backend.data_stores(), NOW) for _ in range(2)]

    assert [PurgePlan(executions=1, metrics=0, documents=0, obstacles=())] * 2 == plans
    assert 1 == await store.executions.purge_expired()
    assert 0 == (await plan_purge(store.backend, {}, NOW)).executions


async def test_a_plan_names_what_stands_in_the_way(store: Store) -> None:
    """During a migration the counts are told all the same."""
    await saved(store, BASE.model_copy(update={"phase": Phase.BACKFILLED}))
    plan = await plan_purge(store.backend, await store.backend.data_stores(), NOW)

    assert 1 == plan.executions
    assert "90 days after the cut-over" in plan.obstacles[0]


@pytest.mark.parametrize("phase", Phase)
async def test_index_rows_end_only_without_a_way_back(store: Store, phase: Phase) -> None:
    """Until a migration is finished or abandoned it promises the way back to the old application, which reads them."""
    await saved(store, BASE.model_copy(update={"phase": phase}))

    if phase in (Phase.NONE, Phase.ABANDONED, Phase.FINISHED):
        assert {} == (await store.repair(index_rows="stop")).repaired
        return
    with pytest.raises(MigrationRefusedError, match="way back to the old application") as refused:
        await store.repair(index_rows="stop")
    assert refused.value.next_steps
    assert {} == (await store.repair(index_rows="resume")).repaired
