"""Rows that no kind claims. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bifrost_store.core.page import OnUnreadable, Page
from bifrost_store.core.scope import Scope
from bifrost_store.documents import LegacyRow


class BlockingLegacyRows(Protocol):
    """Rows of today's tables that no kind claims, read-only: kept whole so that nothing is lost."""

    def get(self, row_id: str) -> LegacyRow | None:
        """Return the row ``table/partition key/row key``, or None. A point read."""
        ...

    def list(
        self, scope: Scope, *, table: str | None = None, limit: int = 100, continuation_token: str | None = None
    ) -> Page[LegacyRow]:
        """Return the rows of one scope by table, partition key and row key.

        The scope is the partition's where the table is ``Entities`` or ``Config``, else GLOBAL.
        """
        ...

    def iterate(
        self, scope: Scope, *, table: str | None = None, page_size: int = 100, on_unreadable: OnUnreadable | None = None
    ) -> Iterator[LegacyRow]:
        """Yield every row that `list` would show, in its order, a page at a time.

        Args:
            page_size: 1 to 500: rows that are read at once, and held.
            on_unreadable: Is called with the error of each row that cannot be read; by default the first one is raised, after the
                other rows of its page.

        Raises:
            CorruptDocumentError: A row cannot be read, and *on_unreadable* was not given.
        """
        ...
