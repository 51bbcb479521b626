"""Config ``schedule:``."""

from __future__ import annotations

from bifrost_store.backends.table.columns import INTEGER, TEXT, TIME, Column
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.documents import Schedule


class ScheduleMapping(RowMapping):
    """A schedule is one row in GLOBAL; the column WorkflowName holds the workflow's description."""

    spec = Schedule.spec
    table = "Config"
    prefix = "schedule:"
    columns = (
        Column("description", "WorkflowName", TEXT),
        Column("cronExpression", "CronExpression", TEXT),
        Column("nextRunAt", "NextRunAt", TIME),
        Column("lastRunAt", "LastRunAt", TIME),
        Column("lastExecutionId", "LastExecutionId", TEXT),
        Column("executionCount", "ExecutionCount", INTEGER, default=0),
        Column("createdAt", "CreatedAt", TIME, is_forgiven=True),
    )
