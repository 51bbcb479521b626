"""The power of a backend to keep what runs leave while they go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run
from bifrost_store.core.record import Body
from bifrost_store.errors import CorruptDocumentError, StoreError


@dataclass(frozen=True, slots=True)
class DataPage:
    """Some documents of one run.

    Attributes:
        documents: In the order asked for.
        is_last: No document that was there when the page was read comes after them.
        unreadable: Documents in this stretch that cannot be read, each named by an error.
    """

    documents: tuple[DataDocument, ...]
    is_last: bool
    unreadable: tuple[CorruptDocumentError, ...] = ()


@dataclass(frozen=True, slots=True)
class DataScanPage:
    """A stretch of everything stored; as `bifrost_store.backends.protocol.ScanPage`."""

    documents: tuple[DataDocument, ...]
    unreadable: tuple[CorruptDocumentError, ...]
    resume_token: str
    rejected: tuple[Body, ...] = ()


def data_page(found: Iterable[DataDocument | CorruptDocumentError], limit: int, *, is_complete: bool) -> DataPage:
    """Return the first *limit* documents of *found*, with what is unreadable before the next one.

    Args:
        is_complete: Nothing comes after *found*.
    """
    documents: list[DataDocument] = []
    unreadable: list[CorruptDocumentError] = []
    for one in found:
        if len(documents) == limit:
            return DataPage(tuple(documents), False, tuple(unreadable))
        if isinstance(one, DataDocument):
            documents.append(one)
        else:
            unreadable.append(one)
    return DataPage(tuple(documents), is_complete, tuple(unreadable))


def data_scan_page(found: Iterable[DataDocument | CorruptDocumentError], stored: Iterable[Body], resume_token: str) -> DataScanPage:
    """Return a page of a scan: *found* is what could be read of each of *stored*."""
    pairs = list(zip(found, stored, strict=True))
    return DataScanPage(
        tuple(one for one, _ in pairs if isinstance(one, DataDocument)),
        tuple(one for one, _ in pairs if not isinstance(one, DataDocument)),
        resume_token,
        tuple(body for one, body in pairs if not isinstance(one, DataDocument)),
    )


class ExecutionData(Protocol):
    """Keeps documents that are created once, never changed, and removed with their run or when they have expired.

    Safe for concurrent use within one event loop. A method that is given a run never returns, counts or removes a document of
    another one: of another scope with the same execution id, or of a run that had this id before.
    """

    @property
    def shares_transactions(self) -> bool:
        """Whether several flushes in one call cost about what one does, and wait for each other otherwise."""
        ...

    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        """Store flushes, each all or nothing: one request each, at the same time, or one transaction for all.

        Args:
            flushes: Each has 1 to 100 documents of one run under one write id, of at most `MAX_FLUSH_BYTES` in all. Those of one
                recording go in calls of their own, where their order matters.

        Returns:
            Per flush None where it is stored, or was stored under these write ids before: a flush whose answer was lost is sent
            again as it was. Else the error: `DocumentExistsError` where another writer has one of the ids, and then nothing of
            this flush is or will be stored; anything else may be tried again.
        """
        ...

    async def get(self, run: Run, document_id: str) -> DataDocument | None:
        """Return one document, or None. A point read.

        Raises:
            CorruptDocumentError: It is there but cannot be read.
        """
        ...

    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        """Return documents of a run whose ids lie in *ranges*, in the order of ids; one request.

        Args:
            ranges: 1 to 100, in order; they do not overlap.
            types: Only these; None: all.
            limit: 1 to 500. A page may be shorter all the same: it ends at about 4 MB.
            backwards: The last ids first.
        """
        ...

    async def remove(self, run: Run, document_ids: Sequence[str] | None = None) -> int:
        """Remove documents of a run for good, by default all, and return how many. What is not there is no error.

        Args:
            document_ids: At most 500.
        """
        ...

    def scan(self, resume_token: str | None = None) -> AsyncIterator[DataScanPage]:
        """Go through every document of every run, expired ones included.

        Raises:
            InvalidContinuationTokenError: The token is none of this backend.
        """
        ...

    async def purge_expired(self, *, limit: int = 500) -> int:
        """Remove up to *limit* expired documents for good and return how many. 0: none are left."""
        ...


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where the execution data of one scope goes, and is read.

    Attributes:
        store: Name of the backend that keeps it; None where no store of the scope's route does.
        data: That backend's.
        is_complete: Every store of the route keeps execution data. While one does not, runs that end leave blobs for it.
    """

    store: str | None
    data: ExecutionData | None
    is_complete: bool
