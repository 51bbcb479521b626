"""When a schedule is due next: the library leaves that to the application."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from bifrost_functions.refusals import bad_request


def next_run(expression: object, after: datetime) -> datetime:
    """Return the first moment after *after* that a cron expression of five fields names, in UTC."""
    try:
        return next(CronSim(str(expression), after.astimezone(UTC)))
    except (CronSimError, StopIteration):
        raise bad_request("cronExpression: must be five fields that cron understands, and name a moment") from None
