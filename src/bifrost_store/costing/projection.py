"""From what calls were charged to what a month costs. Arithmetic only: nothing is measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bifrost_store.core.prices import (
    DOLLARS_PER_BLOB_GIGABYTE_MONTH,
    DOLLARS_PER_GIGABYTE_MONTH,
    DOLLARS_PER_MILLION_REQUEST_UNITS,
    DOLLARS_PER_SIGNALR_UNIT_MONTH,
    request_unit_dollars,
)
from bifrost_store.costing.mix import DAYS_PER_MONTH, EXECUTION_DATA, Mix
from bifrost_store.costing.plan import PlanEstimate, plan_estimate
from bifrost_store.costing.telling import CONNECTIONS, WATCHERS, Telling, telling_of

_GIGABYTE: Final = 1e9


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call of an operation costs, on average.

    Attributes:
        request_units: What Cosmos DB charged: retries, query plans and every page included, metadata left out.
        requests: Sent to Cosmos DB.
        per_stored_execution: Request units more for each execution that is stored, where the charge grows with their number.
        blob_bytes: What the call leaves in blobs.
        data_bytes: What it leaves in documents of execution data.
        stand_in: The operation that was measured in its place; None: itself.
    """

    request_units: float
    requests: float = 0.0
    per_stored_execution: float = 0.0
    blob_bytes: float = 0.0
    data_bytes: float = 0.0
    stand_in: str | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured.

    Attributes:
        place: What answered.
        is_model: It is no account of Azure's: charges follow a documented model, and are not a bill.
        charges: By operation.
        execution_bytes: Size of the document of an execution that has ended, without its blobs.
    """

    place: str
    is_model: bool
    charges: Mapping[str, Charge]
    execution_bytes: float


@dataclass(frozen=True, slots=True)
class Prices:
    """What the service asks for, in dollars."""

    per_million_request_units: float = DOLLARS_PER_MILLION_REQUEST_UNITS
    per_gigabyte_month: float = DOLLARS_PER_GIGABYTE_MONTH
    per_blob_gigabyte_month: float = DOLLARS_PER_BLOB_GIGABYTE_MONTH
    per_signalr_unit_month: float = DOLLARS_PER_SIGNALR_UNIT_MONTH


LIST_PRICES: Final = Prices()
"""Those of the US."""


@dataclass(frozen=True, slots=True)
class Line:
    """One operation in a month.

    Attributes:
        count, per: How often it is called, for each execution or in a month.
        calls: Of the month.
        request_units_each: Of one of them.
        request_units, dollars: Of all of them.
        why: Where the number of calls comes from.
        stand_in: As in `Charge`.
    """

    operation: str
    count: float
    per: Literal["execution", "month"]
    calls: float
    requests_each: float
    request_units_each: float
    request_units: float
    dollars: float
    why: str
    stand_in: str | None


@dataclass(frozen=True, slots=True)
class Projection:
    """What a month costs.

    Attributes:
        retention_days: How long an execution is kept.
        stored_executions: How many are stored at any time.
        lines: Each operation, those that cost most first.
        request_units: Of the month.
        document_gigabytes, blob_gigabytes: Stored at any time; 10**9 bytes each.
        request_dollars, document_dollars, blob_dollars: What these cost.
        telling: What is sent to those who watch.
        plan: What the migration plan expects of as many executions.
    """

    measurement: Measurement
    executions_per_month: float
    retention_days: float
    stored_executions: float
    lines: tuple[Line, ...]
    request_units: float
    document_gigabytes: float
    blob_gigabytes: float
    request_dollars: float
    document_dollars: float
    blob_dollars: float
    telling: Telling
    plan: PlanEstimate

    @property
    def dollars(self) -> float:
        """What the month costs in all."""
        return self.request_dollars + self.document_dollars + self.blob_dollars + self.signalr_dollars

    @property
    def signalr_dollars(self) -> float:
        """What the SignalR service costs."""
        return self.telling.dollars

    @property
    def execution_data_request_units(self) -> float:
        """What is charged for what runs write while they go on, for its reading, and for its removal."""
        return sum(line.request_units for line in self.lines if line.operation.startswith(EXECUTION_DATA))

    @property
    def execution_data_dollars(self) -> float:
        """What that costs."""
        return sum(line.dollars for line in self.lines if line.operation.startswith(EXECUTION_DATA))

    @property
    def request_units_per_execution(self) -> float:
        """What the calls for one execution are charged; what runs by the clock, and dashboards, left out."""
        return sum(line.count * line.request_units_each for line in self.lines if line.per == "execution")

    def is_above(self, dollars: float) -> bool:
        """Return whether the month costs more than so much."""
        return self.dollars > dollars


def project(
    measurement: Measurement,
    mix: Mix,
    executions_per_month: float,
    *,
    retention_days: float = 14,
    watchers: float = WATCHERS,
    connections: int = CONNECTIONS,
    prices: Prices = LIST_PRICES,
) -> Projection:
    """Return what a month of *executions_per_month* costs.

    The dearest case is assumed: all executions in one scope, and every one kept for all of its retention.

    Args:
        measurement: Must hold a charge for every operation of *mix*.
        retention_days: Of executions and their blobs; execution data is kept twice as long.
        watchers: Connections that watch a run, on average.
        connections: Pages that are open at the same time.
        prices: By default US list prices.
    """
    stored = executions_per_month * retention_days / DAYS_PER_MONTH
    lines = []
    blob_bytes = data_bytes = 0.0
    for operation, rate in mix.items():
        charge = measurement.charges[operation]
        calls = rate.calls(executions_per_month)
        each = charge.request_units + charge.per_stored_execution * stored
        dollars = request_unit_dollars(calls * each, prices.per_million_request_units)
        lines.append(
            Line(operation, rate.count, rate.per, calls, charge.requests, each, calls * each, dollars, rate.why, charge.stand_in)
        )
        blob_bytes += calls * charge.blob_bytes * retention_days / DAYS_PER_MONTH
        data_bytes += calls * charge.data_bytes * 2 * retention_days / DAYS_PER_MONTH
    request_units = sum(line.request_units for line in lines)
    document_gigabytes = (stored * measurement.execution_bytes + data_bytes) / _GIGABYTE
    blob_gigabytes = blob_bytes / _GIGABYTE
    return Projection(
        measurement,
        executions_per_month,
        retention_days,
        stored,
        tuple(sorted(lines, key=lambda line: -line.request_units)),
        request_units,
        document_gigabytes,
        blob_gigabytes,
        request_unit_dollars(request_units, prices.per_million_request_units),
        document_gigabytes * prices.per_gigabyte_month,
        blob_gigabytes * prices.per_blob_gigabyte_month,
        telling_of(
            mix,
            executions_per_month,
            {operation: measurement.charges[operation].data_bytes for operation in mix},
            watchers=watchers,
            connections=connections,
            dollars_per_unit=prices.per_signalr_unit_month,
        ),
        plan_estimate(executions_per_month),
    )
