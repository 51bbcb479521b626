"""Workflows that run by themselves. Without await; written by tools/blocking.py."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Schedule


class BlockingSchedules(Protocol):
    """One schedule per workflow. Cron expressions are the application's affair: it says when the next run is."""

    def create(
        self, workflow_name: str, *, cron_expression: str, next_run_at: datetime, description: str | None = None
    ) -> Schedule:
        """Store a new schedule.

        Raises:
            DocumentExistsError: The workflow has one.
        """
        ...

    def get(self, workflow_name: str) -> Schedule | None:
        """Return the workflow's schedule, or None. A point read."""
        ...

    def list(self) -> Page[Schedule]:
        """Return the schedules by next run, then workflow name."""
        ...

    def due(self, now: datetime) -> Page[Schedule]:
        """Return the schedules whose next run is at *now* or earlier, by next run, then workflow name."""
        ...

    def claim(
        self, schedule: Schedule | str, *, now: datetime, next_run_at: datetime, execution_id: str | None = None
    ) -> Schedule | None:
        """Take the run that is due, for this caller alone, and return the schedule as it is then; None: not this caller's.

        Of any number of callers, in any process, that claim a run exactly one gets it. None is the answer where another
        was faster, where no run is due at *now*, and where the schedule is gone. The run counts as started at *now*.
        One write given the model; a model that is out of date is read again, and only the run that it shows is claimed.
        By name the schedule is read first, and whatever run is due is claimed.

        Args:
            next_run_at: The run after this one; must be after *now*.
            execution_id: The run's execution, if its id is known already; else see `record_run`.

        Raises:
            OutcomeUnknownError: The answer was lost and later writes hide who got the run.
        """
        ...

    def record_run(self, schedule: Schedule, execution_id: str) -> Schedule:
        """Note the execution of the run that *schedule*, as `claim` returned it, stands for. A later run's is not written over.

        Raises:
            DocumentNotFoundError: There is no schedule any more.
        """
        ...

    def update(
        self,
        workflow_name: str,
        *,
        cron_expression: str | Unset = UNSET,
        next_run_at: datetime | Unset = UNSET,
        description: str | None | Unset = UNSET,
        etag: str | None = None,
    ) -> Schedule:
        """Change the given fields and return the schedule as stored.

        Args:
            cron_expression: Only together with the *next_run_at* that follows from it.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    def delete(self, workflow_name: str, *, etag: str | None = None) -> bool:
        """Delete the schedule; return whether it was there."""
        ...
