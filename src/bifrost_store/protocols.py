"""The repositories that handlers type against: one Protocol per kind of data.

Common to all methods:

* Errors are those of `bifrost_store.errors`. Bad arguments raise `InvalidRequestError` (`InvalidKeyError` for an id, scope or
  identifier) before anything is written. Any method may raise `BackendError`; writes may raise `OutcomeUnknownError`.
* ``get`` methods return None for what does not exist, was deleted or has expired, and raise `CorruptDocumentError` for what
  is there but cannot be read. Lists leave such documents out of the items and name them in `Page.unreadable`.
* ``etag`` arguments are optional preconditions: a document's ``etag`` as it was read. If the document has changed since,
  `PreconditionFailedError` is raised and nothing is written. Without one, a change is made to whatever is stored.
* Arguments that default to `UNSET` were "not given" and leave the field as it is; None sets it to null.
* Times are timezone-aware; a naive one is taken as UTC.
* Lists that are not paged return a `Page` without a continuation token.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import (
    Config,
    ConfigType,
    Execution,
    ExecutionStatus,
    LegacyRow,
    Membership,
    Organization,
    User,
    UserType,
)


class Organizations(Protocol):
    """Tenants."""

    async def create(
        self, name: str, *, created_by: str, domain: str | None = None, id: str | None = None, is_active: bool = True
    ) -> Organization:
        """Store a new organization; without *id* under a new UUID.

        Args:
            name: 1 to 200 characters.
            domain: E-mail domain without ``@``; kept in lower case. Need not be unique.

        Raises:
            DocumentExistsError: *id* is taken.
        """
        ...

    async def get(self, organization_id: str) -> Organization | None:
        """Return the organization, active or not, or None. A point read."""
        ...

    async def find_by_domain(self, domain: str) -> Organization | None:
        """Return the first active organization by id whose domain equals *domain*, letter case aside, or None."""
        ...

    async def list(self, *, active_only: bool = True) -> Page[Organization]:
        """Return the organizations by name, then id."""
        ...

    async def update(
        self,
        organization_id: str,
        *,
        name: str | Unset = UNSET,
        domain: str | None | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        etag: str | None = None,
    ) -> Organization:
        """Change the given fields and return the organization as stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def deactivate(self, organization_id: str, *, etag: str | None = None) -> Organization:
        """Set ``is_active`` to False; the document stays. Repeating it changes nothing.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def delete(self, organization_id: str, *, etag: str | None = None) -> bool:
        """Delete the organization's document alone; its users, executions and settings stay. Return whether it was there."""
        ...


class Users(Protocol):
    """Users and their memberships. A user's id is the e-mail exactly as given, letter case included."""

    async def create(
        self,
        email: str,
        *,
        display_name: str | None = None,
        user_type: UserType = UserType.ORG,
        is_platform_admin: bool = False,
        organization_id: str | None = None,
        created_by: str = "system",
        entra_user_id: str | None = None,
        is_active: bool = True,
    ) -> User:
        """Store a new user, with *organization_id* also a member of that organization.

        The membership is written first: a crash between leaves a membership without a user, which no list shows and a
        repeated call completes. ``last_login`` is the time of creation.

        Args:
            display_name: By default the part of the e-mail before ``@``.

        Raises:
            InvalidRequestError: A platform admin of type ORG, or a PLATFORM user with an organization.
            DocumentExistsError: The e-mail is taken.
        """
        ...

    async def get(self, email: str) -> User | None:
        """Return the user, active or not, or None. A point read (one more request for rows of the old application)."""
        ...

    async def find_by_entra_id(self, entra_user_id: str) -> User | None:
        """Return the first user by e-mail whose ``entra_user_id`` equals this, or None."""
        ...

    async def list(self, *, by_last_login: bool = False) -> Page[User]:
        """Return everyone by display name, then e-mail; or the latest login first, then e-mail, who never did last."""
        ...

    async def list_organization(self, organization_id: str, *, by_last_login: bool = False) -> Page[User]:
        """Return the members of one organization that exist as users, in the order of `list`. Two requests."""
        ...

    async def update(
        self,
        email: str,
        *,
        display_name: str | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        entra_user_id: str | None | Unset = UNSET,
        last_entra_id_sync: datetime | None | Unset = UNSET,
        etag: str | None = None,
    ) -> User:
        """Change the given fields and return the user as stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def promote(self, email: str, *, etag: str | None = None) -> User:
        """Make the user a platform admin of type PLATFORM and end all memberships. Repeating it completes what a crash left.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def demote(self, email: str, organization_id: str, *, demoted_by: str = "system", etag: str | None = None) -> User:
        """Make the user an ordinary member (type ORG) of an organization. Repeating it completes what a crash left.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def rename(self, email: str, new_email: str) -> User:
        """Move the user and the memberships to another e-mail and return the user as stored.

        Ordered steps, each safe to repeat: the new user, the new memberships, the old memberships, the old user. After a
        crash both may exist; the same call again completes the move. Executions and ``created_by`` fields keep the old
        e-mail.

        Raises:
            DocumentNotFoundError: There is no such user.
            DocumentExistsError: *new_email* belongs to someone else.
        """
        ...

    async def record_login(self, email: str, *, at: datetime | None = None) -> User:
        """Set ``last_login`` (by default to now), unless a later one is stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def any_exist(self) -> bool:
        """Return whether there is at least one user."""
        ...

    async def delete(self, email: str, *, etag: str | None = None) -> bool:
        """End all memberships, then delete the user. Return whether the user was there."""
        ...

    async def assign(self, email: str, organization_id: str, *, created_by: str) -> Membership:
        """Make the user a member; one who is already keeps the membership as it was.

        Raises:
            DocumentNotFoundError: There is no such user.
            InvalidRequestError: The user is a PLATFORM user.
        """
        ...

    async def unassign(self, email: str, organization_id: str) -> bool:
        """End a membership; return whether there was one."""
        ...

    async def memberships(self, email: str) -> Page[Membership]:
        """Return the organizations that the user belongs to, by organization id. Off hot paths: asks across scopes."""
        ...

    async def members(self, organization_id: str) -> Page[Membership]:
        """Return the memberships of an organization by e-mail, also of users that do not exist."""
        ...


