"""The failures of the whole platform: looked for where the figures say that there are some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bifrost_store.core.page import Page
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.documents.metrics import DAY, PLATFORM
from bifrost_store.metrics.dashboards import failures_in
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import day_of
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.store import Store

MOST_SCOPES: Final = 20
"""Whose runs are listed at once: each list is a query."""
_FAILED: Final = (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT, ExecutionStatus.COMPLETED_WITH_ERRORS)


async def latest_failures(store: Store, keeper: Keeper, since: datetime, now: datetime, limit: int) -> tuple[list[Execution], int]:
    """Return the runs of all scopes that failed last, and how many scopes with failures were left out.

    The newest days that have *limit* failures by the platform's figures are looked at, and of each scope that failed on them its
    newest runs: at most `MOST_SCOPES`, those that failed most.
    """
    scopes = await failing(keeper, since, now, limit)

    async def newest(scope: Scope) -> Page[Execution]:
        return await store.executions.list(scope, ExecutionFilter(statuses=_FAILED, since=since), limit=limit)

    pages = await for_each(newest, scopes[:MOST_SCOPES])
    runs = sorted((run for page in pages for run in page), key=lambda run: run.started_at, reverse=True)
    return runs[:limit], max(0, len(scopes) - MOST_SCOPES)


async def failing(keeper: Keeper, since: datetime, now: datetime, limit: int) -> Sequence[Scope]:
    """Return the scopes that failed on the newest days with *limit* failures, those that failed most first."""
    days = await keeper.totals(GLOBAL, DAY, day_of(since), day_of(now) + DAY, prefix=PLATFORM)
    failures: dict[Scope, int] = {}
    for day in sorted((day for day, one in days.items() if failures_in(one.total)), reverse=True):
        for one in await keeper.day_everywhere(day):
            if count := failures_in(one.total):
                failures[one.scope] = failures.get(one.scope, 0) + count
        if sum(failures.values()) >= limit:
            break
    return sorted(failures, key=lambda scope: (-failures[scope], scope))
