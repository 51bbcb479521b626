"""Runs of workflows, and what they take and leave."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bifrost_store.core.page import OnUnreadable, Page, walk
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution, ExecutionStatus


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions a list shows; fields that are None do not restrict.

    Attributes:
        statuses: Any of these; an empty sequence matches nothing.
        since, until: ``since <= started_at < until``.
    """

    user: str | None = None
    workflow: str | None = None
    form: str | None = None
    statuses: Sequence[ExecutionStatus] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExecutionRef:
    """Names an execution by scope and id, for those who do not hold the model."""

    scope: Scope
    execution_id: str


@dataclass(frozen=True, slots=True)
class Result:
    """A loaded result. *type* is ``json``, ``html`` or ``text``."""

    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class ExecutionStatistics:
    """Executions of a window, counted live.

    Attributes:
        by_status: Count of each status that occurs.
        success_rate: Percent of Success among all final statuses, to one decimal; 0.0 without any.
        average_duration_ms: Over Success runs that have a duration, to the nearest millisecond; None without any.
        recent_failures: The newest Failed, Timeout and CompletedWithErrors runs, at most ten.
    """

    total: int
    by_status: Mapping[ExecutionStatus, int]
    success_rate: float
    average_duration_ms: int | None
    recent_failures: Sequence[Execution]


