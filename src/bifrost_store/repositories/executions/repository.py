"""Runs of workflows and their payloads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.version import Etag
from bifrost_store.documents import LIVE_STATUSES, Execution, ExecutionStatus
from bifrost_store.documents.execution import new_execution_id
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    InvalidContinuationTokenError,
    InvalidRequestError,
)
from bifrost_store.repositories.changes import delete_record
from bifrost_store.repositories.checks import (
    check_id,
    check_limit,
    check_name,
    check_scope,
    json_object,
    one_of,
    utc,
)
from bifrost_store.repositories.execution_data.gathering import Gathering
from bifrost_store.repositories.executions.gathered import fitting
from bifrost_store.repositories.executions.models import known_values
from bifrost_store.repositories.executions.payload_blobs import PayloadBlobs
from bifrost_store.repositories.executions.payloads import (
    Placement,
    place_input,
)
from bifrost_store.repositories.executions.queries import compile_filter, compile_window, started_before, status_filter
from bifrost_store.repositories.executions.rules import NewExecution, Outcome, new_outcome, refused
from bifrost_store.repositories.executions.saving import KIND, SavedPayloads, blobs_of, key_of, target_of
from bifrost_store.repositories.executions.statistics import compute_figures, count_by_status
from bifrost_store.repositories.reading import all_records, ordered
from bifrost_store.repository_protocols.executions import ExecutionFilter, ExecutionRef, Executions, ExecutionStatistics

_EVERY_EXECUTION: Final = ExecutionFilter()


class ExecutionRepository(SavedPayloads, Executions):
    """The `Executions` of a store. See `bifrost_store.protocols.Executions`.

    Args:
        payloads: Reads and writes what lies apart from the records.
        retention: How long after its last change a run expires; None: never.
        gathering: Gathers what runs left that nobody saved.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        clock: Clock,
        payloads: PayloadBlobs,
        retention: timedelta | None,
        gathering: Gathering,
        check_purge: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(backend, clock=clock, payloads=payloads, retention=retention, gathering=gathering)
        self._check_purge = check_purge

    @override
    async def create(
        self,
        scope: Scope,
        *,
        workflow_name: str,
        executed_by: str,
        executed_by_name: str,
        input_data: Mapping[str, Any] | None = None,
        form_id: str | None = None,
        status: ExecutionStatus = ExecutionStatus.RUNNING,
        execution_id: str | None = None,
        started_at: datetime | None = None,
    ) -> Execution:
        now = self._clock()
        started_at = None if started_at is None else utc(started_at, "started_at")
        key = key_of(scope, new_execution_id(started_at or now) if execution_id is None else execution_id)
        check_id(workflow_name, "workflow_name")
        check_id(executed_by, "executed_by")
        check_name(executed_by_name, "executed_by_name", least=0)
        if form_id is not None:
            check_id(form_id, "form_id")
        given = {} if input_data is None else input_data
        plain, placement = await self._payloads.prepare(given, _placed_input, key.id, given)
        new = NewExecution(
            workflow_name=workflow_name,
            executed_by=executed_by,
            executed_by_name=executed_by_name,
            input_data=plain,
            form_id=form_id,
            status=one_of(ExecutionStatus, status, "status"),
            started_at=started_at,
        )
        record = new.record(key, placement, now, self._retention)
        record = replace(record, has_new_id=execution_id is None)
        blobs = blobs_of([placement])
        try:
            async with self._payloads.writing(blobs) as write:
                await write.put(record)
                stored = await self._backend.create(record)
        except DocumentExistsError as error:
            return await self._repeated(key, new, error)
        return await self._shown(stored, known_values(None, blobs))

    @override
    async def get(self, scope: Scope, execution_id: str, *, fallback: bool = True) -> Execution | None:
        record = await self._find(scope, execution_id, fallback=fallback)
        return None if record is None else await self._models.show(record)

    @override
    async def get_status(self, scope: Scope, execution_id: str, *, fallback: bool = True) -> ExecutionStatus | None:
        try:
            record = await self._find(scope, execution_id, fallback=fallback)
        except CorruptDocumentError as error:
            record = error.partial if isinstance(error.partial, Record) else None
            if record is None or "status" not in record.body:
                raise
        if record is None:
            return None
        status = record.body["status"]
        return ExecutionStatus(status) if status in set(ExecutionStatus) else Execution.from_record(record).status

    @override
    async def list(
        self,
        scope: Scope,
        where: ExecutionFilter = _EVERY_EXECUTION,
        *,
        limit: int = 50,
        continuation_token: str | None = None,
    ) -> Page[Execution]:
        check_scope(scope, Execution.spec)
        check_limit(limit)
        filters = compile_filter(where)
        if filters is None and continuation_token is not None:
            raise InvalidContinuationTokenError("continuation token: it belongs to another query; nothing can match this one")
        if filters is None:
            return Page(())
        page = await self._backend.query(Query(KIND, scope, filters, limit, continuation_token))
        return await self._models.show_all(page)

    @override
    async def set_status(
        self, execution: Execution | ExecutionRef, status: ExecutionStatus, *, etag: str | None = None
    ) -> Execution:
        status = one_of(ExecutionStatus, status, "status")
        if status.is_final:
            raise InvalidRequestError(f"status: {status} ends a run; call complete")
        rules = self._rules()
        return (await self._change(execution, lambda record: rules.set_status(record, status), etag))[1]

    @override
    async def complete(
        self,
        execution: Execution | ExecutionRef,
        status: ExecutionStatus,
        *,
        duration_ms: int | None = None,
        error_message: str | None = None,
        error_type: str | None = None,
        result: Any = None,
        result_type: str | None = None,
        etag: str | None = None,
    ) -> Execution:
        make = partial(
            new_outcome,
            target_of(execution)[0].id,
            status,
            duration_ms=duration_ms,
            error_message=error_message,
            error_type=error_type,
            result=result,
            result_type=result_type,
        )
        outcome = await self._payloads.prepare([error_message, error_type, result], make)
        key, known = target_of(execution)
        ending = await self._gathering.before_end(key, known)
        left = [] if ending is None else await self._left(ending.record, ending.own)
        outcome = replace(outcome, placements=await self._payloads.located(key.scope, outcome.placements), left=left)
        rules = self._rules()
        changed, shown = await self._change(
            execution,
            lambda record: rules.complete(record, outcome),
            etag,
            blobs_of([*outcome.placements, *outcome.left]),
        )
        is_overtaken = changed.before is not None and len(fitting(changed.before, left)) < len(left)
        # Overtaken by the recording of another process, which has left its own: this one's goes beside it.
        if ending is None or not is_overtaken or await self._leave_ended(key, ending.own):
            self._gathering.forget(shown.record)
        if changed.before is None and not await self._is_repeated(outcome, shown):
            raise refused(shown.record, f"has ended already, with another outcome: {shown.status}")
        if changed.before is None:
            # The first call may have died before its copies for the old application were made.
            await self._payloads.copy_again(changed.record)
        return shown

    @override
    async def cancel(self, execution: Execution | ExecutionRef, *, etag: str | None = None) -> Execution:
        return (await self._change(execution, self._rules().cancel, etag))[1]

    @override
    async def stuck(
        self,
        *,
        now: datetime,
        pending_timeout: timedelta = timedelta(minutes=10),
        running_timeout: timedelta = timedelta(minutes=30),
        cancelling_timeout: timedelta = timedelta(minutes=3),
    ) -> Page[Execution]:
        timeouts = zip(LIVE_STATUSES, (pending_timeout, running_timeout, cancelling_timeout), strict=True)
        latest = {status: started_before(now, timeout, f"{status.lower()}_timeout") for status, timeout in timeouts}
        window = compile_window(None, max(latest.values()))
        if window is None:
            return Page(())
        found = await all_records(self._backend, KIND, None, status_filter(LIVE_STATUSES), *window)
        late = tuple(r for r in found if r.body["startedAt"] < format_time(latest[ExecutionStatus(r.body["status"])]))
        shown = await self._models.show_all(Page(late, None, found.unreadable))
        # A record whose blobs were gone was read anew, and may have ended since.
        page = Page(tuple(one for one in shown if not one.status.is_final), None, shown.unreadable)
        return ordered(page, key=lambda one: (LIVE_STATUSES.index(one.status), one.execution_id, one.scope))

    @override
    async def count_by_status(
        self, scope: Scope, *, since: datetime | None = None, until: datetime | None = None
    ) -> Mapping[ExecutionStatus, int]:
        check_scope(scope, Execution.spec)
        window = compile_window(since, until)
        return {} if window is None else await count_by_status(self._backend, scope, window)

    @override
    async def statistics(self, scope: Scope, *, since: datetime, until: datetime | None = None) -> ExecutionStatistics:
        check_scope(scope, Execution.spec)
        figures = await compute_figures(self._backend, scope, compile_window(since, until))
        return figures.shown_with(await self._models.show_all(figures.recent_failures))

    @override
    async def delete(self, scope: Scope, execution_id: str, *, etag: str | None = None) -> bool:
        key = key_of(scope, execution_id)
        try:
            deleted = await delete_record(self._backend, key, etag=etag)
        except CorruptDocumentError:
            return await self._backend.delete(key, expected=None if etag is None else Etag.parse(etag)) is not None
        if deleted is not None:
            await self._payloads.remove_all([deleted])
        return deleted is not None

    @override
    async def purge_expired(self) -> int:
        if self._check_purge is not None:
            await self._check_purge()
        count = 0
        while purged := await self._backend.purge_expired(kind=KIND):
            await self._payloads.remove_all(purged)
            count += len(purged)
        await self._payloads.purge_expired()
        return count

    async def _find(self, scope: Scope, execution_id: str, *, fallback: bool) -> Record | None:
        key = key_of(scope, execution_id)
        return await self._backend.get(key, fallback=GLOBAL if fallback and scope != GLOBAL else None)

    async def _repeated(self, key: Key, new: NewExecution, error: DocumentExistsError) -> Execution:
        """Return what is stored if it is what the caller wanted to create."""
        try:
            record = await self._backend.get(key)
            stored = None if record is None else await self._models.show(record)
        except CorruptDocumentError as unreadable:
            raise error from unreadable
        if stored is None or not await self._payloads.prepare(new.input_data, new.is_repeated_by, stored):
            raise error
        return stored

    async def _is_repeated(self, outcome: Outcome, stored: Execution) -> bool:
        result = None if outcome.result is None else await self._load(stored, "result")
        given = None if outcome.result is None else outcome.result.value
        return await self._payloads.prepare(given, outcome.is_repeated_by, stored, result)


def _placed_input(execution_id: str, value: object) -> tuple[dict[str, Any], Placement]:
    plain = json_object(value, "input_data", at_most=None)
    return plain, place_input(execution_id, plain)
