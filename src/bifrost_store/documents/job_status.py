"""How a job of the platform itself went the last time."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pydantic import FiniteFloat
from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier, check_int32
from bifrost_store.documents.base import Document, Json, UtcTime
from bifrost_store.errors import InvalidRequestError


def _check_body(record_id: str, body: Mapping[str, object]) -> None:
    check_int32(body, "totalConnections", "needsRefresh", "refreshedSuccessfully", "refreshFailed")
    if not isinstance(body["durationSeconds"], float | None):
        raise InvalidRequestError("durationSeconds: must be a float or null")


class JobOutcome(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    FAILED = "failed"


class JobTrigger(StrEnum):
    """What started a job."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class JobStatus(Document):
    """The last run of a job, such as ``TokenRefreshJob``. Lives in SYSTEM.

    Attributes:
        job_name: The job.
        status: One of `JobOutcome`.
        trigger_type: One of `JobTrigger`.
        trigger_user: Who started it by hand.
        total_connections, needs_refresh, refreshed_successfully, refresh_failed: Counts of a job that refreshes tokens.
        errors: What went wrong with single items; None without any.
        error_message: Why the job as a whole failed.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="job_status",
        fields=frozenset(
            {
                "status",
                "startTime",
                "endTime",
                "durationSeconds",
                "triggerType",
                "triggerUser",
                "totalConnections",
                "needsRefresh",
                "refreshedSuccessfully",
                "refreshFailed",
                "errors",
                "errorMessage",
            }
        ),
        unindexed=("errors/*",),
        scopes="system",
        is_json=lambda field, body: field == "errors" or not isinstance(body[field], str),
        check_body=_check_body,
        check_id=lambda text: check_identifier(text, "job name"),
    )

    job_name: str
    status: JobOutcome
    start_time: UtcTime
    end_time: UtcTime | None = None
    duration_seconds: FiniteFloat | None = None
    trigger_type: JobTrigger
    trigger_user: str | None = None
    total_connections: int | None = None
    needs_refresh: int | None = None
    refreshed_successfully: int | None = None
    refresh_failed: int | None = None
    errors: list[Json] | None = None
    error_message: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "job_name": record.key.id}
