"""One database of an account: point reads, writes, batches and pages, each one exchange with the service, and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from bifrost_store.backends.cosmos.documents import Document
from bifrost_store.backends.cosmos.errors import is_absence, understood
from bifrost_store.backends.cosmos.exchanges import counts_as, watched
from bifrost_store.core.attempts import Attempt, sending

T = TypeVar("T")
_REPEATABLE: Final[Mapping[str, Any]] = {"retry_total": 2, "retry_connect": 2, "retry_read": 2}
"""Reads are sent again whose connection was lost: at once, then after a second."""
_PASSING: Final = frozenset({410, 449})
"""The service is moving a partition, or a write is under way; the SDK leaves these to its caller on point operations."""


@dataclass(frozen=True, slots=True)
class Put:
    """Stores a document: over exactly the state that *etag* names, or where there is none."""

    document: Document
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Removes a document for good: exactly the state that *etag* names."""

    name: str
    etag: str


Change = Put | Remove
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

    async def container(self, name: str) -> ContainerProxy:
        """Return a container; nothing is asked of the service."""
        container = self._containers.get(name)
        if container is None:
            client = await self.client()
            container = client.get_database_client(self.database).get_container_client(name)
            self._containers[name] = container
        return container

    async def read(self, container: str, scope: str, name: str) -> Document | None:
        """Return one document, or None. A point read."""
        proxy = await self.container(container)
        is_repeated = False
        while True:
            try:
                with watched(), understood():
                    return _checked(dict, await proxy.read_item(name, partition_key=scope, **_REPEATABLE))
            except CosmosHttpResponseError as error:
                if is_absence(error):
                    return None
                if is_repeated or error.status_code not in _PASSING:
                    raise
                is_repeated = True

    def pages(
        self, container: str, scope: str | None, text: str, parameters: Parameters, *, size: int, continuation: str | None = None
    ) -> AsyncIterator[tuple[list[Document], str | None]]:
        """Go through the pages of a query, of one partition or of all; with each comes the service's token for the next one."""
        return self._rows(dict, container, scope, text, parameters, size, continuation)

    async def count(self, container: str, text: str, parameters: Parameters) -> int:
        """Return what a query counts in all partitions: the SDK adds up the one number that each of them gives."""
        pages = self._rows(int, container, None, text, parameters, 1, None)
        return sum([number async for page, _ in pages for number in page])

    async def _rows(
        self, of: type[T], container: str, scope: str | None, text: str, parameters: Parameters, size: int, continuation: str | None
    ) -> AsyncIterator[tuple[list[T], str | None]]:
        proxy = await self.container(container)
        parameters = [dict(parameter) for parameter in parameters]
        options: dict[str, Any] = {"parameters": parameters, "max_item_count": size, **_REPEATABLE}
        if scope is not None:
            options["partition_key"] = scope
        is_repeated = has_begun = False
        while True:
            try:
                async for page, following in _pages(of, proxy, text, options, continuation):
                    has_begun, continuation = True, following
                    yield page, following
                return
            except CosmosHttpResponseError as error:
                # What is sorted over several partitions has no token to go on with.
                is_lost = has_begun and continuation is None
                if is_repeated or is_lost or error.status_code not in _PASSING:
                    raise
                is_repeated = True

    async def write(self, container: str, scope: str, changes: Sequence[Change], attempt: Attempt | None = None) -> list[str]:
        """Carry out changes in one partition, all or nothing; return the new etags, empty for removed documents.

        *attempt* is the write that they are part of.
        """
        proxy = await self.container(container)
        # Always a batch, which is a POST: aiohttp sends a PUT or DELETE again whose connection was lost, without a word. And
        # only a batch names its partition: a lone create goes wherever the container's own definition would have it.
        with sending(attempt) as sendings, understood(sendings):
            results = await proxy.execute_item_batch([_operation(change) for change in changes], scope)
            return [str(result.get("eTag") or "") for _, result in zip(changes, results, strict=True)]

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        self._containers.clear()
        if client is not None:
            await client.close()


async def _entered(client: CosmosClient) -> CosmosClient:
    try:
        with understood():
            await client.__aenter__()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await client.close()
        raise
    return client


def _operation(change: Change) -> tuple[Any, ...]:
    match change:
        case Put(document, None):
            return ("create", (document,))
        case Put(document, etag):
            return ("replace", (document["id"], document), {"if_match_etag": etag})
        case Remove(name, etag):
            return ("delete", (name,), {"if_match_etag": etag})


async def _pages(
    of: type[T], proxy: ContainerProxy, text: str, options: Mapping[str, Any], continuation: str | None
) -> AsyncIterator[tuple[list[T], str | None]]:
    last: dict[str, str | None] = {}

    what = "cosmos"

    def note(headers: Mapping[str, str], answer: Mapping[str, Any]) -> None:
        nonlocal what
        # The pager's own token is that of whatever answer the client got last, maybe another task's.
        last["token"] = headers.get("x-ms-continuation")
        what = "cosmos_short_page" if len(answer.get("Documents", ())) < options["max_item_count"] else "cosmos"
        counts_as(what)  # The pager swallows pages that are empty.

    pager: Any = proxy.query_items(text, response_hook=note, **options)
    pages = pager.by_page(continuation)
    while True:
        try:
            with watched(what), understood():
                page = [_checked(of, row) async for row in await anext(pages)]
        except StopAsyncIteration:
            return
        yield page, last.get("token")


def _checked(of: type[T], row: Any) -> T:
    if not isinstance(row, of):
        raise TypeError(f"no {of.__name__}")
    return row
