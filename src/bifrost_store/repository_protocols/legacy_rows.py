"""Rows that no kind claims."""

from __future__ import annotations

from typing import Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.documents import LegacyRow


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
