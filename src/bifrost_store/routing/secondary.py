"""A secondary as long as it is this migration's: while it has no copy of the control document, it is as if it did not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from bifrost_store.backends.protocol import Backend, Operation, Result, ScanPage
from bifrost_store.core.page import Page
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import Etag
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.routing.copies import Lack


class GuardedSecondary:
    """A `Backend` that a migration tells of its writes. Rule D5: nothing is read from or written to a store that is not its own.

    Args:
        inner: The store, addressed directly.
        lack: Why it is not this migration's, as was seen last; None where it is.
    """

    def __init__(self, inner: Backend, lack: Callable[[], Lack | None]) -> None:
        self._inner = inner
        self._lack = lack

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def _own(self) -> Backend:
        lack = self._lack()
        if lack is not None:
            raise BackendUnavailableError(f"nothing is sent to {lack.store}, which {lack.reason}", backend=lack.store)
        return self._inner

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        return await self._own.get(key, fallback=fallback)

    async def stored(self, key: Key) -> Record | None:
        return await self._own.stored(key)

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        return await self._own.create(record, epoch=epoch)

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        return await self._own.replace(record, expected, epoch=epoch)

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> Record | None:
        return await self._own.delete(key, expected=expected, epoch=epoch)

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        return await self._own.apply(record, over=over)

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Result]:
        return await self._own.batch(operations, epoch=epoch)

    async def query(self, query: Query) -> Page[Record]:
        return await self._own.query(query)

    async def aggregate(self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = ()) -> list[Group]:
        return await self._own.aggregate(query, group_by=group_by, sum_of=sum_of)

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        async for page in self._own.scan(resume_token):
            yield page

    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        return await self._own.purge_expired(kind=kind, limit=limit)

    async def provision(self) -> None:
        await self._own.provision()

    async def ping(self) -> str:
        return await self._own.ping()

    async def aclose(self) -> None:
        """The store stays open: whoever opened it closes it."""
