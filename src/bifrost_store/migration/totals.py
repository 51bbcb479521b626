"""How many records there are in all, counted beside what goes through them, so that progress can tell what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.query import Query
from bifrost_store.core.spec import Specs
from bifrost_store.documents import LegacyRow
from bifrost_store.errors import StoreError


async def count_records(backend: Backend, specs: Specs) -> dict[str, int]:
    """Return about how many records *backend* holds, by kind: without tombstones, what has expired, and what no kind claims."""
    found: dict[str, int] = {}
    for kind, spec in specs.items():
        if not spec.is_internal and kind != LegacyRow.spec.kind:
            groups = await backend.aggregate(Query(kind, None))
            found[kind] = sum(group.count for group in groups)
    return found


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do *work* beside the block, up to its end at most. What fails of it is missed by nobody."""

    async def quietly() -> None:
        try:
            await work()
        except StoreError:
            return

    task = asyncio.create_task(quietly())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
