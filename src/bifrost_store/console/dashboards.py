"""How runs went: the figures of a scope, or for administrators of the whole platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.changefeed import leases_by_processor
from bifrost_store.changefeed.status import behind_seconds
from bifrost_store.console.asking import admin_only, as_json, scope_of
from bifrost_store.console.failures import latest_failures
from bifrost_store.console.refusals import bad_request
from bifrost_store.console.shown import shown_run
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.histogram import percentile
from bifrost_store.core.scope import Scope
from bifrost_store.documents import RunCounts
from bifrost_store.errors import ConfigurationError, StoreError
from bifrost_store.metrics.dashboards import WINDOWS, aggregated, failures_in
from bifrost_store.metrics.following import NAME
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays
from bifrost_store.protocols import Dashboard, DashboardPeriod, Window
from bifrost_store.store import Store

PLATFORM: Final = "platform"
"""In addresses, where others name a scope; none is called so."""
_WINDOW: Final = "7d"
_FAILURES: Final = 8


class Dashboards:
    """Answers about the figures of *store*."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        return [
            Route("/api/dashboard/{scope}", self._dashboard),
            Route("/api/durations/{scope}", self._durations),
            Route("/api/failures", self._failures),
        ]

    async def _dashboard(self, request: Request) -> Response:
        """The figures of ``window``: 24h, 7d, 30d or 90d."""
        scope = _scope_of(request)
        window = cast(Window, request.query_params.get("window", _WINDOW))
        dashboard = await self._store.metrics.dashboard(scope, window)
        behind = await self._behind() if dashboard.source == "aggregated" else None
        return as_json({**shown_dashboard(dashboard), "behindSeconds": behind, "now": format_time(self._clock())})

    async def _durations(self, request: Request) -> Response:
        """What 95 of 100 runs of each workflow took at most in ``window``, by the figures that are kept; nothing without them."""
        scope = scope_of(request)
        kept = await kept_figures(self._store, self._clock, scope, _window_of(request))
        found = {} if kept is None else {name: percentile(counts.histogram, 95) for name, counts in kept.workflows.items()}
        return as_json({"p95Ms": {name: longest for name, longest in found.items() if longest is not None}})

    async def _failures(self, request: Request) -> Response:
        """The runs of the whole platform that failed last in ``window``, by the figures that are kept; nothing without them."""
        admin_only(request)
        now, length = self._clock(), WINDOWS[_window_of(request)].length
        keeper = keeper_of(self._store, self._clock)
        if keeper is None:
            return as_json({"runs": [], "scopesLeftOut": 0})
        runs, left_out = await latest_failures(self._store, keeper, now - length, now, _FAILURES)
        return as_json({"runs": [shown_run(run) for run in runs], "scopesLeftOut": left_out})

    async def _behind(self) -> float | None:
        """Return how far those who keep the figures are behind; None where a timer does, or where that cannot be told."""
        try:
            for backend in self._store.backend.all_backends():
                if backend.feed is not None and (leases := (await leases_by_processor(backend)).get(NAME)):
                    return behind_seconds(leases)
        except StoreError:
            pass
        return None


async def kept_figures(store: Store, clock: Clock, scope: Scope | None, window: Window) -> Dashboard | None:
    """Return the figures that are kept, whatever dashboards are made of; None where runs are kept for too short to have any."""
    keeper = keeper_of(store, clock)
    return None if keeper is None else await aggregated(keeper, clock, scope, window)


def keeper_of(store: Store, clock: Clock) -> Keeper | None:
    """Return what reads the figures that are kept; None where runs are kept for too short to have any."""
    try:
        return Keeper(store.backend, OpenDays(store.context.retention), clock)
    except ConfigurationError:
        return None


def _window_of(request: Request) -> Window:
    window = request.query_params.get("window", _WINDOW)
    if window not in WINDOWS:
        raise bad_request(f"window: must be one of {', '.join(WINDOWS)}")
    return cast(Window, window)


def _scope_of(request: Request) -> Scope | None:
    if request.path_params["scope"] != PLATFORM:
        return scope_of(request)
    admin_only(request)
    return None


def shown_dashboard(dashboard: Dashboard) -> dict[str, Any]:
    """Return the figures as the page has them. What *before* would say is left out where the two cannot be compared."""
    before = dashboard.before if dashboard.change is not None else None
    return {
        "scope": PLATFORM if dashboard.scope is None else dashboard.scope.value,
        "window": dashboard.window,
        "source": dashboard.source,
        "total": _figures(dashboard.total),
        "before": None if before is None else _figures(before),
        "series": [_period(period) for period in dashboard.series],
        "workflows": [
            {"name": name, **_figures(counts), "trend": _trend(name, dashboard.series)}
            for name, counts in dashboard.workflows.items()
        ],
        "others": _figures(dashboard.others) if dashboard.others.count else None,
        "isExact": dashboard.is_exact,
        "asOf": None if dashboard.as_of is None else format_time(dashboard.as_of),
    }


def _figures(counts: RunCounts) -> dict[str, Any]:
    return {
        "runs": counts.count,
        "success": counts.success_count,
        "failed": failures_in(counts),
        "successRate": 100 * counts.success_count / counts.count if counts.count else None,
        "p50Ms": percentile(counts.histogram, 50),
        "p95Ms": percentile(counts.histogram, 95),
    }


def _period(period: DashboardPeriod) -> dict[str, Any]:
    counts = period.counts
    return {
        "start": format_time(period.start),
        "state": period.state,
        "runs": counts.count,
        "success": counts.success_count,
        "failed": failures_in(counts),
    }


def _trend(name: str, series: Sequence[DashboardPeriod]) -> list[int | None]:
    return [None if period.state == "absent" else period.workflows.get(name, 0) for period in series]
