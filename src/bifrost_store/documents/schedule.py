"""When a workflow runs by itself, and when it did."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier, check_int32
from bifrost_store.documents.base import Document, UtcTime


class Schedule(Document):
    """The schedule of a workflow. Lives in GLOBAL.

    Attributes:
        workflow_name: The workflow, which has one schedule.
        description: What the workflow does; the old application keeps it in a column called WorkflowName.
        cron_expression: Read by the application alone.
        next_run_at: The run that is due from then on.
        last_run_at: When the last run was claimed; None before the first.
        last_execution_id: Of the last run; None until it is recorded.
        execution_count: Runs claimed so far.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="schedule",
        fields=frozenset(
            {
                "description",
                "cronExpression",
                "nextRunAt",
                "lastRunAt",
                "lastExecutionId",
                "executionCount",
                "createdAt",
            }
        ),
        queryable=frozenset({"nextRunAt"}),
        scopes="global",
        check_body=lambda record_id, body: check_int32(body, "executionCount"),
        check_id=lambda text: check_identifier(text, "workflow name"),
    )

    workflow_name: str
    description: str | None = None
    cron_expression: str
    next_run_at: UtcTime
    last_run_at: UtcTime | None = None
    last_execution_id: str | None = None
    execution_count: int = 0
    created_at: UtcTime | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "workflow_name": record.key.id}
