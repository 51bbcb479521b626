"""Payloads that no execution names: what writes left behind whose outcome was unknown, or whose process died."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import EXECUTION_DATA, BlobStore
from bifrost_store.core.execution_data import Run
from bifrost_store.core.query import MAX_PAGE_SIZE
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import Execution
from bifrost_store.repositories.executions.payloads import blob_names, document_id, is_document

LEAST_AGE: Final = timedelta(days=1)
"""Younger payloads are left: the write that names one may be under way, or arrive yet."""
_UNIQUE: Final = re.compile(r"[^/]+/(?:payload-)?[0-9a-f]{32}/[^/]+")
"""Names that this library gives to one write; the old application's have no middle part."""


async def collect(stores: Sequence[Backend], blobs: Sequence[BlobStore], now: datetime) -> tuple[int, int]:
    """Remove payloads of a day and more ago that belong to executions of *stores* and are named by none.

    Nothing is removed where a row cannot be read: it may be an execution that names any of them. Payloads of executions that are
    not there at all are left: they may be another store's.

    Args:
        stores: Every store that answers for some scope.
        blobs: The blob stores beside them.
        now: The present moment.

    Returns:
        How many blobs and how many documents of execution data were removed.
    """
    # First the payloads, then the records: one that is found without a name cannot be given one any more.
    old_blobs = [await _old_blobs(store, now) for store in blobs]
    kept = [data for store in stores if (data := store.execution_data) is not None]
    old_documents = [await _old_documents(data, now) for data in kept]
    named: set[str] = set()
    executions: set[str] = set()
    if any(old_blobs) or any(old_documents):
        for backend in stores:
            async for page in backend.scan():
                if page.unreadable:
                    return 0, 0
                for record in page.records:
                    if record.key.kind == Execution.spec.kind and not record.is_tombstone:
                        named |= blob_names(record)
                        executions.add(record.key.id)
    removed_blobs = removed_documents = 0
    for store, names in zip(blobs, old_blobs, strict=True):
        left = sorted(name for name in names - named if name.split("/")[0] in executions)
        removed_blobs += sum(await for_each(partial(store.delete, EXECUTION_DATA), left))
    taken = {document_id(name) for name in named if is_document(name)}
    for data, documents in zip(kept, old_documents, strict=True):
        for run, names in documents.items():
            left = sorted(names - taken) if run.execution_id in executions else []
            for start in range(0, len(left), MAX_PAGE_SIZE):
                removed_documents += await data.remove(run, left[start : start + MAX_PAGE_SIZE])
    return removed_blobs, removed_documents


async def _old_blobs(store: BlobStore, now: datetime) -> set[str]:
    return {
        blob.name
        async for blob in store.list(EXECUTION_DATA)
        if _UNIQUE.fullmatch(blob.name) and blob.changed_at is not None and now - blob.changed_at >= LEAST_AGE
    }


async def _old_documents(data: ExecutionData, now: datetime) -> dict[Run, set[str]]:
    found: dict[Run, set[str]] = {}
    async for page in data.scan():
        for document in page.documents:
            if document.type == "payload" and now - document.timestamp >= LEAST_AGE:
                found.setdefault(document.run, set()).add(document.id)
    return found
