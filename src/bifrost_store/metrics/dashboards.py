"""A dashboard's figures: read from what was counted before, or counted now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.histogram import percentile
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import for_each, together
from bifrost_store.documents import RunCounts
from bifrost_store.documents.metrics import DAY, HOUR, PLATFORM, PeriodMetrics
from bifrost_store.metrics.counting import Counted, add, add_up, count_runs
from bifrost_store.metrics.keeping import Keeper, counted_in
from bifrost_store.metrics.periods import OpenDays, day_of, hour_of
from bifrost_store.repository_protocols.metrics import Dashboard, DashboardPeriod, PeriodState, Window


@dataclass(frozen=True, slots=True)
class Span:
    """A window: how many periods of which length."""

    period: timedelta
    count: int

    def start(self, now: datetime) -> datetime:
        """Return when the last period of the window begins."""
        return hour_of(now) if self.period == HOUR else day_of(now)

    def periods(self, now: datetime) -> list[datetime]:
        """Return when the periods of the window and of the one before it begin, oldest first."""
        last = self.start(now)
        return [last - number * self.period for number in reversed(range(2 * self.count))]


WINDOWS: Final[Mapping[str, Span]] = {"24h": Span(HOUR, 24), "7d": Span(DAY, 7), "30d": Span(DAY, 30), "90d": Span(DAY, 90)}


@dataclass(frozen=True, slots=True)
class _Part:
    """A period, and what is known of it."""

    start: datetime
    state: PeriodState
    counted: Counted
    counted_at: datetime | None = None


async def aggregated(keeper: Keeper, clock: Clock, scope: Scope | None, window: Window) -> Dashboard:
    """Return the dashboard that is stored: one query, and for hours a second one for their days."""
    now, span = clock(), WINDOWS[window]
    periods = span.periods(now)
    whose, prefix = (GLOBAL, PLATFORM) if scope is None else (scope, "")
    first_day, next_day, shown = day_of(periods[0]), day_of(now) + DAY, periods[span.count]
    if span.period == DAY:
        days = await keeper.days(whose, first_day, next_day, prefix=prefix, totals_before=shown)
        parts = [_day(keeper.open_days, day, days, now) for day in periods]
    else:
        days, hours = await together(
            lambda: keeper.days(whose, first_day, next_day, prefix=prefix, totals_before=next_day),
            lambda: keeper.hours(whose, periods[0], periods[-1] + HOUR, prefix=prefix, totals_before=shown),
        )
        parts = [_hour(keeper.open_days, hour, hours, days, now) for hour in periods]
    return _dashboard(scope, window, "aggregated", parts)


async def live(backend: Backend, retention: timedelta | None, clock: Clock, scope: Scope | None, window: Window) -> Dashboard:
    """Return the dashboard as it is counted now: one aggregate for each period whose runs are there, or some of them."""
    now, span = clock(), WINDOWS[window]

    async def count(start: datetime) -> _Part:
        state = _live_state(start, start + span.period, now, retention)
        counted = Counted() if state == "absent" else await count_runs(backend, scope, start, start + span.period)
        return _Part(start, state, counted, now)

    return _dashboard(scope, window, "live", await for_each(count, span.periods(now)))


def _live_state(start: datetime, end: datetime, now: datetime, retention: timedelta | None) -> PeriodState:
    if retention is None or now < start + retention:
        return "open"
    return "incomplete" if now < end + retention else "absent"


def _day(open_days: OpenDays, day: datetime, days: Mapping[datetime, PeriodMetrics], now: datetime) -> _Part:
    stored = days.get(day)
    if stored is not None:
        return _Part(day, open_days.state(day, now, stored), counted_in(stored), stored.counted_at)
    # Today begins without a record; yesterday's tells that days are counted.
    is_new = day == day_of(now) and day - DAY in days
    return _Part(day, "open" if is_new else "absent", Counted())


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
        return _Part(hour, day.state, Counted(), day.counted_at)
    return _Part(hour, "open" if day.state == "absent" else day.state, counted_in(stored), stored.counted_at)


def _dashboard(scope: Scope | None, window: Window, source: Literal["aggregated", "live"], parts: list[_Part]) -> Dashboard:
    middle = len(parts) // 2
    before, shown = parts[:middle], parts[middle:]
    counted, earlier = add_up([part.counted for part in shown]), add(part.counted.total for part in before)
    total, is_exact = counted.total, _is_exact(shown)
    is_comparable = is_exact and _is_exact(before) and earlier.count > 0
    moments = [part.counted_at for part in shown if part.counted_at is not None]
    histogram = {int(bucket): number for bucket, number in total.histogram.items()}
    return Dashboard(
        scope=scope,
        window=window,
        source=source,
        series=tuple(_period(part) for part in shown),
        total=total,
        before=earlier,
        workflows=counted.workflows,
        others=counted.others,
        success_rate=percent(total.success_count, total.count) or 0.0,
        failures=failures_in(total),
        p50_ms=percentile(histogram, 50),
        p95_ms=percentile(histogram, 95),
        change=percent(total.count - earlier.count, earlier.count) if is_comparable else None,
        is_exact=is_exact,
        as_of=max(moments, default=None),
    )


def _period(part: _Part) -> DashboardPeriod:
    runs = {name: counts.count for name, counts in part.counted.workflows.items()}
    return DashboardPeriod(part.start, part.state, part.counted.total, runs)


def failures_in(counts: RunCounts) -> int:
    """Return how many runs ended as Failed, Timeout or CompletedWithErrors."""
    return counts.failed_count + counts.timeout_count + counts.completed_with_errors_count


def _is_exact(parts: list[_Part]) -> bool:
    return all(part.state in ("open", "frozen") for part in parts)


def percent(part: int, whole: int) -> float | None:
    """Return how many of *whole* they are, to one decimal; None of nothing."""
    return round(100 * part / whole, 1) if whole else None
