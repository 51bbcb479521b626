"""One run of a workflow."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import override

from bifrost_store.core.clock import MAX_SORTABLE_MS, milliseconds_since_epoch, reverse_timestamp
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, Json, JsonObject, UtcTime
from bifrost_store.errors import InvalidKeyError

_EXECUTION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def check_execution_id(text: str) -> None:
    """Refuse what is no execution id.

    Raises:
        InvalidKeyError: *text* is not 1 to 64 letters, digits or dashes.
    """
    if _EXECUTION_ID.fullmatch(text) is None:
        raise InvalidKeyError(f"execution id {text[:80]!r}: 1 to 64 letters, digits or dashes")


_TIMED_ID = re.compile(r"(?P<high>[0-9a-f]{8})-(?P<low>[0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A UUID of version 7 (RFC 9562, section 5.7), written as `str` writes it."""


def execution_sort_key(started_at: datetime, execution_id: str) -> str:
    """Return what orders executions: newest first by start time cut to milliseconds, ties by id."""
    return f"{reverse_timestamp(started_at)}_{execution_id}"


def new_execution_id(started_at: datetime) -> str:
    """Return a new id of a run: a UUID of version 7, whose time is the millisecond at which the run starts.

    Raises:
        InvalidRequestError: *started_at* lies before 1970 or after 2286.
    """
    reverse_timestamp(started_at)
    number = milliseconds_since_epoch(started_at) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(UUID(int=number))


def sort_key_of_id(execution_id: str) -> str | None:
    """Return the sort key of a run that `new_execution_id` named; None for an id that tells no time.

    A caller may give an id of this form to a run that started at another time: whoever looks there must be ready to find nothing.
    """
    match = _TIMED_ID.fullmatch(execution_id)
    if match is None:
        return None
    milliseconds = int(match["high"] + match["low"], 16)
    return None if milliseconds > MAX_SORTABLE_MS else f"{MAX_SORTABLE_MS - milliseconds:013d}_{execution_id}"


class ExecutionStatus(StrEnum):
    """Where a run stands. The last five are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    CANCELLING = "Cancelling"
    SUCCESS = "Success"
    FAILED = "Failed"
    TIMEOUT = "Timeout"
    COMPLETED_WITH_ERRORS = "CompletedWithErrors"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows this status."""
        return self not in LIVE_STATUSES


LIVE_STATUSES = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING)

PayloadName = Literal["input", "error", "result", "logs", "variables", "snapshot"]
ResultType = Literal["json", "html", "text"]


class Execution(Document):
    """One run of a workflow, without its large payloads.

    Attributes:
        org_id: The organization's id, or ``GLOBAL``.
        executed_by: The caller's id; may hold any character (``api_key:...``, an e-mail).
        status: See `ExecutionStatus`.
        input_data: What the run was started with.
        started_at: When the run was created; never changes.
        completed_at: When it ended, or when cancelling began.
        duration_ms: Whole milliseconds, up to 2,147,483,647 (a 32-bit integer in today's tables).
        result: The result if it is small; large ones are loaded with ``load_result``.
        result_type: ``json``, ``html`` or ``text``; None without a result, or where the old application left it open.
        result_size: Bytes of the stored result, where known.
        result_in_blob: Whether the result must be loaded.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="execution",
        ages=True,
        fields=frozenset(
            {
                "executionId",
                "workflowName",
                "formId",
                "executedBy",
                "executedByName",
                "status",
                "inputData",
                "startedAt",
                "completedAt",
                "durationMs",
                "errorMessage",
                "errorType",
                "result",
                "resultType",
                "resultSize",
                "resultInBlob",
                "blobs",
                "creationId",
            }
        ),
        id_field="executionId",
        queryable=frozenset({"status", "workflowName", "executedBy", "formId", "startedAt", "completedAt", "durationMs"}),
        feed="executions",
        check_id=check_execution_id,
    )

    execution_id: str
    org_id: str
    workflow_name: str
    form_id: str | None = None
    executed_by: str
    executed_by_name: str
    status: ExecutionStatus
    input_data: JsonObject = Field(default_factory=dict)
    started_at: UtcTime
    completed_at: UtcTime | None = None
    duration_ms: int | None = None
    error_message: str | None = None
    error_type: str | None = None
    result: Json = None
    result_type: ResultType | None = None
    result_size: int | None = None
    result_in_blob: bool = False

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        scope = record.key.scope
        return {"scope": scope, "org_id": scope.organization_id or "GLOBAL", "execution_id": record.key.id}

    @property
    def blobs(self) -> Mapping[PayloadName, str]:
        """Names of the payload blobs that this state of the record refers to."""
        blobs: Mapping[PayloadName, str | None] = self.record.body.get("blobs") or {}
        return {payload: name for payload, name in blobs.items() if name is not None}
