"""Figures over the executions of a window, computed live, as near the data as the backend can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.page import Page
from bifrost_store.core.query import Filter, Group, Query
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import together
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.repositories.executions.queries import status_filter
from bifrost_store.repository_protocols.executions import ExecutionStatistics

KIND = "execution"
MAX_RECENT_FAILURES = 10
_FAILURES = (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT, ExecutionStatus.COMPLETED_WITH_ERRORS)
_STATUS = ("status",)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the backend counted, and the records of the newest failures."""

    by_status: dict[ExecutionStatus, int]
    average_duration_ms: int | None
    recent_failures: Page[Record]

    def shown_with(self, failures: Sequence[Execution]) -> ExecutionStatistics:
        """Return the figures as callers see them."""
        ended = sum(count for status, count in self.by_status.items() if status.is_final)
        rate = 100 * self.by_status.get(ExecutionStatus.SUCCESS, 0) / ended if ended else 0.0
        return ExecutionStatistics(
            total=sum(self.by_status.values()),
            by_status=self.by_status,
            success_rate=round(rate, 1),
            average_duration_ms=self.average_duration_ms,
            recent_failures=tuple(failures),
        )


async def count_by_status(backend: Backend, scope: Scope, filters: tuple[Filter, ...]) -> dict[ExecutionStatus, int]:
    """Return how many executions have each status that occurs, in the order of `ExecutionStatus`."""
    return _counts(await backend.aggregate(Query(KIND, scope, filters), group_by=_STATUS))


async def compute_figures(backend: Backend, scope: Scope, window: tuple[Filter, ...] | None) -> Figures:
    """Count the executions of *window*; None is one in which none can lie.

    Two requests at the same time: an aggregate and a page.
    """
    if window is None:
        return Figures({}, None, Page(()))
    failure_query = Query(KIND, scope, (status_filter(_FAILURES), *window), MAX_RECENT_FAILURES)
    groups, failures = await together(
        lambda: backend.aggregate(Query(KIND, scope, window), group_by=_STATUS, sum_of=("durationMs",)),
        lambda: backend.query(failure_query),
    )
    succeeded = [group for group in groups if group.values == (ExecutionStatus.SUCCESS.value,)]
    total_ms, timed = sum(group.sums[0] for group in succeeded), sum(group.sum_counts[0] for group in succeeded)
    # To the nearest whole number, halves upwards, without going through floating point.
    average = (2 * total_ms + timed) // (2 * timed) if timed > 0 else None
    return Figures(_counts(groups), average, failures)


def _counts(groups: Sequence[Group]) -> dict[ExecutionStatus, int]:
    """Return the counts of known statuses; a row with another status cannot be read, and is in no list either."""
    found = {group.values[0]: group.count for group in groups}
    return {status: found[status.value] for status in ExecutionStatus if status.value in found}
