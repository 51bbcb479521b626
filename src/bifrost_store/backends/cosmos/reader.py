"""Reads single records by key, those that are deleted or expired too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bifrost_store.backends.cosmos.account import CosmosAccount
from bifrost_store.backends.cosmos.documents import Document, record_from_document
from bifrost_store.backends.cosmos.feed_items import is_internal
from bifrost_store.backends.cosmos.ids import document_id
from bifrost_store.backends.cosmos.layout import CONTAINER_OF, CONTAINERS
from bifrost_store.core.record import Key, Record
from bifrost_store.core.spec import Specs

_BY_ID: Final = "SELECT * FROM c WHERE c.scope = @scope AND ARRAY_CONTAINS(@ids, c.id)"


class CosmosReader:
    """Point reads. Raises the SDK's errors, and CorruptDocumentError."""

    def __init__(self, account: CosmosAccount, specs: Specs) -> None:
        self._account = account
        self._specs = specs

    def container(self, kind: str) -> str:
        """Return the name of the container that holds *kind*."""
        return CONTAINER_OF[self._specs[kind].feed]

    def has_ttl(self, kind: str) -> bool:
        """Return whether every document of *kind* must say how long it lives, as its container would decide otherwise."""
        return CONTAINERS[self.container(kind)].default_ttl not in (None, -1)

    def fields(self, kind: str) -> frozenset[str]:
        """Return the names that bodies of *kind* have; none where they may have any."""
        return self._specs[kind].fields or frozenset()

    def is_internal(self, document: Document) -> bool:
        """Return whether *document* is of the library's own, tombstones included."""
        return is_internal(document, self._specs)

    def decode(self, document: Document) -> Record:
        """Return the record in *document*."""
        return record_from_document(document, self._specs)

    async def state(self, key: Key) -> Record | None:
        """Return what is stored at *key*."""
        document = await self._account.read(self.container(key.kind), key.scope.value, document_id(key))
        return None if document is None else self.decode(document)

    async def states(self, keys: Sequence[Key]) -> list[Record | None]:
        """Return what is stored at each of *keys*, which are of one kind and scope, in one request."""
        if len(keys) == 1:
            return [await self.state(keys[0])]
        scope = keys[0].scope.value
        names = [document_id(key) for key in keys]
        parameters: list[dict[str, Any]] = [{"name": "@scope", "value": scope}, {"name": "@ids", "value": names}]
        pages = self._account.pages(self.container(keys[0].kind), scope, _BY_ID, parameters, size=len(keys))
        found = {document["id"]: document async for page, _ in pages for document in page}
        return [self.decode(found[name]) if name in found else None for name in names]
