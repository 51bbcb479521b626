"""What the store costs on Cosmos DB: this process so far, and a month, projected as on the command line. For administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.backends.registry import PRICED
from bifrost_store.console.asking import admin_only, as_json, count
from bifrost_store.console.dashboards import kept_figures
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.prices import ALERT_DOLLARS_PER_MONTH, request_unit_dollars
from bifrost_store.core.tasks import begin
from bifrost_store.costing import DEFAULT_MIX, Measurement, Projection, project
from bifrost_store.costing.shares import shares_of
from bifrost_store.store import Store

Measure = Callable[[], Coroutine[Any, Any, Measurement]]
_MOST_RUNS: Final = 100_000_000
_RUNS: Final = 10_000
"""A month has so many where nobody says otherwise and none were counted: the plan's."""
_PATIENCE: Final = 2.0
"""Seconds that a request waits for a measurement."""
_WITHOUT_RETENTION_DAYS: Final = 365.0


class Costs:
    """Answers about what *store* costs.

    Args:
        measure: Finds out what calls are charged; asked once, beside whatever else is asked.
    """

    def __init__(self, store: Store, clock: Clock, measure: Measure) -> None:
        self._store = store
        self._clock = clock
        self._measure = measure
        self._measuring: asyncio.Task[Measurement] | None = None

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        return [Route("/api/cost/process", self._process), Route("/api/cost/month", self._month)]

    async def _process(self, request: Request) -> Response:
        """What the calls of this process were charged since its store was opened."""
        admin_only(request)
        usage, now = self._store.usage(), self._clock()
        shares = shares_of((row.operation, row.request_units) for row in usage.operations)
        return as_json(
            {
                "since": format_time(usage.since),
                "seconds": (now - usage.since).total_seconds(),
                "requestUnits": usage.request_units,
                "dollars": usage.dollars(),
                "shares": {share: request_unit_dollars(units) for share, units in shares.items()},
                "calls": sum(row.calls for row in usage.operations),
                "isPriced": any(PRICED in row.backend.split("+") for row in usage.operations),
                "alertDollars": ALERT_DOLLARS_PER_MONTH,
            }
        )

    async def _month(self, request: Request) -> Response:
        """What a month of ``runs`` costs; by default of as many as the last 30 days had."""
        admin_only(request)
        asked = "runs" in request.query_params
        counted = None if asked else await self._runs_per_month()
        runs = count(request, "runs", default=counted or _RUNS, most=_MOST_RUNS)
        measurement = await self._measured()
        if measurement is None:
            return as_json({"isMeasured": False})
        retention = self._store.context.retention
        days = _WITHOUT_RETENTION_DAYS if retention is None else retention.total_seconds() / 86_400
        projection = project(measurement, DEFAULT_MIX, runs, retention_days=days)
        source = "asked" if asked else "assumed" if counted is None else "counted"
        return as_json({"isMeasured": True, **_shown(projection), "runsFrom": source, "alertDollars": ALERT_DOLLARS_PER_MONTH})

    async def _measured(self) -> Measurement | None:
        """Return what was measured, None while it still is; what failed is tried again the next time."""
        if self._measuring is None:
            self._measuring = begin(self._measure())
        task = self._measuring
        await asyncio.wait([task], timeout=_PATIENCE)
        if not task.done():
            return None
        if task.cancelled() or task.exception() is not None:
            self._measuring = None
        return task.result()

    async def _runs_per_month(self) -> int | None:
        """Return how many runs 30 days have, by those of the last 30 that were counted; None without any."""
        found = await kept_figures(self._store, self._clock, None, "30d")
        if found is None:
            return None
        days = sum(period.state != "absent" for period in found.series)
        return round(found.total.count * len(found.series) / days) if days and found.total.count else None


def _shown(projection: Projection) -> dict[str, Any]:
    shares = shares_of((line.operation, line.dollars) for line in projection.lines)
    storage = projection.document_dollars + projection.blob_dollars
    return {
        "measuredOn": projection.measurement.place,
        "isModel": projection.measurement.is_model,
        "runs": projection.executions_per_month,
        "retentionDays": projection.retention_days,
        "dollars": projection.dollars,
        "shares": {**shares, "storage": storage, "signalr": projection.signalr_dollars},
        "messages": projection.telling.messages,
        "command": f"bifrost-store cost --executions-per-month {projection.executions_per_month:.0f}",
    }
