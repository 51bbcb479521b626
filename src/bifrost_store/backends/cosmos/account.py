"""One database of an account: point reads, writes, batches and pages, each one exchange with the service, and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio
from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from bifrost_store.backends.cosmos.documents import Document
from bifrost_store.backends.cosmos.errors import is_absence
from bifrost_store.backends.cosmos.exchanges import watched

_REPEATABLE: Final[Mapping[str, Any]] = {"retry_total": 2, "retry_connect": 2, "retry_read": 2}
"""Reads are sent again whose connection was lost: at once, then after a second."""
_PASSING: Final = frozenset({410, 449})
"""The service is moving a partition, or a write is under way; the SDK leaves these to its caller on point operations."""


@dataclass(frozen=True, slots=True)
class Put:
    """Stores a document: over exactly the state that *etag* names, or where there is none."""

    document: Document
    etag: str | None = None


Parameters = Sequence[Mapping[str, Any]]


class CosmosAccount:
    """The containers of one database. Raises the SDK's errors; callers map them.

    The client is made and entered by the first call, and kept: what it knows of the account makes later calls cheap.

    Args:
        make_client: Makes the SDK's client.
        database: Its name.
    """

    def __init__(self, make_client: Callable[[], CosmosClient], database: str) -> None:
        self._make_client = make_client
        self.database = database
        self._client: CosmosClient | None = None
        self._containers: dict[str, ContainerProxy] = {}
        self._opening = anyio.Lock()

    async def client(self) -> CosmosClient:
        """Return the client, entered."""
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await _entered(self._make_client())
        return self._client

    async def _container(self, name: str) -> ContainerProxy:
        container = self._containers.get(name)
        if container is None:
            client = await self.client()
            container = client.get_database_client(self.database).get_container_client(name)
            self._containers[name] = container
        return container

    async def read(self, container: str, scope: str, name: str) -> Document | None:
        """Return one document, or None. A point read."""
        proxy = await self._container(container)
        is_repeated = False
        while True:
            try:
                with watched():
                    return await proxy.read_item(name, partition_key=scope, **_REPEATABLE)
            except CosmosHttpResponseError as error:
                if is_absence(error):
                    return None
                if is_repeated or error.status_code not in _PASSING:
                    raise
                is_repeated = True

    async def pages(
        self, container: str, scope: str | None, text: str, parameters: Parameters, *, size: int, continuation: str | None = None
    ) -> AsyncIterator[tuple[list[Document], str | None]]:
        """Go through the pages of a query, of one partition or of all; with each comes the service's token for the next one."""
        proxy = await self._container(container)
        last: dict[str, Any] = {}
        options: dict[str, Any] = {} if scope is None else {"partition_key": scope}
        pager: Any = proxy.query_items(
            text,
            parameters=[dict(parameter) for parameter in parameters],
            max_item_count=size,
            # The pager's own token is that of whatever answer the client got last, maybe another task's.
            response_hook=lambda headers, _: last.update(token=headers.get("x-ms-continuation")),
            **_REPEATABLE,
            **options,
        )
        pages = pager.by_page(continuation)
        what = "cosmos"
        while True:
            try:
                with watched(what):
                    page = [document async for document in await anext(pages)]
            except StopAsyncIteration:
                return
            what = "cosmos_short_page" if len(page) < size else "cosmos"
            yield page, last.get("token")

    async def put(self, container: str, change: Put) -> str:
        """Store one document and return its etag. Sent once, as far as we can tell the SDK; see `watched`."""
        proxy = await self._container(container)
        if change.etag is None:
            stored = await proxy.create_item(change.document, no_response=True)
        else:
            stored = await proxy.replace_item(
                change.document["id"],
                change.document,
                etag=change.etag,
                match_condition=MatchConditions.IfNotModified,
                no_response=True,
            )
        return str(stored.get_response_headers()["etag"])

    async def put_all(self, container: str, scope: str, changes: Sequence[Put]) -> list[str]:
        """Store documents of one partition, all or nothing; return their etags."""
        proxy = await self._container(container)
        results = await proxy.execute_item_batch(list(map(_operation, changes)), scope)
        return [str(result["eTag"]) for result in results]

    async def remove(self, container: str, scope: str, name: str, etag: str) -> None:
        """Remove a document for good: exactly the state that *etag* names."""
        proxy = await self._container(container)
        await proxy.delete_item(name, scope, etag=etag, match_condition=MatchConditions.IfNotModified)

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        self._containers.clear()
        if client is not None:
            await client.close()


async def _entered(client: CosmosClient) -> CosmosClient:
    try:
        await client.__aenter__()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await client.close()
        raise
    return client


def _operation(change: Put) -> tuple[Any, ...]:
    if change.etag is None:
        return ("create", (change.document,))
    return ("replace", (change.document["id"], change.document), {"if_match_etag": change.etag})
