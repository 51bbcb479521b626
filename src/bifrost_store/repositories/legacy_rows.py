"""Rows of today's tables that no kind claims."""

from __future__ import annotations

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq, Query
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import LegacyRow
from bifrost_store.errors import InvalidKeyError
from bifrost_store.repositories.checks import check_limit, check_scope
from bifrost_store.repository_protocols.legacy_rows import LegacyRows

_SCOPED_TABLES = ("Entities", "Config")


class LegacyRowRepository(LegacyRows):
    """The `LegacyRows` of a store. See `bifrost_store.protocols.LegacyRows`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @override
    async def get(self, row_id: str) -> LegacyRow | None:
        record = await self._backend.get(Key("legacy_row", _scope_of(row_id), row_id))
        return None if record is None else LegacyRow.from_record(record)

    @override
    async def list(
        self, scope: Scope, *, table: str | None = None, limit: int = 100, continuation_token: str | None = None
    ) -> Page[LegacyRow]:
        check_scope(scope, LegacyRow.spec)
        check_limit(limit)
        filters = () if table is None else (Eq("table", table),)
        page = await self._backend.query(Query("legacy_row", scope, filters, limit, continuation_token))
        return page.convert(LegacyRow.from_record)


def _scope_of(row_id: str) -> Scope:
    if not isinstance(row_id, str):
        raise InvalidKeyError(f"legacy row id: must be text, not {type(row_id).__name__}")
    LegacyRow.spec.check_id(row_id)
    table, partition_key, _ = row_id.split("/")
    if table not in _SCOPED_TABLES:
        return GLOBAL
    try:
        return Scope.from_partition_key(partition_key)
    except InvalidKeyError:
        return GLOBAL
