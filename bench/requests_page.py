"""The page of requests and request units: every operation on each service, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bench.operations import Cost
from bench.report import operation, requests, table, units
from bifrost_store.core.prices import request_unit_dollars

SERVICES: Final = ("table", "cosmos")
"""The backends that the page shows: requests to them cost time and money."""
_CREATE, _COMPLETE = "executions.create", "executions.complete, given the model"
_PLANNED_REQUEST_UNITS: Final = 700
"""For the writes of one execution, in the platform's migration plan."""
_PER_MONTH: Final = 50_000


def requests_page(costs: Mapping[str, Mapping[str, Cost]], stored: int) -> str:
    """Return the generated part of the page as Markdown.

    Args:
        costs: By backend and operation; those of `SERVICES`.
        stored: How much of each kind was in the store.
    """
    table_costs, cosmos_costs = (costs[name] for name in SERVICES)
    rows = [
        [
            operation(name),
            requests(table_costs[name].usual_requests, "table"),
            requests(cosmos_costs[name].usual_requests, "cosmos"),
            units(cosmos_costs[name].usual_request_units),
        ]
        for name in table_costs
    ]
    title = f"Measured with {stored} of each kind in the store, and what the run added:\n"
    return "\n".join([_execution(cosmos_costs), title, table(["operation", "table", "cosmos", "RU"], rows)])


def _execution(costs: Mapping[str, Cost]) -> str:
    create, complete = (costs[name].usual_request_units for name in (_CREATE, _COMPLETE))
    month = _PER_MONTH * (create + complete)
    dollars = request_unit_dollars(month)
    return (
        f"To create an execution costs {create:.1f} RU and to complete it {complete:.1f}, together {create + complete:.1f} where "
        f"the platform's plan has {_PLANNED_REQUEST_UNITS}. For the writes of {_PER_MONTH:,} executions a month that is "
        f"{month / 1e6:,.1f} million RU, or {dollars:.2f} dollars.\n"
    )
