"""Sample data: a small platform that ends now, as the platform would have written it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bifrost_store import GLOBAL, ConfigType, ExecutionFilter, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.demo.sample import fill_with_samples
from bifrost_store.errors import ConfigurationError

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RUNS = 24


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(sqlite_path=str(tmp_path / "store.db"))


async def test_every_run_can_be_seen(settings: StoreSettings) -> None:
    """Organizations have people, forms and runs; none has expired, the newest go on, and those that ended left a log."""
    counts = await fill_with_samples(settings, runs=RUNS, clock=lambda: NOW)

    async with open_store(settings, clock=lambda: NOW) as store:
        organizations = await store.organizations.list()
        scopes = [GLOBAL, *(Scope.of(one.id) for one in organizations)]
        runs = [run for scope in scopes for run in await store.executions.list(scope, limit=500)]
        members = [await store.users.list_organization(one.id) for one in organizations]
        ended = next(run for run in runs if run.completed_at is not None)
        items = await store.execution_data.items(ended.scope, ended.execution_id)

        assert {"organizations": 3, "users": 17, "executions": RUNS} == counts
        assert (3, RUNS) == (len(organizations), len(runs))
        assert all(members)
        assert all(NOW - timedelta(days=7) <= run.started_at <= NOW for run in runs)
        assert 3 == sum(run.status is ExecutionStatus.RUNNING for run in runs)
        assert items.items
        assert [1, 2] == [len(await store.forms.list(scope)) for scope in scopes[:2]]


async def test_a_store_that_holds_something_is_refused(settings: StoreSettings) -> None:
    """Nothing is written into it; with `add` everything comes beside what is there, and again only runs."""
    async with open_store(settings, clock=lambda: NOW) as store:
        await store.provision()
        await store.config.set(GLOBAL, "time_zone", "Asia/Tokyo", config_type=ConfigType.STRING, updated_by="ada@msp.example")

        with pytest.raises(ConfigurationError, match="--add"):
            await fill_with_samples(settings, clock=lambda: NOW)
        assert [] == [*await store.organizations.list()]
        for count in (1, 2):
            await fill_with_samples(settings, runs=4, add=True, clock=lambda: NOW)
            assert 3 == len(await store.organizations.list())
            assert 4 * count == len([run for scope in await _scopes(store) for run in await store.executions.list(scope)])
        found = await store.config.get(GLOBAL, "time_zone")

        assert found is not None
        assert "Asia/Tokyo" == found.value


async def test_runs_outlive_a_short_retention(tmp_path: Path) -> None:
    """Where runs are kept for a day, they lie within half of it."""
    settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"), execution_retention_days=1)
    await fill_with_samples(settings, runs=4, clock=lambda: NOW)

    async with open_store(settings, clock=lambda: NOW) as store:
        where = ExecutionFilter(since=NOW - timedelta(hours=12))
        assert 4 == len([run for scope in await _scopes(store) for run in await store.executions.list(scope, where)])


async def _scopes(store: Store) -> list[Scope]:
    return [GLOBAL, *(Scope.of(one.id) for one in await store.organizations.list())]
