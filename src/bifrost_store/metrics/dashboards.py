"""A dashboard's figures: read from what was counted before, or counted now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.histogram import percentile
from bifrost_store.core.record import Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import RunCounts
from bifrost_store.documents.metrics import DAY, HOUR, PLATFORM, PeriodMetrics
from bifrost_store.metrics.counting import NONE, Counted, add, add_up, add_up_stored, count_runs, stored_runs
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays, day_of, hour_of
from bifrost_store.repository_protocols.metrics import Dashboard, DashboardPeriod, PeriodState, Window


@dataclass(frozen=True, slots=True)
class Span:
    """A window: how many periods of which length."""

    period: timedelta
    count: int

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.period * self.count

    def start(self, now: datetime) -> datetime:
        """Return when the last period of the window begins."""
        return hour_of(now) if self.period == HOUR else day_of(now)

    def periods(self, now: datetime) -> list[datetime]:
        """Return when the periods of the window and of the one before it begin, oldest first."""
        last = self.start(now)
        return [last - number * self.period for number in reversed(range(2 * self.count))]


WINDOWS: Final[Mapping[str, Span]] = {"24h": Span(HOUR, 24), "7d": Span(DAY, 7), "30d": Span(DAY, 30), "90d": Span(DAY, 90)}
_MOST_READ_WHOLE: Final = 30
"""Up to so many periods a second query costs more than it saves."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A period, and what is known of it."""

    start: datetime
    state: PeriodState
    total: RunCounts = NONE
    counted_at: datetime | None = None
    record: Record | None = None
    workflows: Mapping[str, RunCounts] = field(default_factory=dict)

    def runs(self) -> dict[str, int]:
        """Return how many runs each workflow had in it."""
        if self.record is not None:
            return stored_runs(self.record.body)
        return {name: counts.count for name, counts in self.workflows.items()}


async def aggregated(keeper: Keeper, clock: Clock, scope: Scope | None, window: Window) -> Dashboard:
    """Return the dashboard that is stored: one query, for hours a second one for their days, for 90 days one for those before.

    Of days before, and of the days of hours, totals alone are read, which are a twentieth of a record.
    """
    now, span = clock(), WINDOWS[window]
    periods = span.periods(now)
    whose, prefix = (GLOBAL, PLATFORM) if scope is None else (scope, "")
    first, end = periods[0], periods[-1] + span.period
    whole_since = periods[span.count] if span.count > _MOST_READ_WHOLE else first
    read = partial(keeper.totals, whose, prefix=prefix)
    calls = [partial(read, span.period, whole_since, end, with_workflows=True)]
    if span.period == HOUR:
        calls.append(partial(read, DAY, day_of(first), day_of(now) + DAY))
    elif first < whole_since:
        calls.append(partial(read, DAY, first, whole_since))
    stored, *rest = await for_each(lambda call: call(), calls)
    if span.period == HOUR:
        parts = [_hour(keeper.open_days, hour, stored, rest[0], now) for hour in periods]
    else:
        days = {**stored, **(rest[0] if rest else {})}
        parts = [_day(keeper.open_days, day, days, now) for day in periods]
    bodies = [part.record.body for part in parts[span.count :] if part.record is not None]
    return _dashboard(scope, window, "aggregated", parts, *add_up_stored(bodies))


async def live(backend: Backend, retention: timedelta | None, clock: Clock, scope: Scope | None, window: Window) -> Dashboard:
    """Return the dashboard as it is counted now: one aggregate for each period whose runs are there, or some of them."""
    now, span = clock(), WINDOWS[window]

    async def count(start: datetime) -> tuple[_Part, Counted]:
        state = _live_state(start, start + span.period, now, retention)
        counted = Counted() if state == "absent" else await count_runs(backend, scope, start, start + span.period)
        return _Part(start, state, counted.total, now, workflows=counted.workflows), counted

    counts = await for_each(count, span.periods(now))
    shown = add_up([counted for _, counted in counts[span.count :]])
    return _dashboard(scope, window, "live", [part for part, _ in counts], shown.workflows, shown.others)


def _live_state(start: datetime, end: datetime, now: datetime, retention: timedelta | None) -> PeriodState:
    if retention is None or now < start + retention:
        return "open"
    return "incomplete" if now < end + retention else "absent"


def _day(open_days: OpenDays, day: datetime, days: Mapping[datetime, PeriodMetrics], now: datetime) -> _Part:
    stored = days.get(day)
    if stored is not None:
        return _Part(day, open_days.state(day, now, stored), stored.total, stored.counted_at, stored.record)
    # Today begins without a record; yesterday's tells that days are counted.
    is_new = day == day_of(now) and day - DAY in days
    return _Part(day, "open" if is_new else "absent")


def _hour(
    open_days: OpenDays,
    hour: datetime,
    hours: Mapping[datetime, PeriodMetrics],
    days: Mapping[datetime, PeriodMetrics],
    now: datetime,
) -> _Part:
    day = _day(open_days, day_of(hour), days, now)
    stored = hours.get(hour)
    if stored is None:
        return _Part(hour, day.state, counted_at=day.counted_at)
    return _Part(hour, "open" if day.state == "absent" else day.state, stored.total, stored.counted_at, stored.record)


def _dashboard(
    scope: Scope | None,
    window: Window,
    source: Literal["aggregated", "live"],
    parts: list[_Part],
    workflows: Mapping[str, RunCounts],
    others: RunCounts,
) -> Dashboard:
    middle = len(parts) // 2
    before, shown = parts[:middle], parts[middle:]
    total, earlier = add(part.total for part in shown), add(part.total for part in before)
    is_exact = _is_exact(shown)
    is_comparable = is_exact and _is_exact(before) and earlier.count > 0
    moments = [part.counted_at for part in shown if part.counted_at is not None]
    return Dashboard(
        scope=scope,
        window=window,
        source=source,
        series=tuple(DashboardPeriod(part.start, part.state, part.total, part.runs()) for part in shown),
        total=total,
        before=earlier,
        workflows=workflows,
        others=others,
        success_rate=percent(total.success_count, total.count) or 0.0,
        failures=failures_in(total),
        p50_ms=percentile(total.histogram, 50),
        p95_ms=percentile(total.histogram, 95),
        change=percent(total.count - earlier.count, earlier.count) if is_comparable else None,
        is_exact=is_exact,
        as_of=max(moments, default=None),
    )


def failures_in(counts: RunCounts) -> int:
    """Return how many runs ended as Failed, Timeout or CompletedWithErrors."""
    return counts.failed_count + counts.timeout_count + counts.completed_with_errors_count


def _is_exact(parts: list[_Part]) -> bool:
    return all(part.state in ("open", "frozen") for part in parts)


def percent(part: int, whole: int) -> float | None:
    """Return how many of *whole* they are, to one decimal; None of nothing."""
    return round(100 * part / whole, 1) if whole else None
