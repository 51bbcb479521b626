"""The same projection from what an application's own calls have cost."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from bifrost_store.backends.registry import PRICED
from bifrost_store.core.usage import OperationUsage, UsageReport
from bifrost_store.costing.mix import Mix, Rate
from bifrost_store.costing.projection import LIST_PRICES, Charge, Measurement, Prices, Projection, project
from bifrost_store.errors import InvalidRequestError

_CREATE: Final = "executions.create"


def project_usage(
    report: UsageReport, executions_per_month: float, *, retention_days: float = 14, prices: Prices = LIST_PRICES
) -> Projection:
    """Return what a month costs if its calls are those of *report*, in proportion to the executions created.

    Timers count in the same proportion. Documents are taken to be as large as those created, and blobs and messages to
    those who watch are left out: a report does not tell them apart, or of them.

    Args:
        report: Of a store on Cosmos DB: `bifrost_store.Store.usage`.

    Raises:
        InvalidRequestError: No execution was created there.
    """
    rows: defaultdict[str, list[OperationUsage]] = defaultdict(list)
    for row in report.operations:
        if PRICED in row.backend.split("+"):
            rows[row.operation].append(row)
    created = sum(row.calls - row.failures for row in rows[_CREATE])
    if created == 0:
        raise InvalidRequestError("usage: no execution was created on Cosmos DB; there is nothing to project from")
    calls = {operation: sum(row.calls for row in found) for operation, found in rows.items()}
    charges = {operation: _charge(found, calls[operation]) for operation, found in rows.items()}
    mix: Mix = {operation: Rate(count / created, "execution", "as observed") for operation, count in calls.items()}
    size = sum(row.sent_bytes for row in rows[_CREATE]) / calls[_CREATE]
    measurement = Measurement(f"usage since {report.since:%Y-%m-%d %H:%M}", False, charges, size)
    return project(measurement, mix, executions_per_month, retention_days=retention_days, watchers=0, prices=prices)


def _charge(rows: list[OperationUsage], calls: int) -> Charge:
    requests = sum(
        count for row in rows for what, count in row.requests_by_service.items() if what in (PRICED, f"{PRICED}_short_page")
    )
    return Charge(sum(row.request_units for row in rows) / calls, requests / calls)
