"""What runs by the clock: stuck executions are ended, due schedules started."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import azure.functions as func

from bifrost_functions import opened
from bifrost_functions.cron import next_run
from bifrost_functions.refusals import RefusedError
from bifrost_store import GLOBAL, ExecutionStatus, Store
from bifrost_store.errors import DocumentNotFoundError, PreconditionFailedError

blueprint = func.Blueprint()
_logger = logging.getLogger("bifrost_functions.timers")


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
    """End stuck runs and return how many. A run that ends by itself meanwhile is left alone."""
    count = 0
    for run in await store.executions.stuck(now=now):
        is_cancelling = run.status is ExecutionStatus.CANCELLING
        try:
            await store.executions.complete(
                run,
                ExecutionStatus.CANCELLED if is_cancelling else ExecutionStatus.TIMEOUT,
                error_message="Execution cancelled by user" if is_cancelling else "Execution took too long and was given up",
            )
        except (PreconditionFailedError, DocumentNotFoundError):
            continue
        count += 1
    return count


async def start_due(store: Store, now: datetime) -> int:
    """Start every due schedule that no other worker has claimed, and return how many."""
    count = 0
    for schedule in await store.schedules.due(now):
        try:
            following = next_run(schedule.cron_expression, now)
        except RefusedError:
            await store.schedules.delete(schedule.workflow_name, etag=schedule.etag)
            continue
        claimed = await store.schedules.claim(schedule, now=now, next_run_at=following)
        if claimed is None:
            continue
        run = await store.executions.create(
            GLOBAL, workflow_name=schedule.workflow_name, executed_by="system:scheduler", executed_by_name="Scheduler"
        )
        await store.schedules.record_run(claimed, run.execution_id)
        count += 1
    return count
