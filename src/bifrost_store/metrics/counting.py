"""Counts the runs that ended in a stretch of time, and adds such counts up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

from pydantic.alias_generators import to_camel

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import format_time
from bifrost_store.core.histogram import add_histograms, add_packed
from bifrost_store.core.json import UNREADABLE
from bifrost_store.core.query import Eq, FilterValue, Group, Query, Range
from bifrost_store.core.record import Body
from bifrost_store.core.scope import Scope
from bifrost_store.documents import LIVE_STATUSES, Execution, ExecutionStatus, RunCounts
from bifrost_store.documents.metrics import MAX_COUNT, plausible
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
_STORED: Final = {to_camel(name): None if name == "total_duration_ms" else 0 for name in COUNT_FIELDS}
"""Of each figure as it is stored, what it is at least."""
_WHOLE: Final = frozenset({int})
_FIGURES: Final = attrgetter(*COUNT_FIELDS)


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
    if not counts:
        return NONE
    sums = map(sum, zip(*map(_FIGURES, counts), strict=True))
    histogram = add_histograms(one.histogram for one in counts)
    return RunCounts.model_validate({**dict(zip(COUNT_FIELDS, sums, strict=True)), "histogram": histogram})


def add_up(parts: Sequence[Counted]) -> Counted:
    """Return the figures of disjoint stretches together. Of workflows that are beyond the largest of a part, `others` has those."""
    names: dict[str, list[RunCounts]] = {}
    for part in parts:
        for name, counts in part.workflows.items():
            names.setdefault(name, []).append(counts)
    kept, others = largest({name: add(counts) for name, counts in names.items()}, add(part.others for part in parts))
    return Counted(add(part.total for part in parts), kept, others)


def add_up_stored(bodies: Iterable[Body]) -> tuple[dict[str, RunCounts], RunCounts]:
    """Return the workflows and others of disjoint stretches together, as `add_up` does, from the bodies that are stored.

    A dashboard has thousands of them, so that no model is made of each. A body that cannot be read is left out.
    """
    bodies = list(bodies)
    try:
        return _plausible(_add_bodies(bodies))
    except UNREADABLE:
        return _add_bodies([body for body in bodies if _is_readable(body)])


def stored_runs(body: Body) -> dict[str, int]:
    """Return how many runs each workflow of a stored body had; none where it cannot be read."""
    try:
        counts = {name: part.get("count", 0) for name, part in body["workflows"].items()}
        return counts if _sum(counts.values()) <= MAX_COUNT else {}
    except UNREADABLE:
        return {}


def _add_bodies(bodies: Iterable[Body]) -> tuple[dict[str, RunCounts], RunCounts]:
    names: dict[str, list[Body]] = {}
    others: list[Body] = []
    for body in bodies:
        for name, part in body["workflows"].items():
            names.setdefault(name, []).append(part)
        if body["others"] is not None:
            others.append(body["others"])
    return largest({name: _add_parts(parts) for name, parts in names.items()}, _add_parts(others))


def _add_parts(parts: Sequence[Body]) -> RunCounts:
    sums = {name: _sum(map(dict.get, parts, repeat(name), repeat(0)), least=least) for name, least in _STORED.items()}
    return RunCounts.model_validate({**sums, "histogram": add_packed(part.get("histogram", "") for part in parts)})


def _sum(figures: Iterable[Any], *, least: int | None = 0) -> int:
    figures = list(figures)
    if not _WHOLE.issuperset(map(type, figures)):
        raise TypeError("no whole number")
    if least is not None and min(figures, default=least) < least:
        raise ValueError(f"less than {least}")
    return sum(figures)


def _plausible(sums: tuple[dict[str, RunCounts], RunCounts]) -> tuple[dict[str, RunCounts], RunCounts]:
    workflows, others = sums
    for counts in (*workflows.values(), others):
        plausible(counts)
    return sums


def _is_readable(body: Body) -> bool:
    try:
        _plausible(_add_bodies([body]))
    except UNREADABLE:
        return False
    return True


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
            "histogram": group.histogram,
        }
    )


def _window(start: datetime, end: datetime) -> Range:
    return Range("completedAt", format_time(start), format_time(end))
