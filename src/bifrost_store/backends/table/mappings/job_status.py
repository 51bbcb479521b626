"""Config ``jobstatus:``."""

from __future__ import annotations

import math

from azure.data.tables import EntityProperty

from bifrost_store.backends.table.columns import INTEGER, JSON, TEXT, TIME, Codec, Column
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.documents import JobStatus


def _seconds(value: object) -> float:
    """Return a number that another tool may have stored in any type of number."""
    plain = value.value if isinstance(value, EntityProperty) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise ValueError("expected a number")
    return float(plain)


class JobStatusMapping(RowMapping):
    """A job's status is one row in SYSTEM."""

    spec = JobStatus.spec
    table = "Config"
    prefix = "jobstatus:"
    columns = (
        Column("status", "Status", TEXT),
        Column("startTime", "StartTime", TIME),
        Column("endTime", "EndTime", TIME),
        Column("durationSeconds", "DurationSeconds", Codec(float, _seconds)),
        Column("triggerType", "TriggerType", TEXT),
        Column("triggerUser", "TriggerUser", TEXT),
        Column("totalConnections", "TotalConnections", INTEGER),
        Column("needsRefresh", "NeedsRefresh", INTEGER),
        Column("refreshedSuccessfully", "RefreshedSuccessfully", INTEGER),
        Column("refreshFailed", "RefreshFailed", INTEGER),
        Column("errors", "Errors", JSON),
        Column("errorMessage", "ErrorMessage", TEXT),
    )
