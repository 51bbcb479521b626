"""Payload blobs that no execution names: what writes left behind whose outcome was unknown, or whose process died."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import EXECUTION_DATA, BlobStore
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Execution
from bifrost_store.repositories.executions.payloads import blob_names

LEAST_AGE: Final = timedelta(days=1)
"""Younger blobs are left: the write that names one may be under way, or arrive yet."""
_UNIQUE: Final = re.compile(r"[^/]+/[0-9a-f]{32}/[^/]+")
"""Names that this library gives to one write; the old application's have no middle part."""


async def collect(stores: Sequence[Backend], blobs: Sequence[BlobStore], now: datetime) -> int:
    """Remove payload blobs of a day and more ago that belong to executions of *stores* and are named by none; return how many.

    Nothing is removed where a row cannot be read: it may be an execution that names any of them. Blobs of executions that are not
    there at all are left: they may be another store's.

    Args:
        stores: Every store that answers for some scope.
        blobs: The blob stores beside them.
        now: The present moment.
    """
    # First the blobs, then the records: a blob that is found without a name cannot be given one any more.
    old = [await _old_blobs(store, now) for store in blobs]
    named: set[str] = set()
    executions: set[str] = set()
    if any(old):
        for backend in stores:
            async for page in backend.scan():
                if page.unreadable:
                    return 0
                for record in page.records:
                    if record.key.kind == Execution.spec.kind and not record.is_tombstone:
                        named |= blob_names(record)
                        executions.add(record.key.id)
    removed = 0
    for store, names in zip(blobs, old, strict=True):
        left = sorted(name for name in names - named if name.split("/")[0] in executions)
        removed += sum(await for_each(partial(store.delete, EXECUTION_DATA), left))
    return removed


async def _old_blobs(store: BlobStore, now: datetime) -> set[str]:
    return {
        blob.name
        async for blob in store.list(EXECUTION_DATA)
        if _UNIQUE.fullmatch(blob.name) and blob.changed_at is not None and now - blob.changed_at >= LEAST_AGE
    }
