"""How the platform's own jobs went. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from bifrost_store.core.page import Page
from bifrost_store.documents import JobOutcome, JobStatus, JobTrigger


class BlockingJobStatuses(Protocol):
    """One status per job: that of its last run."""

    def set(
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
        """Store how a run went, in place of the run before; what is not given is null then.

        Args:
            end_time: Not before *start_time*; ``duration_seconds`` is the time between them.
            errors: Any JSON values; an empty list is stored as null.
        """
        ...

    def get(self, job_name: str) -> JobStatus | None:
        """Return the status of the job's last run, or None. A point read."""
        ...

    def list(self) -> Page[JobStatus]:
        """Return the status of every job, by name."""
        ...
