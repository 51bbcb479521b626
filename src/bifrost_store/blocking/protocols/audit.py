"""What must be accounted for. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

from bifrost_store.core.page import OnUnreadable, Page
from bifrost_store.core.scope import Scope
from bifrost_store.documents import AuditEvent


class BlockingAuditEvents(Protocol):
    """Events in the order of time. They are added, and never changed or deleted."""

    def append(
        self,
        scope: Scope,
        event_type: str,
        *,
        at: datetime | None = None,
        key_id: str | None = None,
        key_name: str | None = None,
        user_id: str | None = None,
        endpoint: str | None = None,
        method: str | None = None,
        remote_addr: str | None = None,
        user_agent: str | None = None,
        status_code: int | None = None,
        blocked_module: str | None = None,
        workspace_file: str | None = None,
        details: Any = None,
    ) -> AuditEvent:
        """Store an event and return it.

        Args:
            scope: The organization that was concerned, or GLOBAL.
            event_type: One of `AuditEventType`, or 1 to 200 characters of your own.
            at: When it happened, between 1970 and 2286, by default now; kept to the millisecond.
            details: Any JSON.
        """
        ...

    def list(
        self,
        scope: Scope,
        *,
        since: datetime,
        until: datetime | None = None,
        event_type: str | None = None,
        limit: int = 100,
        continuation_token: str | None = None,
    ) -> Page[AuditEvent]:
        """Return the events of *scope* with ``since <= timestamp < until``, newest first, those of one millisecond by id.

        Pages are stable while others append. On Table Storage each UTC day that the page reaches takes a request, beginning
        with the newest, so that a narrow window is a cheap one.

        Args:
            until: By default the end of the present UTC day; for further pages the one that the first page had.
            limit: 1 to 500.

        Raises:
            InvalidRequestError: The window is longer than 366 days.
            InvalidContinuationTokenError: The token was altered, or belongs to another call.
        """
        ...

    def iterate(
        self,
        scope: Scope,
        *,
        since: datetime,
        until: datetime | None = None,
        event_type: str | None = None,
        page_size: int = 100,
        on_unreadable: OnUnreadable | None = None,
    ) -> Iterator[AuditEvent]:
        """Yield every event that `list` would show, in its order, a page at a time; events appended meanwhile are not met.

        Args:
            page_size: 1 to 500: events that are read at once, and held.
            on_unreadable: Is called with the error of each event that cannot be read; by default the first one is raised, after the
                other events of its page.

        Raises:
            InvalidRequestError: The window is longer than 366 days.
            CorruptDocumentError: An event cannot be read, and *on_unreadable* was not given.
        """
        ...

    def list_all(self, *, since: datetime, until: datetime | None = None, event_type: str | None = None) -> Page[AuditEvent]:
        """Return the events of every scope in a window as in `list`, newest first, all at once: off hot paths."""
        ...
