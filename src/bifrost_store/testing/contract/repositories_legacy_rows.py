"""Rows that no kind claims, as `bifrost_store.protocols.LegacyRows` promises."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.scope import GLOBAL
from bifrost_store.errors import InvalidKeyError, InvalidRequestError
from bifrost_store.testing.examples import ORGANIZATION, config, legacy_row
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio


async def test_rows_are_read_by_table_and_keys(backend: Backend, repositories: Repositories) -> None:
    """A row is found under its table, partition key and row key, with all columns and their types; what claims it is not listed."""
    columns: dict[str, Any] = {"Text": "é", "Count": {"type": "Edm.Int32", "value": 5}}
    await backend.create(legacy_row("audit:1", scope=ORGANIZATION, **columns))
    await backend.create(config())

    row = await repositories.legacy_rows.get("Entities/o-1/audit:1")
    assert row is not None
    assert (row.table, row.partition_key, row.row_key, row.scope, row.columns) == (
        "Entities",
        "o-1",
        "audit:1",
        ORGANIZATION,
        columns,
    )
    assert await repositories.legacy_rows.get("Entities/GLOBAL/audit:1") is None
    assert await repositories.legacy_rows.get("AuditLog/2025-11-14/x") is None


async def test_rows_are_listed_in_key_order(backend: Backend, repositories: Repositories) -> None:
    """Lists go by table and keys, page by page, for one scope and maybe one table."""
    for table, row_key in (("Entities", "b:1"), ("Config", "z:1"), ("Entities", "a:2"), ("AuditLog", "0")):
        await backend.create(legacy_row(row_key, table=table, scope=GLOBAL))
    await backend.create(legacy_row("a:1", scope=ORGANIZATION))
    wanted = ["AuditLog/GLOBAL/0", "Config/GLOBAL/z:1", "Entities/GLOBAL/a:2", "Entities/GLOBAL/b:1"]
    found: list[str] = []
    following: str | None = None
    while True:
        page = await repositories.legacy_rows.list(GLOBAL, limit=3, continuation_token=following)
        found += [row.id for row in page]
        following = page.continuation_token
        if following is None:
            break

    assert found == wanted
    assert [row.id for row in await repositories.legacy_rows.list(GLOBAL, table="Entities")] == wanted[2:]
    assert [row.id for row in await repositories.legacy_rows.list(ORGANIZATION)] == ["Entities/o-1/a:1"]


@pytest.mark.parametrize("row_id", ["", "Entities", "Entities/GLOBAL", "Enti ties/GLOBAL/x", "a/b/c/d", "\ud800/a/b"])
async def test_bad_ids(repositories: Repositories, row_id: str) -> None:
    """An id is a table and two keys."""
    with pytest.raises(InvalidKeyError):
        await repositories.legacy_rows.get(row_id)


async def test_bad_limits(repositories: Repositories) -> None:
    """A page has 1 to 500 rows."""
    for limit in (0, 501):
        with pytest.raises(InvalidRequestError, match="limit"):
            await repositories.legacy_rows.list(GLOBAL, limit=limit)
