"""What the migration plan expects a month to cost ("Cost Analysis", phase 2: what runs write while they go on included)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PLAN_EXECUTIONS: Final = 50_000
PLAN_CREATE_REQUEST_UNITS: Final = 700.0
"""To write one execution."""
PLAN_REQUEST_UNITS_PER_EXECUTION: Final = 867.0
"""That, two execution queries of 10, an entity query of 2; 10 lines and 5 sets of variables of 5, a result of 50, 2 reads of 10."""
_EXECUTION_DATA_REQUEST_UNITS: Final = 7e6
"""50,000 times the lines, variables, result and reads; the plan rounds 7.25 million so."""
_EXECUTION_DATA_DOLLARS: Final = 1.75
_REQUEST_UNITS: Final = 36e6 + _EXECUTION_DATA_REQUEST_UNITS
"""50,000 writes of 700, 100,000 execution queries of 10, 50,000 entity queries of 2, rounded to 36 million; and those."""
_REQUEST_DOLLARS: Final = 9.00 + _EXECUTION_DATA_DOLLARS
_DOCUMENT_DOLLARS: Final = 2.00
"""For 8 GB."""
_BLOB_DOLLARS: Final = 0.02
"""For 1 GB."""


@dataclass(frozen=True, slots=True)
class PlanEstimate:
    """The plan's figures, in proportion to the executions of a month.

    Attributes:
        create_request_units: To write one execution.
        request_units_per_execution: For all calls of one.
        request_units: Of the month.
        execution_data_request_units, execution_data_dollars: Of these, what runs write while they go on, and whoever reads it.
        request_dollars, document_dollars, blob_dollars: What requests, stored documents and stored blobs cost.
        signalr_dollars: Nothing: the plan names the service, and leaves its price out.
    """

    create_request_units: float
    request_units_per_execution: float
    request_units: float
    execution_data_request_units: float
    execution_data_dollars: float
    request_dollars: float
    document_dollars: float
    blob_dollars: float
    signalr_dollars: float = 0.0

    @property
    def dollars(self) -> float:
        """What the month costs in all: 12.77 at 50,000 executions."""
        return self.request_dollars + self.document_dollars + self.blob_dollars


def plan_estimate(executions_per_month: float) -> PlanEstimate:
    """Return what the plan says of so many executions a month; it counts 50,000."""
    part = executions_per_month / PLAN_EXECUTIONS
    return PlanEstimate(
        PLAN_CREATE_REQUEST_UNITS,
        PLAN_REQUEST_UNITS_PER_EXECUTION,
        part * _REQUEST_UNITS,
        part * _EXECUTION_DATA_REQUEST_UNITS,
        part * _EXECUTION_DATA_DOLLARS,
        part * _REQUEST_DOLLARS,
        part * _DOCUMENT_DOLLARS,
        part * _BLOB_DOLLARS,
    )
