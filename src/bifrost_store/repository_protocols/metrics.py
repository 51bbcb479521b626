"""How runs went: the figures of a dashboard, and how they are kept right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

from bifrost_store.core.scope import Scope
from bifrost_store.documents import RunCounts

Window = Literal["24h", "7d", "30d", "90d"]
"""The last 24 hours by hour, the present one included; or the last days by day, today included. In UTC."""
PeriodState = Literal["open", "frozen", "incomplete", "absent"]
"""Whether a period is still counted again; was counted for the last time while all its runs were there; was not, and cannot be any
more, so that runs may be missing; or was never counted."""


@dataclass(frozen=True, slots=True)
class DashboardPeriod:
    """An hour or a day of a dashboard.

    Attributes:
        start: When it begins.
        state: See `PeriodState`.
        counts: Of the runs that ended in it; all 0 where absent.
        workflows: How many of them were of which workflow, by name; of the 50 with most runs in it.
    """

    start: datetime
    state: PeriodState
    counts: RunCounts
    workflows: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The figures of a window.

    Attributes:
        scope: Whose runs; None: those of the whole platform.
        window: As it was asked for.
        source: ``aggregated``: read from what was counted before; ``live``: counted now.
        series: The periods of the window, oldest first.
        total: The runs of the window.
        before: Those of the window of the same length before it.
        workflows: By name, those with most runs first. Of the 50 with most runs in each hour or day.
        others: The runs of all others together.
        success_rate: Percent of Success among all runs that ended, to one decimal; 0.0 without any.
        failures: Runs that ended as Failed, Timeout or CompletedWithErrors.
        p50_ms, p95_ms: Durations that half, and 95 of 100, of the runs with a duration did not exceed, to one sixteenth.
        change: Percent by which `total` has more runs than `before`, to one decimal; None where *before* has none, or where a
            period of the two windows is absent or incomplete.
        is_exact: No period of the window is absent or incomplete.
        as_of: When the figures were counted last; None: never.
    """

    scope: Scope | None
    window: Window
    source: Literal["aggregated", "live"]
    series: Sequence[DashboardPeriod]
    total: RunCounts
    before: RunCounts
    workflows: Mapping[str, RunCounts]
    others: RunCounts
    success_rate: float
    failures: int
    p50_ms: int | None
    p95_ms: int | None
    change: float | None
    is_exact: bool
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """What counting again did.

    Attributes:
        scopes: How many scopes were looked at.
        hours, days: How many hours and days of scopes were written.
        finished: Days of scopes that were counted for the last time.
        incomplete: ``<scope> <date>`` of days that ended before they were: runs may be missing there, for good.
        unreadable: Runs, each named by an error, that no list shows, as their status is none that is known; counted apart.
    """

    scopes: int
    hours: int
    days: int
    finished: int = 0
    incomplete: Sequence[str] = ()
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MetricsDifference:
    """Figures that are stored and are not what a count finds.

    Attributes:
        scope: Whose; GLOBAL for those of the platform too.
        id: Of the record.
        field: Which figure.
        stored: What it is; None: there is no record.
        counted: What it should be.
    """

    scope: Scope
    id: str
    field: str
    stored: int | None
    counted: int


@dataclass(frozen=True, slots=True)
class MetricsComparison:
    """What a comparison found.

    Attributes:
        compared: How many hours and days were compared.
        differences: What differs, by scope and id.
        unsettled: ``<scope> <id>`` of what went on changing for as long as it was looked at.
    """

    compared: int
    differences: Sequence[MetricsDifference]
    unsettled: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MetricsStatus:
    """How far counting has come in one scope, or for the platform.

    Attributes:
        scope: The scope; None: the platform.
        since: The first day that was counted; None: none.
        counted_at: When something was counted last.
        open_days: Days that are still counted again.
        frozen_days: Days that were counted for the last time.
        incomplete: Days that were not, and cannot be any more.
    """

    scope: Scope | None
    since: date | None
    counted_at: datetime | None
    open_days: int
    frozen_days: int
    incomplete: Sequence[date]


class Metrics(Protocol):
    """Figures over runs that ended, by hour and day in UTC of ``completed_at``.

    Each is a count of the runs that are there, made anew whenever something about them changes, for as long as they are kept. So a
    crash, a repeated delivery, a correction or a deletion cannot make a figure wrong: the next count puts it right.
    """

    async def dashboard(self, scope: Scope | None, window: Window) -> Dashboard:
        """Return the figures of a scope, or for None those of the whole platform, over a window and the one before it.

        Where they come from, the setting and flag say: see `bifrost_store.settings.StoreSettings.metrics`.

        Raises:
            InvalidRequestError: There is no such window.
            InvalidKeyError: *scope* is SYSTEM, where no runs are.
        """
        ...

    async def rollup(self) -> MetricsReport:
        """Count the last hours of every scope again, and days where what is stored is not what a count finds; finish days.

        To be called at least once an hour, by a timer; it needs no change feed.
        """
        ...

    async def rebuild(self, scope: Scope | None = None, *, day: date | None = None) -> MetricsReport:
        """Count every open day again, or *day* alone, of every scope or of one.

        Raises:
            InvalidRequestError: *day* is no date, is frozen, as its runs are no longer all there, or lies in the future. Nothing
                was written.
        """
        ...

    async def compare(self, scope: Scope | None = None, *, days: int | None = None) -> MetricsComparison:
        """Compare what is stored of open days with a count made now; changes nothing.

        What differs is looked at again until neither side has changed for a while, so that runs which end meanwhile are no
        differences.

        Args:
            scope: Whose; by default everybody's and the platform's.
            days: The last ones, today included; by default all that are open.

        Raises:
            InvalidRequestError: *days* is not from 1 on.
        """
        ...

    async def status(self) -> Sequence[MetricsStatus]:
        """Return how far counting has come, of the platform and of each scope."""
        ...

    async def purge_expired(self) -> int:
        """Remove hours of more than 90 days ago for good, and return how many. Readers do not see them before either."""
        ...