class Configs(Protocol):
    """Configuration values. Keys are case-sensitive."""

    async def set(
        self,
        scope: Scope,
        key: str,
        value: Any,
        *,
        config_type: ConfigType,
        updated_by: str,
        description: str | None | Unset = UNSET,
        etag: str | None = None,
    ) -> Config:
        """Store a value, new or over an old one, and return it as stored.

        Args:
            value: ``str`` for STRING, ``int`` (not bool) for INT, ``bool`` for BOOL, any JSON for JSON; for SECRET_REF the name
                of a Key Vault secret: 1 to 127 letters, digits or dashes.

        Raises:
            InvalidRequestError: The value does not fit its type, or cannot be a secret's name.
            InvalidKeyError: The key is that of an OAuth connection (``oauth_..._metadata`` and the like).
        """
        ...

    async def get(self, scope: Scope, key: str, *, fallback: bool = True) -> Config | None:
        """Return the scope's value, else with *fallback* GLOBAL's, else None. Point reads, in parallel."""
        ...

    async def list(self, scope: Scope, *, include_global: bool = True) -> Page[Config]:
        """Return the scope's values and, with *include_global*, GLOBAL's whose key the scope does not have, by key."""
        ...

    async def delete(self, scope: Scope, key: str, *, etag: str | None = None) -> bool:
        """Delete the scope's own value; return whether it was there."""
        ...


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
            execution_id: 1 to 64 letters, digits or dashes; by default a new UUID. Repeating a call with the same id returns
                what is stored if every given field is equal.
            started_at: Between 1970 and 2286; by default now.

        Raises:
            DocumentExistsError: The id is taken by a run that differs in a given field.
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
                1,024 bytes are kept in the record, everything else in a blob.
            result_type: By default ``json`` for anything but text; for text ``html`` if, stripped, it starts with ``<`` and
                contains ``>``, else ``text``.

        Raises:
            DocumentNotFoundError: There is no such run in that scope.
            PreconditionFailedError: The run has ended already with another outcome.
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
        """Delete a run and then its payload blobs; return whether it was there."""
        ...

    async def purge_expired(self) -> int:
        """Remove every expired run, with its blobs, for good; return how many. Readers do not see them before either."""
        ...

    async def save_result(
        self, execution: Execution | ExecutionRef, result: Any, *, result_type: str | None = None, etag: str | None = None
    ) -> Execution:
        """Store a result as `complete` does, without touching the status; allowed after the end too."""
        ...

    async def load_result(self, execution: Execution | ExecutionRef) -> Result | None:
        """Return the result as it was saved, or None if the run has none or does not exist."""
        ...

    async def save_logs(
        self, execution: Execution | ExecutionRef, logs: Sequence[Mapping[str, Any]], *, etag: str | None = None
    ) -> Execution:
        """Store the run's log entries, replacing earlier ones; JSON objects, in the order given."""
        ...

    async def load_logs(self, execution: Execution | ExecutionRef) -> builtins.list[dict[str, Any]] | None:
        """Return the log entries, or None if none were saved or the run does not exist.

        Raises:
            CorruptDocumentError: The blob is missing though the record names it, or cannot be read.
        """
        ...

    async def save_variables(
        self, execution: Execution | ExecutionRef, variables: Mapping[str, Any], *, etag: str | None = None
    ) -> Execution:
        """Store the run's captured variables, replacing earlier ones."""
        ...

    async def load_variables(self, execution: Execution | ExecutionRef) -> dict[str, Any] | None:
        """Return the captured variables; None and errors as `load_logs`."""
        ...

    async def save_snapshot(
        self, execution: Execution | ExecutionRef, snapshot: Sequence[Any], *, etag: str | None = None
    ) -> Execution:
        """Store the run's state checkpoints, replacing earlier ones."""
        ...

    async def load_snapshot(self, execution: Execution | ExecutionRef) -> builtins.list[Any] | None:
        """Return the state checkpoints; None and errors as `load_logs`."""
        ...


class LegacyRows(Protocol):
    """Rows of today's tables that no kind claims, read-only: kept whole so that nothing is lost."""

    async def get(self, row_id: str) -> LegacyRow | None:
        """Return the row ``table/partition key/row key``, or None. A point read."""
        ...

    async def list(
        self, scope: Scope, *, table: str | None = None, limit: int = 100, continuation_token: str | None = None
    ) -> Page[LegacyRow]:
        """Return the rows of one scope by table, partition key and row key.

        The scope is the partition's where the table is ``Entities`` or ``Config``, else GLOBAL.
        """
        ...
