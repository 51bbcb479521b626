"""What may happen to a run, and what a new one looks like: rules over bodies, without any I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bifrost_store.core.clock import format_time
from bifrost_store.core.json import same_json
from bifrost_store.core.record import NEVER, Body, Expiry, Key, Record
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.documents.execution import execution_sort_key
from bifrost_store.errors import InvalidRequestError, PreconditionFailedError
from bifrost_store.repositories.checks import check_count, check_string, one_of
from bifrost_store.repositories.executions.creation import new_creation_id
from bifrost_store.repositories.executions.gathered import fitting
from bifrost_store.repositories.executions.payloads import (
    NO_PAYLOADS,
    Placement,
    place_error,
    place_result,
    placed,
)
from bifrost_store.repository_protocols.executions import Result


@dataclass(frozen=True, slots=True)
class NewExecution:
    """What a caller gave to create a run, checked. *started_at* None: not given."""

    workflow_name: str
    executed_by: str
    executed_by_name: str
    input_data: dict[str, Any]
    form_id: str | None
    status: ExecutionStatus
    started_at: datetime | None

    def record(self, key: Key, placement: Placement, now: datetime, retention: timedelta | None) -> Record:
        """Return the record of the new run."""
        started_at = self.started_at or now
        body = {
            "executionId": key.id,
            "workflowName": self.workflow_name,
            "formId": self.form_id,
            "executedBy": self.executed_by,
            "executedByName": self.executed_by_name,
            "status": self.status.value,
            "inputData": {},
            "startedAt": format_time(started_at),
            "completedAt": format_time(now) if _sets_completed_at(self.status) else None,
            "durationMs": None,
            "errorMessage": None,
            "errorType": None,
            "result": None,
            "resultType": None,
            "resultSize": None,
            "resultInBlob": False,
            "blobs": dict(NO_PAYLOADS),
            "creationId": new_creation_id(),
        }
        return Record(
            key,
            placed(body, [placement]),
            execution_sort_key(started_at, key.id),
            expires_at=_expiry(now, retention),
        )

    def is_repeated_by(self, stored: Execution) -> bool:
        """Return whether *stored* is what this call would have made. Its status counts only while nothing has changed it."""
        return (
            stored.workflow_name == self.workflow_name
            and stored.executed_by == self.executed_by
            and stored.executed_by_name == self.executed_by_name
            and stored.form_id == self.form_id
            and same_json(stored.input_data, self.input_data)
            and (self.started_at is None or stored.started_at == self.started_at)
            and (stored.status is self.status or stored.record.version.revision > 1)
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, as a caller gave it, checked. *result* None: none given. *left*: what it left, to be saved with it."""

    status: ExecutionStatus
    duration_ms: int | None
    error_message: str | None
    error_type: str | None
    result: Result | None
    placements: Sequence[Placement]
    left: Sequence[Placement] = ()

    def is_repeated_by(self, stored: Execution, stored_result: Result | None) -> bool:
        """Return whether *stored* ended so. A result that was not given may be any."""
        return (
            stored.status is self.status
            and stored.duration_ms == self.duration_ms
            and stored.error_message == self.error_message
            and stored.error_type == self.error_type
            and (self.result is None or (stored_result is not None and _same_result(self.result, stored_result)))
        )


def new_outcome(
    execution_id: str,
    status: object,
    *,
    duration_ms: int | None,
    error_message: str | None,
    error_type: str | None,
    result: object,
    result_type: str | None,
) -> Outcome:
    """Return the outcome that a caller gave.

    Raises:
        InvalidRequestError: An argument cannot be kept; the message names it.
    """
    status = one_of(ExecutionStatus, status, "status")
    if not status.is_final:
        raise InvalidRequestError(f"status: {status} does not end a run; call set_status")
    if duration_ms is not None:
        check_count(duration_ms, "duration_ms")
    for text, field in ((error_message, "error_message"), (error_type, "error_type")):
        if text is not None:
            check_string(text, field)
    placements = [place_error(execution_id, error_message)]
    placement = place_result(execution_id, result, result_type)
    given = None
    if result is not None:
        placements.append(placement)
        value = placement.fields["result"] if placement.blob is None else placement.blob.value
        given = Result(placement.fields["resultType"], value)
    return Outcome(status, duration_ms, error_message, error_type, given, placements)


