"""A dashboard as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bifrost_functions.refusals import bad_request
from bifrost_store import Dashboard, RunCounts
from bifrost_store.protocols import Window

_WINDOWS: Final[Mapping[str, Window]] = {"24h": "24h", "7d": "7d", "30d": "30d", "90d": "90d"}


def window_named(text: str) -> Window:
    """Return the window that a parameter names."""
    if text not in _WINDOWS:
        raise bad_request(f"window: one of {', '.join(_WINDOWS)}")
    return _WINDOWS[text]


def shown_dashboard(dashboard: Dashboard) -> dict[str, Any]:
    """Return what pages show of *dashboard*."""
    return {
        "window": dashboard.window,
        "source": dashboard.source,
        "total": _counts(dashboard.total),
        "before": _counts(dashboard.before),
        "successRate": dashboard.success_rate,
        "failures": dashboard.failures,
        "p50Ms": dashboard.p50_ms,
        "p95Ms": dashboard.p95_ms,
        "change": dashboard.change,
        "series": [{"start": _time(one.start), "state": one.state, **_counts(one.counts)} for one in dashboard.series],
        "workflows": [{"name": name, **_counts(counts)} for name, counts in dashboard.workflows.items()],
        "others": _counts(dashboard.others),
        "isExact": dashboard.is_exact,
        "asOf": None if dashboard.as_of is None else _time(dashboard.as_of),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _counts(counts: RunCounts) -> dict[str, Any]:
    return {
        **counts.model_dump(by_alias=True, exclude={"histogram", "total_duration_ms"}),
        "avgDurationMs": counts.average_duration_ms,
    }
