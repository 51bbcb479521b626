"""What a month costs on Cosmos DB, projected from measured charges.

`measure` makes the calls of a representative run and tells what each was charged; `project` multiplies that by how often each is
made. `project_usage` does the same with what an application's own calls have cost.
"""

from __future__ import annotations

from bifrost_store.costing.measuring import measure
from bifrost_store.costing.mix import DEFAULT_MIX, Mix, Rate, with_processes, with_rates
from bifrost_store.costing.observed import project_usage
from bifrost_store.costing.places import Place, account, emulated
from bifrost_store.costing.plan import PlanEstimate, plan_estimate
from bifrost_store.costing.projection import LIST_PRICES, Charge, Line, Measurement, Prices, Projection, project
from bifrost_store.costing.telling import Telling

__all__ = [
    "DEFAULT_MIX",
    "LIST_PRICES",
    "Charge",
    "Line",
    "Measurement",
    "Mix",
    "Place",
    "PlanEstimate",
    "Prices",
    "Projection",
    "Rate",
    "Telling",
    "account",
    "emulated",
    "measure",
    "plan_estimate",
    "project",
    "project_usage",
    "with_processes",
    "with_rates",
]
