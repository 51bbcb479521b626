"""Job statuses, all in SYSTEM."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import format_time
from bifrost_store.core.page import Page
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.documents import JobOutcome, JobStatus, JobTrigger
from bifrost_store.errors import InvalidRequestError
from bifrost_store.repositories.changes import put_record
from bifrost_store.repositories.checks import check_count, check_id, check_string, json_list, one_of, utc
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repository_protocols.job_statuses import JobStatuses


class JobStatusRepository(JobStatuses):
    """The `JobStatuses` of a store. See `bifrost_store.protocols.JobStatuses`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @override
    async def set(
        self,
        job_name: str,
        *,
        status: JobOutcome,
        start_time: datetime,
        end_time: datetime,
        trigger_type: JobTrigger,
        trigger_user: str | None = None,
        total_connections: int | None = None,
        needs_refresh: int | None = None,
        refreshed_successfully: int | None = None,
        refresh_failed: int | None = None,
        errors: Sequence[Any] | None = None,
        error_message: str | None = None,
    ) -> JobStatus:
        key = _key(job_name)
        if trigger_user is not None:
            check_id(trigger_user, "trigger_user")
        if error_message is not None:
            check_string(error_message, "error_message")
        counts = {
            "total_connections": total_connections,
            "needs_refresh": needs_refresh,
            "refreshed_successfully": refreshed_successfully,
            "refresh_failed": refresh_failed,
        }
        for name, count in counts.items():
            if count is not None:
                check_count(count, name)
        body: Body = {
            "status": one_of(JobOutcome, status, "status").value,
            **_times(start_time, end_time),
            "triggerType": one_of(JobTrigger, trigger_type, "trigger_type").value,
            "triggerUser": trigger_user,
            **{to_camel(name): count for name, count in counts.items()},
            "errors": (json_list(errors, "errors") or None) if errors is not None else None,
            "errorMessage": error_message,
        }

        def make(stored: Record | None) -> Record:
            return Record(key, body) if stored is None else stored.with_body(body)

        return JobStatus.from_record(await put_record(self._backend, key, make))

    @override
    async def get(self, job_name: str) -> JobStatus | None:
        record = await self._backend.get(_key(job_name))
        return None if record is None else JobStatus.from_record(record)

    @override
    async def list(self) -> Page[JobStatus]:
        found = await all_records(self._backend, "job_status", SYSTEM)
        return ordered(found.convert(JobStatus.from_record), key=lambda one: one.job_name)


def _key(job_name: str) -> Key:
    check_id(job_name, "job_name")
    return Key("job_status", SYSTEM, job_name)


def _times(start_time: datetime, end_time: datetime) -> Body:
    start, end = utc(start_time, "start_time"), utc(end_time, "end_time")
    if end < start:
        raise InvalidRequestError("end_time: must not be before start_time")
    return {"startTime": format_time(start), "endTime": format_time(end), "durationSeconds": (end - start).total_seconds()}
