"""Execution data in a dictionary: the model that backends are compared with, and a store for tests above the waist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Final

from typing_extensions import override

from bifrost_store.backends.execution_data import DataPage, DataScanPage, ExecutionData
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run, body_bytes
from bifrost_store.core.record import Key
from bifrost_store.errors import DocumentExistsError, InvalidContinuationTokenError, StoreError

_PAGE_BYTES: Final = 4_000_000


class MemoryData(ExecutionData):
    """An `ExecutionData` that keeps everything, and forgets it with the process.

    Attributes:
        documents: By execution id and document id.
        appended: How many flushes were stored or refused.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._now = clock
        self.documents: dict[tuple[str, str], DataDocument] = {}
        self.appended = 0

    @property
    @override
    def shares_transactions(self) -> bool:
        return True

    @override
    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        return [self._append(flush) for flush in flushes]

    def _append(self, flush: Sequence[DataDocument]) -> StoreError | None:
        self.appended += 1
        found = [self.documents.get((one.run.execution_id, one.id)) for one in flush]
        if any(old is not None and old.write_id != new.write_id for old, new in zip(found, flush, strict=True)):
            key = Key("execution", flush[0].run.scope, flush[0].run.execution_id)
            message = f"{key}: another writer has a document of this flush; nothing of it was stored"
            return DocumentExistsError(message, backend="memory", operation="append_data", key=str(key))
        self.documents |= {(one.run.execution_id, one.id): one for one in flush}
        return None

    @override
    async def get(self, run: Run, document_id: str) -> DataDocument | None:
        found = self.documents.get((run.execution_id, document_id))
        return found if found is not None and found.run == run else None

    @override
    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        found = [
            one
            for one in self.documents.values()
            if one.run == run and (types is None or one.type in types) and any(part.ge <= one.id < part.lt for part in ranges)
        ]
        found.sort(key=lambda one: one.id, reverse=backwards)
        sizes = accumulate(body_bytes(one.body) for one in found)
        page = [one for one, size in zip(found[:limit], sizes, strict=False) if size < _PAGE_BYTES or one is found[0]]
        return DataPage(tuple(page), len(page) == len(found))

    @override
    async def remove(self, run: Run, document_ids: Sequence[str] | None = None) -> int:
        gone = [key for key, one in self.documents.items() if one.run == run and (document_ids is None or one.id in document_ids)]
        for key in gone:
            del self.documents[key]
        return len(gone)

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[DataScanPage]:
        if resume_token is not None and "/" not in resume_token:
            raise InvalidContinuationTokenError("resume token: not one of this backend", backend="memory", operation="scan_data")
        for key in sorted(self.documents):
            token = "/".join(key)
            if resume_token is None or token > resume_token:
                yield DataScanPage((self.documents[key],), (), token)

    @override
    async def purge_expired(self, *, limit: int = 500) -> int:
        now = self._now()
        gone = [key for key, one in self.documents.items() if isinstance(one.expires_at, datetime) and one.expires_at <= now]
        gone = gone[:limit]
        for key in gone:
            del self.documents[key]
        return len(gone)
