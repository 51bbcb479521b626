"""Schedules, all in GLOBAL; a due run is claimed by exactly one caller."""

from __future__ import annotations

from datetime import datetime, timedelta

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import Filter, Range
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.core.version import Etag
from bifrost_store.documents import Schedule
from bifrost_store.errors import DocumentNotFoundError, InvalidRequestError
from bifrost_store.repositories.changes import change_record
from bifrost_store.repositories.checks import check_id, check_name, check_string, utc
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repository_protocols.schedules import Schedules

_MICROSECOND = timedelta(microseconds=1)


class ScheduleRepository(Schedules):
    """The `Schedules` of a store. See `bifrost_store.protocols.Schedules`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    @override
    async def create(
        self, workflow_name: str, *, cron_expression: str, next_run_at: datetime, description: str | None = None
    ) -> Schedule:
        key = _key(workflow_name)
        check_name(cron_expression, "cron_expression")
        if description is not None:
            check_string(description, "description")
        body = {
            "description": description,
            "cronExpression": cron_expression,
            "nextRunAt": format_time(utc(next_run_at, "next_run_at")),
            "lastRunAt": None,
            "lastExecutionId": None,
            "executionCount": 0,
            "createdAt": format_time(self._clock()),
        }
        return Schedule.from_record(await self._backend.create(Record(key, body)))

    @override
    async def get(self, workflow_name: str) -> Schedule | None:
        record = await self._backend.get(_key(workflow_name))
        return None if record is None else Schedule.from_record(record)

    @override
    async def list(self) -> Page[Schedule]:
        return await self._all()

    @override
    async def due(self, now: datetime) -> Page[Schedule]:
        # Times are kept to the microsecond, so that this is "at now or earlier".
        return await self._all(Range("nextRunAt", None, format_time(_after(utc(now, "now")))))

    @override
    async def claim(
        self, schedule: Schedule | str, *, now: datetime, next_run_at: datetime, execution_id: str | None = None
    ) -> Schedule | None:
        known, key = (schedule, schedule.record.key) if isinstance(schedule, Schedule) else (None, _key(schedule))
        now, next_run_at = utc(now, "now"), utc(next_run_at, "next_run_at")
        if next_run_at <= now:
            raise InvalidRequestError("next_run_at: must be after now, or the run would be due again")
        if execution_id is not None:
            check_id(execution_id, "execution_id")
        fields = {"next_run_at": next_run_at, "last_run_at": now, "last_execution_id": execution_id}

        def claimed(record: Record) -> Record | None:
            stored = Schedule.from_record(record)
            if stored.next_run_at > now or (known is not None and stored.next_run_at != known.next_run_at):
                return None
            return record.with_body(stored.changed(**fields, execution_count=stored.execution_count + 1))

        try:
            changed = await change_record(self._backend, key, claimed, known=None if known is None else known.record)
        except DocumentNotFoundError:
            return None
        return None if changed.before is None else Schedule.from_record(changed.record)

    @override
    async def record_run(self, schedule: Schedule, execution_id: str) -> Schedule:
        check_id(execution_id, "execution_id")

        def change(record: Record) -> Record | None:
            stored = Schedule.from_record(record)
            if stored.last_run_at != schedule.last_run_at or stored.last_execution_id == execution_id:
                return None
            return record.with_body(stored.changed(last_execution_id=execution_id))

        changed = await change_record(self._backend, schedule.record.key, change, known=schedule.record)
        return Schedule.from_record(changed.record)

    @override
    async def update(
        self,
        workflow_name: str,
        *,
        cron_expression: str | Unset = UNSET,
        next_run_at: datetime | Unset = UNSET,
        description: str | Unset | None = UNSET,
        etag: str | None = None,
    ) -> Schedule:
        fields: dict[str, object] = {}
        if cron_expression is not UNSET:
            check_name(cron_expression, "cron_expression")
            if next_run_at is UNSET:
                raise InvalidRequestError("next_run_at: must be given with a new cron_expression")
            fields["cron_expression"] = cron_expression
        if next_run_at is not UNSET:
            fields["next_run_at"] = utc(next_run_at, "next_run_at")
        if description is not UNSET:
            if description is not None:
                check_string(description, "description")
            fields["description"] = description

        def change(record: Record) -> Record | None:
            return record.with_body(Schedule.from_record(record).changed(**fields)) if fields else None

        changed = await change_record(self._backend, _key(workflow_name), change, etag=etag)
        return Schedule.from_record(changed.record)

    @override
    async def delete(self, workflow_name: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(workflow_name), expected=expected) is not None

    async def _all(self, *filters: Filter) -> Page[Schedule]:
        found = await all_records(self._backend, "schedule", GLOBAL, *filters)
        return ordered(found.convert(Schedule.from_record), key=lambda one: (one.next_run_at, one.workflow_name))


def _key(workflow_name: str) -> Key:
    check_id(workflow_name, "workflow_name")
    return Key("schedule", GLOBAL, workflow_name)


def _after(moment: datetime) -> datetime:
    try:
        return moment + _MICROSECOND
    except OverflowError:
        raise InvalidRequestError("now: is too late a moment to be ordered") from None
