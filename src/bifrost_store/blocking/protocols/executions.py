"""Runs of workflows, and what they take and leave. Without await; written by tools/blocking.py."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from bifrost_store.core.page import OnUnreadable, Page
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.repository_protocols.executions import ExecutionFilter, ExecutionRef, ExecutionStatistics, Result


class BlockingExecutions(Protocol):
    """Runs of workflows and their payloads.

    A final status is never left again: a change to a finished run raises `PreconditionFailedError`, unless it repeats the
    change that was made, which returns what is stored. Methods that take ``Execution | ExecutionRef`` save a read when given
    the model; a model that is out of date is read again, and the rules are applied to what is stored now.
    """

    def create(
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

    def get(self, scope: Scope, execution_id: str, *, fallback: bool = True) -> Execution | None:
        """Return the run from *scope*, else with *fallback* from GLOBAL, else None."""
        ...

    def get_status(self, scope: Scope, execution_id: str, *, fallback: bool = True) -> ExecutionStatus | None:
        """Return only the status, searched for like `get`."""
        ...

    def list(
        self, scope: Scope, where: ExecutionFilter = ExecutionFilter(), *, limit: int = 50, continuation_token: str | None = None
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
    ) -> Iterator[Execution]:
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
        ...

    def set_status(self, execution: Execution | ExecutionRef, status: ExecutionStatus, *, etag: str | None = None) -> Execution:
        """Move a run to a live status (Pending, Running, Cancelling) and return it.

        Cancelling sets ``completed_at``, as today; from Cancelling there is no way back to Pending or Running.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
            PreconditionFailedError: The run has ended, or is being cancelled.
        """
        ...

    def complete(
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

    def cancel(self, execution: Execution | ExecutionRef, *, etag: str | None = None) -> Execution:
        """Ask a run to stop: a Pending one becomes Cancelled at once, a Running one Cancelling. Repeating it changes nothing.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
            PreconditionFailedError: The run has ended otherwise.
        """
        ...

    def stuck(
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

    def count_by_status(
        self, scope: Scope, *, since: datetime | None = None, until: datetime | None = None
    ) -> Mapping[ExecutionStatus, int]:
        """Count the scope's runs by status; statuses that do not occur are left out."""
        ...

    def statistics(self, scope: Scope, *, since: datetime, until: datetime | None = None) -> ExecutionStatistics:
        """Return figures over the runs of one scope that started in ``since <= started_at < until``, computed live."""
        ...

    def delete(self, scope: Scope, execution_id: str, *, etag: str | None = None) -> bool:
        """Delete a run and then everything that it left; return whether it was there."""
        ...

    def purge_expired(self) -> int:
        """Remove every expired run, with all that it left, for good; return how many. Readers do not see them before either.

        Raises:
            MigrationRefusedError: A migration is under way, or was cut over less than 90 days ago: nothing was removed.
        """
        ...

    def save_result(
        self, execution: Execution | ExecutionRef, result: Any, *, result_type: str | None = None, etag: str | None = None
    ) -> Execution:
        """Store a result as `complete` does, without touching the status; allowed after the end too.

        Raises:
            DocumentTooLargeError: It takes over 64 MiB as it is stored; nothing was written.
        """
        ...

    def load_result(self, execution: Execution | ExecutionRef) -> Result | None:
        """Return the result as it was saved, or None if the run has none or does not exist."""
        ...

    def save_logs(
        self, execution: Execution | ExecutionRef, logs: Sequence[Mapping[str, Any]], *, etag: str | None = None
    ) -> Execution:
        """Store the run's log entries, replacing earlier ones; JSON objects, in the order given. Raises like `save_result`."""
        ...

    def load_logs(self, execution: Execution | ExecutionRef) -> builtins.list[dict[str, Any]] | None:
        """Return the log entries, or None if none were saved or the run does not exist.

        Raises:
            CorruptDocumentError: They are missing though the record names them, or cannot be read.
        """
        ...

    def save_variables(
        self, execution: Execution | ExecutionRef, variables: Mapping[str, Any], *, etag: str | None = None
    ) -> Execution:
        """Store the run's captured variables, replacing earlier ones. Raises like `save_result`."""
        ...

    def load_variables(self, execution: Execution | ExecutionRef) -> dict[str, Any] | None:
        """Return the captured variables; None and errors as `load_logs`."""
        ...

    def save_snapshot(self, execution: Execution | ExecutionRef, snapshot: Sequence[Any], *, etag: str | None = None) -> Execution:
        """Store the run's state checkpoints, replacing earlier ones. Raises like `save_result`."""
        ...

    def load_snapshot(self, execution: Execution | ExecutionRef) -> builtins.list[Any] | None:
        """Return the state checkpoints; None and errors as `load_logs`."""
        ...