class Executions(Protocol):
    """Runs of workflows and their payloads.

    A final status is never left again: a change to a finished run raises `PreconditionFailedError`, unless it repeats the
    change that was made, which returns what is stored. Methods that take ``Execution | ExecutionRef`` save a read when given
    the model; a model that is out of date is read again, and the rules are applied to what is stored now.
    """

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
        """Store a new run and return it. It expires the configured retention after its last change.

        Args:
            input_data: A JSON object; over 32,768 characters as JSON text it is kept in a blob, which the old application
                cannot see.
            execution_id: 1 to 64 letters, digits or dashes; by default a new UUID, which tells when the run starts. Repeating a
                call with the same id returns what is stored if every given field is equal.
            started_at: Between 1970 and 2286; by default now.

        Raises:
            DocumentExistsError: The id is taken by a run that differs in a given field.
            DocumentTooLargeError: A payload takes over 64 MiB as it is stored; nothing was written.
        """
        ...

    async def get(self, scope: Scope, execution_id: str, *, fallback: bool = True) -> Execution | None:
        """Return the run from *scope*, else with *fallback* from GLOBAL, else None."""
        ...

    async def get_status(self, scope: Scope, execution_id: str, *, fallback: bool = True) -> ExecutionStatus | None:
        """Return only the status, searched for like `get`."""
        ...

    async def list(
        self,
        scope: Scope,
        where: ExecutionFilter = ExecutionFilter(),
        *,
        limit: int = 50,
        continuation_token: str | None = None,
    ) -> Page[Execution]:
        """Return runs of one scope, the newest start first, ties by id.

        Args:
            limit: 1 to 500 runs on a page; a page is full unless it is the last.

        Raises:
            InvalidContinuationTokenError: The token was altered or belongs to another list.
        """
        ...

    def iterate(
        self,
        scope: Scope,
        where: ExecutionFilter = ExecutionFilter(),
        *,
        page_size: int = 100,
        on_unreadable: OnUnreadable | None = None,
    ) -> AsyncIterator[Execution]:
        """Yield every run that `list` would show, in its order, a page at a time.

        Runs that others create meanwhile are newer than what was shown, and are not met; those deleted before their page is read
        are not met either. To go on in another process, take pages by `list`.

        Args:
            page_size: 1 to 500: runs that are read at once, and held.
            on_unreadable: Is called with the error of each run that cannot be read; by default the first one is raised, after the
                other runs of its page.

        Raises:
            CorruptDocumentError: A run cannot be read, and *on_unreadable* was not given.
        """

        async def read(token: str | None) -> tuple[Page[Execution], str | None]:
            page = await self.list(scope, where, limit=page_size, continuation_token=token)
            return page, page.continuation_token

        return walk(read, on_unreadable)

    async def set_status(
        self, execution: Execution | ExecutionRef, status: ExecutionStatus, *, etag: str | None = None
    ) -> Execution:
        """Move a run to a live status (Pending, Running, Cancelling) and return it.

        Cancelling sets ``completed_at``, as today; from Cancelling there is no way back to Pending or Running.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
            PreconditionFailedError: The run has ended, or is being cancelled.
        """
        ...

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
        """End a run with a final status and return it.

        Args:
            duration_ms: 0 to 2,147,483,647.
            error_message: Over 32,768 characters it is kept in a blob, its beginning in the record.
            result: Any JSON value, or a text with *result_type* ``html`` or ``text``; None: no result. Objects and texts of at most
                1,024 bytes are kept in the record, everything else apart from it.
            result_type: By default ``json`` for anything but text; for text ``html`` if, stripped, it starts with ``<`` and
                contains ``>``, else ``text``.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
            PreconditionFailedError: The run has ended already with another outcome.
            DocumentTooLargeError: A payload takes over 64 MiB as it is stored; nothing was written.
        """
        ...

    async def cancel(self, execution: Execution | ExecutionRef, *, etag: str | None = None) -> Execution:
        """Ask a run to stop: a Pending one becomes Cancelled at once, a Running one Cancelling. Repeating it changes nothing.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
            PreconditionFailedError: The run has ended otherwise.
        """
        ...

    async def stuck(
        self,
        *,
        now: datetime,
        pending_timeout: timedelta = timedelta(minutes=10),
        running_timeout: timedelta = timedelta(minutes=30),
        cancelling_timeout: timedelta = timedelta(minutes=3),
    ) -> Page[Execution]:
        """Return live runs of every scope that started strictly longer ago than their status allows.

        Ordered by status (Pending, Running, Cancelling), then id. Off hot paths: asks across scopes.
        """
        ...

    async def count_by_status(
        self, scope: Scope, *, since: datetime | None = None, until: datetime | None = None
    ) -> Mapping[ExecutionStatus, int]:
        """Count the scope's runs by status; statuses that do not occur are left out."""
        ...

    async def statistics(self, scope: Scope, *, since: datetime, until: datetime | None = None) -> ExecutionStatistics:
        """Return figures over the runs of one scope that started in ``since <= started_at < until``, computed live."""
        ...

    async def delete(self, scope: Scope, execution_id: str, *, etag: str | None = None) -> bool:
        """Delete a run and then everything that it left; return whether it was there."""
        ...

    async def purge_expired(self) -> int:
        """Remove every expired run, with all that it left, for good; return how many. Readers do not see them before either.

        Raises:
            MigrationRefusedError: A migration is under way, or was cut over less than 90 days ago: nothing was removed.
        """
        ...

    async def save_result(
        self, execution: Execution | ExecutionRef, result: Any, *, result_type: str | None = None, etag: str | None = None
    ) -> Execution:
        """Store a result as `complete` does, without touching the status; allowed after the end too.

        Raises:
            DocumentTooLargeError: It takes over 64 MiB as it is stored; nothing was written.
        """
        ...

    async def load_result(self, execution: Execution | ExecutionRef) -> Result | None:
        """Return the result as it was saved, or None if the run has none or does not exist."""
        ...

    async def save_logs(
        self, execution: Execution | ExecutionRef, logs: Sequence[Mapping[str, Any]], *, etag: str | None = None
    ) -> Execution:
        """Store the run's log entries, replacing earlier ones; JSON objects, in the order given. Raises like `save_result`."""
        ...

    async def load_logs(self, execution: Execution | ExecutionRef) -> builtins.list[dict[str, Any]] | None:
        """Return the log entries, or None if none were saved or the run does not exist.

        Raises:
            CorruptDocumentError: They are missing though the record names them, or cannot be read.
        """
        ...

    async def save_variables(
        self, execution: Execution | ExecutionRef, variables: Mapping[str, Any], *, etag: str | None = None
    ) -> Execution:
        """Store the run's captured variables, replacing earlier ones. Raises like `save_result`."""
        ...

    async def load_variables(self, execution: Execution | ExecutionRef) -> dict[str, Any] | None:
        """Return the captured variables; None and errors as `load_logs`."""
        ...

    async def save_snapshot(
        self, execution: Execution | ExecutionRef, snapshot: Sequence[Any], *, etag: str | None = None
    ) -> Execution:
        """Store the run's state checkpoints, replacing earlier ones. Raises like `save_result`."""
        ...

    async def load_snapshot(self, execution: Execution | ExecutionRef) -> builtins.list[Any] | None:
        """Return the state checkpoints; None and errors as `load_logs`."""
        ...