@dataclass(frozen=True, slots=True)
class Rules:
    """Changes to a run's record at one moment. Each returns the record to store, or None to leave it as it is."""

    now: datetime
    retention: timedelta | None

    def set_status(self, record: Record, status: ExecutionStatus) -> Record | None:
        """Move a run to a live status.

        Raises:
            PreconditionFailedError: The run has ended, or is being cancelled.
        """
        present = _status(record)
        if present is status:
            return None
        if present.is_final or present is ExecutionStatus.CANCELLING:
            raise refused(record, f"is {present}, and cannot become {status}")
        return self._changed(record, self._with_status(record.body, status))

    def cancel(self, record: Record) -> Record | None:
        """Cancel a pending run, and ask a running one to stop.

        Raises:
            PreconditionFailedError: The run has ended otherwise.
        """
        match _status(record):
            case ExecutionStatus.CANCELLING | ExecutionStatus.CANCELLED:
                return None
            case ExecutionStatus.PENDING:
                return self._changed(record, self._with_status(record.body, ExecutionStatus.CANCELLED), is_end=True)
            case ExecutionStatus.RUNNING:
                return self._changed(record, self._with_status(record.body, ExecutionStatus.CANCELLING))
            case ended:
                raise refused(record, f"has ended: {ended}")

    def complete(self, record: Record, outcome: Outcome) -> Record | None:
        """End a run; None if it has ended already, be it with this outcome or another."""
        if _status(record).is_final:
            return None
        body = self._with_status(record.body, outcome.status)
        body |= {"durationMs": outcome.duration_ms, "errorType": outcome.error_type}
        return self._changed(record, placed(body, [*outcome.placements, *fitting(record, outcome.left)]), is_end=True)

    def leave(self, record: Record, left: Sequence[Placement]) -> Record | None:
        """Keep with a run what it has left; None if a part of that was overtaken."""
        return self._changed(record, placed(record.body, left)) if len(fitting(record, left)) == len(left) else None

    def save(self, record: Record, placement: Placement) -> Record:
        """Keep a payload, whatever the run's status."""
        return self._changed(record, placed(record.body, [placement]))

    def _with_status(self, body: Body, status: ExecutionStatus) -> Body:
        completed_at = format_time(self.now) if _sets_completed_at(status) else body["completedAt"]
        return {**body, "status": status.value, "completedAt": completed_at}

    def _changed(self, record: Record, body: Body, *, is_end: bool = False) -> Record:
        """Return the record with *body*. One of the old application, which has no expiry, gets one when it ends."""
        keeps_none = record.expires_at is None and not is_end
        return record.with_body(body, None if keeps_none else _expiry(self.now, self.retention))


def refused(record: Record, reason: str) -> PreconditionFailedError:
    """Return the error for a change that a run's state forbids."""
    return PreconditionFailedError(f"{record.key} {reason}", backend=record.backend, key=str(record.key))


def _status(record: Record) -> ExecutionStatus:
    return Execution.from_record(record).status


def has_ended(record: Record) -> bool:
    """Return whether a run's status is a final one."""
    return _status(record).is_final


def _sets_completed_at(status: ExecutionStatus) -> bool:
    """As in today's rows: once a run is neither pending nor running."""
    return status not in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)


def _expiry(now: datetime, retention: timedelta | None) -> Expiry:
    return NEVER if retention is None else now + retention


def _same_result(one: Result, other: Result) -> bool:
    return one.type == other.type and same_json(one.value, other.value)
