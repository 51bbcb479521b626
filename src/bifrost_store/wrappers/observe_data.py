"""Shows an `Observer` every operation on execution data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from typing_extensions import override

from bifrost_store.backends.execution_data import DataPage, DataScanPage, ExecutionData
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run
from bifrost_store.errors import StoreError

_COLLECTION: Final = "execution_data"


class _Operation(Protocol):
    def __call__(self, name: str, kind: str | None = None, *, batch_size: int = 1) -> AbstractContextManager[None]: ...


class ObservedExecutionData(ExecutionData):
    """An `ExecutionData` whose operations are observed.

    Args:
        operation: Observes a block as an operation of the backend.
    """

    def __init__(self, inner: ExecutionData, operation: _Operation) -> None:
        self._inner = inner
        self._operation = operation

    @property
    @override
    def shares_transactions(self) -> bool:
        return self._inner.shares_transactions

    @override
    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        """See `ExecutionData.append`. Its batch size is the number of documents."""
        with self._operation("append_data", _COLLECTION, batch_size=sum(map(len, flushes))):
            return await self._inner.append(flushes)

    @override
    async def get(self, run: Run, document_id: str) -> DataDocument | None:
        with self._operation("get_data", _COLLECTION):
            return await self._inner.get(run, document_id)

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
        with self._operation("read_data", _COLLECTION):
            return await self._inner.read(run, ranges, types=types, limit=limit, backwards=backwards)

    @override
    async def remove(self, run: Run, document_ids: Sequence[str] | None = None) -> int:
        with self._operation("remove_data", _COLLECTION):
            return await self._inner.remove(run, document_ids)

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[DataScanPage]:
        """See `ExecutionData.scan`. Each page is an operation, and so is finding that there is none left."""
        pages = aiter(self._inner.scan(resume_token))
        while True:
            with self._operation("scan_data", _COLLECTION):
                page = await anext(pages, None)
            if page is None:
                return
            yield page

    @override
    async def purge_expired(self, *, limit: int = 500) -> int:
        with self._operation("purge_data", _COLLECTION):
            return await self._inner.purge_expired(limit=limit)
