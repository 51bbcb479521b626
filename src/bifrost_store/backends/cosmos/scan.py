"""Goes through whole containers: every document, or those that have expired."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, cast

from bifrost_store.backends.cosmos.account import CosmosAccount
from bifrost_store.backends.cosmos.documents import Document
from bifrost_store.backends.cosmos.errors import BACKEND
from bifrost_store.backends.cosmos.reader import CosmosReader
from bifrost_store.backends.protocol import ScanPage
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import Record
from bifrost_store.errors import CorruptDocumentError, InvalidContinuationTokenError

RECORD_CONTAINERS: Final = ("entities", "executions")
"""Those that hold records, in the order of a scan."""
_PAGE_SIZE: Final = 500
_ALL: Final = "SELECT * FROM c"
_EXPIRED: Final = "SELECT * FROM c WHERE c.type = @type AND c.meta.expiresAt <= @now"


class CosmosScanner:
    """Reads across partitions, in the service's own order. Raises the SDK's errors."""

    def __init__(self, account: CosmosAccount, reader: CosmosReader, clock: Clock) -> None:
        self._account = account
        self._reader = reader
        self._now = clock

    async def pages(self, resume_token: str | None) -> AsyncIterator[ScanPage]:
        """Go through every document; documents that are replaced meanwhile keep their places."""
        container, continuation = _position(resume_token)
        while container:
            pages = self._account.pages(container, None, _ALL, (), size=_PAGE_SIZE, continuation=continuation)
            following = RECORD_CONTAINERS[RECORD_CONTAINERS.index(container) + 1 :]
            async for documents, token in pages:
                place = [container, token] if token else [following[0] if following else "", None]
                records, unreadable = self._read([document for document in documents if not self._reader.is_internal(document)])
                errors, rejected = tuple(unreadable), tuple(unreadable.values())
                yield ScanPage(tuple(records), errors, dump_json(place), rejected)
            container, continuation = following[0] if following else "", None

    def _read(self, documents: Sequence[Document]) -> tuple[list[Record], dict[CorruptDocumentError, Document]]:
        records: list[Record] = []
        unreadable: dict[CorruptDocumentError, Document] = {}
        for document in documents:
            try:
                records.append(self._reader.decode(document))
            except CorruptDocumentError as error:
                unreadable[error] = document
        return records, unreadable

    async def expired(self, kind: str) -> AsyncIterator[Record]:
        """Go through the records of *kind* that have expired and that the service has not removed yet."""
        parameters = [{"name": "@type", "value": kind}, {"name": "@now", "value": format_time(self._now())}]
        async for documents, _ in self._account.pages(self._reader.container(kind), None, _EXPIRED, parameters, size=_PAGE_SIZE):
            for record in self._read(documents)[0]:
                yield record


def _position(resume_token: str | None) -> tuple[str, str | None]:
    """Return the container and the service's token to go on with; the empty name stands for the end."""
    if resume_token is None:
        return RECORD_CONTAINERS[0], None
    try:
        container, token = load_json(resume_token)
    except (ValueError, TypeError):
        container, token = None, None
    if container not in (*RECORD_CONTAINERS, "") or not isinstance(token, str | None):
        message = "resume token: not one that this backend gave out; scan from the beginning"
        raise InvalidContinuationTokenError(message, backend=BACKEND, operation="scan")
    return cast(str, container), token
