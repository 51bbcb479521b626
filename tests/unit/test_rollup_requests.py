"""What a rollup asks about scopes in which nothing happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from bifrost_store import ExecutionStatus, Scope, StoreSettings, open_store
from bifrost_store.core.query import Group, Query
from bifrost_store.documents.metrics import DAY, daily_id
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays
from bifrost_store.metrics.rolling import Rounds
from bifrost_store.testing.clock import SettableClock
from bifrost_store.wrappers.pass_through import PassThrough

pytestmark = pytest.mark.anyio

RETENTION = timedelta(days=6)


class Noting(PassThrough):
    """Takes note of the scopes whose runs are counted."""

    counted: list[Scope | None]

    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        self.counted.append(query.scope)
        return await self._inner.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)


async def test_idle_scopes_are_counted_once() -> None:
    """All recent days of a scope without runs take one count, until a run ends in it; each day is finished all the same."""
    clock = SettableClock()
    async with open_store(StoreSettings(sqlite_path=":memory:"), clock=clock) as store:
        await store.provision()
        organization = await store.organizations.create("Juniper", created_by="a", id="juniper")
        scope = Scope.of(organization.id)
        backend = Noting(store.backend)
        keeper = Keeper(backend, OpenDays(RETENTION), clock)

        async def rolled_up() -> int:
            backend.counted = []
            await Rounds(backend, keeper, clock).rollup()
            return backend.counted.count(scope)

        await rolled_up()
        assert 1 == await rolled_up()

        run = await store.executions.create(scope, workflow_name="w", executed_by="u", executed_by_name="U")
        await store.executions.complete(run, ExecutionStatus.SUCCESS)
        first = clock()
        assert 1 < await rolled_up()
        stored = await keeper.days(scope, first - DAY, first + DAY)
        assert [0, 1] == [stored[day].total.count for day in sorted(stored)][-2:]

        for _ in range(RETENTION // DAY):
            clock.advance(days=1)
            await rolled_up()
        kept = await keeper.days(scope, first - 3 * DAY, first)
        assert daily_id(first - DAY) in {one.record.key.id for one in kept.values()}
        assert all(one.final_at is not None for one in kept.values())
