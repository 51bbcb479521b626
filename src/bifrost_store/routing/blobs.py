"""The blob store that follows the flag: each call goes where its scope's payloads are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from typing_extensions import override

from bifrost_store.blobs.protocol import Blob, BlobInfo, BlobStore, Holder


class RoutedBlobStore(BlobStore):
    """A `BlobStore` for one scope.

    Args:
        find: Returns the store that the scope's payloads are in now.
    """

    def __init__(self, find: Callable[[], Awaitable[BlobStore]]) -> None:
        self._find = find

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
        await (await self._find()).put(container, name, data, content_type=content_type, owner=owner)

    @override
    async def get(self, container: str, name: str) -> bytes | None:
        return await (await self._find()).get(container, name)

    @override
    async def read(self, container: str, name: str) -> Blob | None:
        return await (await self._find()).read(container, name)

    @override
    async def describe(self, container: str, name: str) -> BlobInfo | None:
        return await (await self._find()).describe(container, name)

    @override
    async def copy(self, container: str, source: str, target: str) -> None:
        await (await self._find()).copy(container, source, target)

    @override
    async def delete(self, container: str, name: str) -> bool:
        return await (await self._find()).delete(container, name)

    @override
    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        return await (await self._find()).copy_for(owner, container, source, target, over_unknown=over_unknown)

    @override
    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        return await (await self._find()).delete_for(owner, container, name, over_unknown=over_unknown)

    @override
    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        async for blob in (await self._find()).list(container, prefix):
            yield blob

    @override
    async def address(self, container: str, name: str) -> str:
        return await (await self._find()).address(container, name)

    @override
    async def link(self, container: str, name: str, *, now: datetime, expires_at: datetime) -> str:
        return await (await self._find()).link(container, name, now=now, expires_at=expires_at)

    @override
    async def read_link(self, container: str, url: str, *, now: datetime) -> Blob | None:
        return await (await self._find()).read_link(container, url, now=now)

    @override
    async def provision(self) -> None:
        await (await self._find()).provision()

    @override
    async def ping(self) -> str:
        return await (await self._find()).ping()

    @override
    async def aclose(self) -> None:
        """Nothing: the store behind it is closed by who opened it."""
