"""Counts the runs that ended in a stretch of time, and adds such counts up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import format_time
from bifrost_store.core.query import Eq, FilterValue, Group, Query, Range
from bifrost_store.core.scope import Scope
from bifrost_store.documents import LIVE_STATUSES, Execution, ExecutionStatus, RunCounts
from bifrost_store.errors import CorruptDocumentError

KIND: Final = Execution.spec.kind
MAX_WORKFLOWS: Final = 50
_MAX_NAME_CHARACTERS: Final = 200
_MAX_NAMED: Final = 20
_FIELDS: Final[Mapping[FilterValue, str]] = {
    ExecutionStatus.SUCCESS.value: "success_count",
    ExecutionStatus.FAILED.value: "failed_count",
    ExecutionStatus.TIMEOUT.value: "timeout_count",
    ExecutionStatus.COMPLETED_WITH_ERRORS.value: "completed_with_errors_count",
    ExecutionStatus.CANCELLED.value: "cancelled_count",
}
_LIVE: Final = {status.value for status in LIVE_STATUSES}
COUNT_FIELDS: Final = ("count", *_FIELDS.values(), "unreadable_count", "duration_count", "total_duration_ms")
NONE: Final = RunCounts()


@dataclass(frozen=True, slots=True)
class Counted:
    """The figures of a stretch of time.

    Attributes:
        total: Of all runs.
        workflows: Of at most `MAX_WORKFLOWS`, by name.
        others: Of the rest.
        strange: Statuses that were met and are none.
    """

    total: RunCounts = NONE
    workflows: Mapping[str, RunCounts] = field(default_factory=dict[str, RunCounts])
    others: RunCounts = NONE
    strange: tuple[str | None, ...] = ()


async def count_runs(backend: Backend, scope: Scope | None, start: datetime, end: datetime) -> Counted:
    """Return the figures of the runs with ``start <= completed_at < end``: one aggregate."""
    query = Query(KIND, scope, (_window(start, end),))
    groups = await backend.aggregate(query, group_by=("status", "workflowName"), sum_of=("durationMs",), histogram_of="durationMs")
    by_name: dict[str | None, list[RunCounts]] = {}
    strange: dict[str, str | None] = {}
    for group in groups:
        status, name = group.values
        if isinstance(status, str) and status in _LIVE:
            continue
        if not isinstance(status, str) or status not in _FIELDS:
            strange[repr(status)] = str(status) if isinstance(status, str) else None
        is_named = isinstance(name, str) and len(name) <= _MAX_NAME_CHARACTERS
        by_name.setdefault(name if is_named and isinstance(name, str) else None, []).append(_counts(group))
    unnamed = add(by_name.pop(None, []))
    named = {name: add(counts) for name, counts in by_name.items() if name is not None}
    kept, others = largest(named, unnamed)
    return Counted(add([*named.values(), unnamed]), kept, others, tuple(strange.values()))


async def unreadable_runs(
    backend: Backend, scope: Scope, start: datetime, end: datetime, statuses: Sequence[str | None]
) -> list[str]:
    """Return what names the first runs that have one of *statuses*, which are none."""
    found: list[str] = []
    for status in statuses:
        page = await backend.query(Query(KIND, scope, (Eq("status", status), _window(start, end)), _MAX_NAMED))
        found += [str(error) for error in page.unreadable]
        for record in page.items:
            try:
                Execution.from_record(record)
            except CorruptDocumentError as error:
                found.append(str(error))
    return found[:_MAX_NAMED]


def add(counts: Iterable[RunCounts]) -> RunCounts:
    """Return the figures of all runs together."""
    counts = list(counts)
    histogram: dict[str, int] = {}
    for one in counts:
        for bucket, number in one.histogram.items():
            histogram[bucket] = histogram.get(bucket, 0) + number
    sums = {name: sum(getattr(one, name) for one in counts) for name in COUNT_FIELDS}
    return RunCounts.model_validate({**sums, "histogram": dict(sorted(histogram.items(), key=lambda item: int(item[0])))})


def add_up(parts: Sequence[Counted]) -> Counted:
    """Return the figures of disjoint stretches together. Of workflows that are beyond the largest of a part, `others` has those."""
    names: dict[str, list[RunCounts]] = {}
    for part in parts:
        for name, counts in part.workflows.items():
            names.setdefault(name, []).append(counts)
    kept, others = largest({name: add(counts) for name, counts in names.items()}, add(part.others for part in parts))
    return Counted(add(part.total for part in parts), kept, others)


def largest(named: Mapping[str, RunCounts], others: RunCounts) -> tuple[dict[str, RunCounts], RunCounts]:
    """Return the workflows with most runs, most first, and the figures of all others."""
    ordered = sorted(named, key=lambda name: (-named[name].count, name))
    kept = {name: named[name] for name in ordered[:MAX_WORKFLOWS]}
    return kept, add([others, *(named[name] for name in ordered[MAX_WORKFLOWS:])])


def _counts(group: Group) -> RunCounts:
    status = group.values[0]
    name = _FIELDS.get(status, "unreadable_count") if isinstance(status, str) else "unreadable_count"
    return RunCounts.model_validate(
        {
            "count": group.count,
            name: group.count,
            "duration_count": group.sum_counts[0],
            "total_duration_ms": group.sums[0],
            "histogram": {str(bucket): count for bucket, count in sorted(group.histogram.items())},
        }
    )


def _window(start: datetime, end: datetime) -> Range:
    return Range("completedAt", format_time(start), format_time(end))
