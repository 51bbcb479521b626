"""What the migration plan expects a month to cost ("Cost Analysis", phase 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PLAN_EXECUTIONS: Final = 50_000
PLAN_CREATE_REQUEST_UNITS: Final = 700.0
"""To write one execution."""
PLAN_REQUEST_UNITS_PER_EXECUTION: Final = 722.0
"""That, two execution queries of 10, one entity query of 2."""
_REQUEST_UNITS: Final = 36e6
"""50,000 writes of 700, 100,000 execution queries of 10, 50,000 entity queries of 2; the plan rounds 36.1 million so."""
_REQUEST_DOLLARS: Final = 9.00
_DOCUMENT_DOLLARS: Final = 1.50
"""For 6 GB."""
_BLOB_DOLLARS: Final = 0.09
"""For 5 GB."""


@dataclass(frozen=True, slots=True)
class PlanEstimate:
    """The plan's figures, in proportion to the executions of a month.

    Attributes:
        create_request_units: To write one execution.
        request_units_per_execution: For all calls of one.
        request_units: Of the month.
        request_dollars, document_dollars, blob_dollars: What requests, stored documents and stored blobs cost.
    """

    create_request_units: float
    request_units_per_execution: float
    request_units: float
    request_dollars: float
    document_dollars: float
    blob_dollars: float

    @property
    def dollars(self) -> float:
        """What the month costs in all: 10.59 at 50,000 executions."""
        return self.request_dollars + self.document_dollars + self.blob_dollars


def plan_estimate(executions_per_month: float) -> PlanEstimate:
    """Return what the plan says of so many executions a month; it counts 50,000."""
    part = executions_per_month / PLAN_EXECUTIONS
    return PlanEstimate(
        PLAN_CREATE_REQUEST_UNITS,
        PLAN_REQUEST_UNITS_PER_EXECUTION,
        part * _REQUEST_UNITS,
        part * _REQUEST_DOLLARS,
        part * _DOCUMENT_DOLLARS,
        part * _BLOB_DOLLARS,
    )
