"""What the store costs on Cosmos DB: this process so far, and a month as `bifrost-store cost` projects it. For administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.backends.registry import PRICED
from bifrost_store.console.asking import admin_only, as_json, count
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.prices import ALERT_DOLLARS_PER_MONTH, request_unit_dollars
from bifrost_store.costing import DEFAULT_MIX, Measurement, Projection, emulated, measure, project
from bifrost_store.costing.shares import shares_of
from bifrost_store.errors import ConfigurationError
from bifrost_store.metrics.dashboards import aggregated
from bifrost_store.metrics.keeping import Keeper
from bifrost_store.metrics.periods import OpenDays
from bifrost_store.store import Store

Measure = Callable[[], Awaitable[Measurement]]
_MOST_RUNS: Final = 100_000_000
_RUNS: Final = 10_000
"""A month has so many where nobody says otherwise and none were counted: the plan's."""
_WITHOUT_RETENTION_DAYS: Final = 365.0


async def measured_aside() -> Measurement:
    """Return what calls are charged on an emulator that is started for it, on a thread and an event loop of its own."""
    return await to_thread.run_sync(lambda: anyio.run(_measured_on_emulator))


async def _measured_on_emulator() -> Measurement:
    async with emulated() as place:
        return await measure(place)


class Costs:
    """Answers about what *store* costs.

    Args:
        measure: Finds out what calls are charged; asked once.
    """

    def __init__(self, store: Store, clock: Clock, measure: Measure) -> None:
        self._store = store
        self._clock = clock
        self._measure = measure
        self._measurement: Measurement | None = None
        self._measuring = anyio.Lock()

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
        async with self._measuring:
            if self._measurement is None:
                self._measurement = await self._measure()
        retention = self._store.context.retention
        days = _WITHOUT_RETENTION_DAYS if retention is None else retention.total_seconds() / 86_400
        projection = project(self._measurement, DEFAULT_MIX, runs, retention_days=days)
        source = "asked" if asked else "assumed" if counted is None else "counted"
        return as_json({**_shown(projection), "runsFrom": source, "alertDollars": ALERT_DOLLARS_PER_MONTH})

    async def _runs_per_month(self) -> int | None:
        """Return how many runs 30 days have, by those of the last 30 that were counted; None without any."""
        try:
            keeper = Keeper(self._store.backend, OpenDays(self._store.context.retention), self._clock)
        except ConfigurationError:
            return None
        found = await aggregated(keeper, self._clock, None, "30d")
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
