"""Shows an `Observer` every operation of a backend, and of the blob store that goes with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend, Layout, Repair, ScanPage
from bifrost_store.backends.registry import BACKENDS
from bifrost_store.blobs.protocol import CONTAINERS, Blob, BlobInfo, BlobStore, Holder
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Operation, Result, name_of
from bifrost_store.core.page import Page
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.wrappers.observer import Observer, Place
from bifrost_store.wrappers.pass_through import PassThrough

if TYPE_CHECKING:
    from bifrost_store.backends.execution_data import ExecutionData
    from bifrost_store.backends.feed import Feed

_BLOBS_AT_ONCE: Final = 500


class ObservedBackend(PassThrough):
    """A `Backend` whose operations are observed."""

    def __init__(self, inner: Backend, observer: Observer) -> None:
        super().__init__(inner)
        self._observer = observer
        self._place = Place("backend", inner.name, BACKENDS[inner.name].telemetry_name if inner.name in BACKENDS else inner.name)

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        with self._operation("get", key.kind):
            return await self._inner.get(key, fallback=fallback)

    @override
    async def stored(self, key: Key) -> Record | None:
        with self._operation("stored", key.kind):
            return await self._inner.stored(key)

    @override
    async def stored_all(self, keys: Sequence[Key]) -> list[Record | None]:
        with self._operation("stored", keys[0].kind, batch_size=len(keys)):
            return await self._inner.stored_all(keys)

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        with self._operation(name_of(operations), operations[0].key.kind, batch_size=len(operations)):
            return await self._inner.write(operations, attempt=attempt)

    @override
    async def query(self, query: Query) -> Page[Record]:
        with self._operation("query", query.kind):
            return await self._inner.query(query)

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        with self._operation("aggregate", query.kind):
            return await self._inner.aggregate(query, group_by=group_by, sum_of=sum_of, histogram_of=histogram_of)

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        """See `Backend.scan`. Each page is an operation, and so is finding that there is none left."""
        pages = aiter(self._inner.scan(resume_token))
        while True:
            with self._operation("scan"):
                page = await anext(pages, None)
            if page is None:
                return
            yield page

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        with self._operation("purge_expired", kind):
            return await self._inner.purge_expired(kind=kind, limit=limit)

    @override
    async def provision(self) -> None:
        with self._operation("provision"):
            await self._inner.provision()

    @override
    async def ping(self) -> str:
        with self._operation("ping"):
            return await self._inner.ping()

    @property
    @override
    def repair(self) -> Repair | None:
        from bifrost_store.wrappers.observe_powers import ObservedRepair  # noqa: PLC0415 - for those who use it

        inner = self._inner.repair
        return None if inner is None else ObservedRepair(inner, self._operation)

    @property
    @override
    def layout(self) -> Layout | None:
        from bifrost_store.wrappers.observe_powers import ObservedLayout  # noqa: PLC0415 - for those who use it

        inner = self._inner.layout
        return None if inner is None else ObservedLayout(inner, self._operation)

    @property
    @override
    def feed(self) -> Feed | None:
        from bifrost_store.wrappers.observe_powers import ObservedFeed  # noqa: PLC0415 - for those who use it

        inner = self._inner.feed
        return None if inner is None else ObservedFeed(inner, self._operation)

    @property
    @override
    def execution_data(self) -> ExecutionData | None:
        from bifrost_store.wrappers.observe_data import ObservedExecutionData  # noqa: PLC0415 - for those who keep some

        inner = self._inner.execution_data
        return None if inner is None else ObservedExecutionData(inner, self._operation)

    def _operation(self, name: str, kind: str | None = None, *, batch_size: int = 1) -> AbstractContextManager[None]:
        return self._observer.operation(self._place, name, kind, batch_size=batch_size)


class ObservedBlobStore(BlobStore):
    """A `BlobStore` whose operations are observed.

    Args:
        inner: Does the work.
        backend: Name of the backend that it goes with.
        observer: Sees it.
    """

    def __init__(self, inner: BlobStore, backend: str, observer: Observer) -> None:
        self._inner = inner
        self._observer = observer
        self._place = Place("blobs", backend, "blob")

    @override
    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        owner: str | None = None,
    ) -> None:
        with self._operation("put", container):
            await self._inner.put(container, name, data, content_type=content_type, owner=owner)

    @override
    async def get(self, container: str, name: str) -> bytes | None:
        with self._operation("get", container):
            return await self._inner.get(container, name)

    @override
    async def read(self, container: str, name: str) -> Blob | None:
        with self._operation("read", container):
            return await self._inner.read(container, name)

    @override
    async def describe(self, container: str, name: str) -> BlobInfo | None:
        with self._operation("describe", container):
            return await self._inner.describe(container, name)

    @override
    async def copy(self, container: str, source: str, target: str) -> None:
        with self._operation("copy", container):
            await self._inner.copy(container, source, target)

    @override
    async def delete(self, container: str, name: str) -> bool:
        with self._operation("delete", container):
            return await self._inner.delete(container, name)

    @override
    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        with self._operation("copy", container):
            return await self._inner.copy_for(owner, container, source, target, over_unknown=over_unknown)

    @override
    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        with self._operation("delete", container):
            return await self._inner.delete_for(owner, container, name, over_unknown=over_unknown)

    @override
    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """See `BlobStore.list`. Every 500 blobs are an operation."""
        blobs = aiter(self._inner.list(container, prefix))
        while True:
            with self._operation("list", container):
                part = await _next(blobs)
            for blob in part:
                yield blob
            if len(part) < _BLOBS_AT_ONCE:
                return

    @override
    async def address(self, container: str, name: str) -> str:
        return await self._inner.address(container, name)

    @override
    async def link(self, container: str, name: str, *, now: datetime, expires_at: datetime) -> str:
        with self._operation("link", container):
            return await self._inner.link(container, name, now=now, expires_at=expires_at)

    @override
    async def read_link(self, container: str, url: str, *, now: datetime) -> Blob | None:
        with self._operation("read_link", container):
            return await self._inner.read_link(container, url, now=now)

    @override
    async def provision(self) -> None:
        with self._operation("provision"):
            await self._inner.provision()

    @override
    async def ping(self) -> str:
        with self._operation("ping"):
            return await self._inner.ping()

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()

    def _operation(self, name: str, container: str | None = None) -> AbstractContextManager[None]:
        # A name that is none of ours may be anybody's.
        return self._observer.operation(self._place, name, container if container in CONTAINERS else None)


async def _next(blobs: AsyncIterator[BlobInfo]) -> list[BlobInfo]:
    found = []
    async for blob in blobs:
        found.append(blob)
        if len(found) == _BLOBS_AT_ONCE:
            break
    return found
