"""What runs by the clock: stuck executions are ended, due schedules started."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

import azure.functions as func

from bifrost_functions import opened
from bifrost_functions.cron import next_run
from bifrost_functions.refusals import RefusedError
from bifrost_store import GLOBAL, Execution, ExecutionStatus, Schedule, Store
from bifrost_store.errors import DocumentNotFoundError, PreconditionFailedError, StoreError

blueprint = func.Blueprint()
_logger = logging.getLogger("bifrost_functions.timers")
T = TypeVar("T")


def present_moment() -> datetime:
    """Return the present moment. Tests put another in its place."""
    return datetime.now(UTC)


@blueprint.timer_trigger(schedule="0 */5 * * * *", arg_name="timer")
async def end_stuck_executions(timer: func.TimerRequest) -> None:
    """Every five minutes: end runs that have been pending, running or cancelling for too long."""
    _logger.info("timers.stuck_executions_ended", extra={"count": await end_stuck(await opened.store(), present_moment())})


@blueprint.timer_trigger(schedule="0 */5 * * * *", arg_name="timer")
async def run_schedules(timer: func.TimerRequest) -> None:
    """Every five minutes: start what is due."""
    _logger.info("timers.schedules_started", extra={"count": await start_due(await opened.store(), present_moment())})


async def end_stuck(store: Store, now: datetime) -> int:
    """End stuck runs and return how many. A run that ends by itself meanwhile is left alone.

    Raises:
        ExceptionGroup: Some could not be ended; the others were.
    """
    return await _each(await store.executions.stuck(now=now), lambda run: _end(store, run))


async def start_due(store: Store, now: datetime) -> int:
    """Start every due schedule that no other worker has claimed, and return how many.

    A run that was claimed and could not be started is not made up for: its schedule names an execution that is not there.

    Raises:
        ExceptionGroup: Some could not be started; the others were.
    """
    return await _each(await store.schedules.due(now), lambda schedule: _start(store, schedule, now))


async def _each(found: Iterable[T], deal_with: Callable[[T], Awaitable[bool]]) -> int:
    """Deal with each, also after one that fails; the worker hears of failures at the end."""
    count, failures = 0, []
    for one in found:
        try:
            count += await deal_with(one)
        except StoreError as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} failed, {count} done", failures)
    return count


async def _end(store: Store, run: Execution) -> bool:
    is_cancelling = run.status is ExecutionStatus.CANCELLING
    try:
        await store.executions.complete(
            run,
            ExecutionStatus.CANCELLED if is_cancelling else ExecutionStatus.TIMEOUT,
            error_message="Execution cancelled by user" if is_cancelling else "Execution took too long and was given up",
        )
    except (PreconditionFailedError, DocumentNotFoundError):
        return False
    return True


async def _start(store: Store, schedule: Schedule, now: datetime) -> bool:
    workflow = schedule.workflow_name
    try:
        following = next_run(schedule.cron_expression, now)
    except RefusedError:
        _logger.warning("timers.schedule_deleted: %r has no cron expression that can be understood", workflow)
        await store.schedules.delete(workflow, etag=schedule.etag)
        return False
    execution_id = str(uuid4())
    if await store.schedules.claim(schedule, now=now, next_run_at=following, execution_id=execution_id) is None:
        return False
    await store.executions.create(
        GLOBAL, workflow_name=workflow, executed_by="system:scheduler", executed_by_name="Scheduler", execution_id=execution_id
    )
    return True
