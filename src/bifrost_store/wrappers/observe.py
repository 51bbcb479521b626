"""Shows an `Observer` every operation of a backend, and of the blob store that goes with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final, cast

from bifrost_store.backends.protocol import (
    Backend,
    Difference,
    Operation,
    RepairReport,
    Result,
    ScanPage,
    SupportsLayout,
    SupportsRepair,
)
from bifrost_store.blobs.protocol import CONTAINERS, Blob, BlobInfo, BlobStore, Holder
from bifrost_store.core.page import Page
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import Etag
from bifrost_store.wrappers.checked import operation_key
from bifrost_store.wrappers.observer import Observer, Place

_SYSTEMS: Final = {"table": "azure.table", "cosmos": "azure.cosmosdb"}
"""Names of OpenTelemetry's, or in its manner, where they differ from ours."""
_BLOBS_AT_ONCE: Final = 500


class ObservedBackend:
    """A `Backend` whose operations are observed. What `observed_backend` returns."""

    def __init__(self, inner: Backend, observer: Observer) -> None:
        self.inner = inner
        self._observer = observer
        self._place = Place("backend", inner.name, _SYSTEMS.get(inner.name, inner.name))

    @property
    def name(self) -> str:
        return self.inner.name

    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        with self._operation("get", key.kind):
            return await self.inner.get(key, fallback=fallback)

    async def stored(self, key: Key) -> Record | None:
        with self._operation("stored", key.kind):
            return await self.inner.stored(key)

    async def create(self, record: Record, *, epoch: int = 0) -> Record:
        with self._operation("create", record.key.kind):
            return await self.inner.create(record, epoch=epoch)

    async def replace(self, record: Record, expected: Etag, *, epoch: int = 0) -> Record:
        with self._operation("replace", record.key.kind):
            return await self.inner.replace(record, expected, epoch=epoch)

    async def delete(self, key: Key, *, expected: Etag | None = None, epoch: int = 0) -> Record | None:
        with self._operation("delete", key.kind):
            return await self.inner.delete(key, expected=expected, epoch=epoch)

    async def apply(self, record: Record, *, over: str | None = None) -> bool:
        with self._operation("apply", record.key.kind):
            return await self.inner.apply(record, over=over)

    async def batch(self, operations: Sequence[Operation], *, epoch: int = 0) -> list[Result]:
        with self._operation("batch", operation_key(operations[0]).kind, batch_size=len(operations)):
            return await self.inner.batch(operations, epoch=epoch)

    async def query(self, query: Query) -> Page[Record]:
        with self._operation("query", query.kind):
            return await self.inner.query(query)

    async def aggregate(self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = ()) -> list[Group]:
        with self._operation("aggregate", query.kind):
            return await self.inner.aggregate(query, group_by=group_by, sum_of=sum_of)

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        """See `Backend.scan`. Each page is an operation, and so is finding that there is none left."""
        pages = aiter(self.inner.scan(resume_token))
        while True:
            with self._operation("scan"):
                page = await anext(pages, None)
            if page is None:
                return
            yield page

    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        with self._operation("purge_expired", kind):
            return await self.inner.purge_expired(kind=kind, limit=limit)

    async def provision(self) -> None:
        with self._operation("provision"):
            await self.inner.provision()

    async def ping(self) -> str:
        with self._operation("ping"):
            return await self.inner.ping()

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _operation(self, name: str, kind: str | None = None, *, batch_size: int = 1) -> AbstractContextManager[None]:
        return self._observer.operation(self._place, name, kind, batch_size=batch_size)


class _RepairableBackend(ObservedBackend):
    async def repair(self, *, old_application_stopped: bool = False, progress: Progress = silent) -> RepairReport:
        with self._operation("repair"):
            return await cast(SupportsRepair, self.inner).repair(old_application_stopped=old_application_stopped, progress=progress)


class _LaidOutBackend(ObservedBackend):
    async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
        with self._operation("differences"):
            return await cast(SupportsLayout, self.inner).differences(missing_ok=missing_ok)

    async def mend(self) -> list[Difference]:
        with self._operation("mend"):
            return await cast(SupportsLayout, self.inner).mend()


class _RepairableLaidOutBackend(_RepairableBackend, _LaidOutBackend):
    pass


def observed_backend(inner: Backend, observer: Observer) -> ObservedBackend:
    """Return *inner*, shown to *observer*; what can be repaired or mended still can."""
    match isinstance(inner, SupportsRepair), isinstance(inner, SupportsLayout):
        case True, True:
            return _RepairableLaidOutBackend(inner, observer)
        case True, False:
            return _RepairableBackend(inner, observer)
        case False, True:
            return _LaidOutBackend(inner, observer)
    return ObservedBackend(inner, observer)


class ObservedBlobStore:
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

    async def get(self, container: str, name: str) -> bytes | None:
        with self._operation("get", container):
            return await self._inner.get(container, name)

    async def read(self, container: str, name: str) -> Blob | None:
        with self._operation("read", container):
            return await self._inner.read(container, name)

    async def describe(self, container: str, name: str) -> BlobInfo | None:
        with self._operation("describe", container):
            return await self._inner.describe(container, name)

    async def copy(self, container: str, source: str, target: str) -> None:
        with self._operation("copy", container):
            await self._inner.copy(container, source, target)

    async def delete(self, container: str, name: str) -> bool:
        with self._operation("delete", container):
            return await self._inner.delete(container, name)

    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        with self._operation("copy", container):
            return await self._inner.copy_for(owner, container, source, target, over_unknown=over_unknown)

    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        with self._operation("delete", container):
            return await self._inner.delete_for(owner, container, name, over_unknown=over_unknown)

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

    async def address(self, container: str, name: str) -> str:
        return await self._inner.address(container, name)

    async def link(self, container: str, name: str, *, now: datetime, expires_at: datetime) -> str:
        with self._operation("link", container):
            return await self._inner.link(container, name, now=now, expires_at=expires_at)

    async def read_link(self, container: str, url: str, *, now: datetime) -> Blob | None:
        with self._operation("read_link", container):
            return await self._inner.read_link(container, url, now=now)

    async def provision(self) -> None:
        with self._operation("provision"):
            await self._inner.provision()

    async def ping(self) -> str:
        with self._operation("ping"):
            return await self._inner.ping()

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
