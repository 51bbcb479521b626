"""Payloads that lie in execution data, in a document of their own beside what their run leaves while it goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock
from bifrost_store.core.execution_data import DataDocument, payload_id
from bifrost_store.core.record import NEVER, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.repositories.execution_data.places import FindPlace, run_of
from bifrost_store.repositories.executions.payloads import NewBlob, document_id, write_id_of

MAX_DOCUMENT_BYTES: Final = 1_900_000
"""Of a payload that lies in a document, as `body_bytes` counts: Cosmos DB takes documents of 2 MB (service quotas)."""

AllStores = Callable[[], Awaitable[Mapping[str, ExecutionData]]]
"""Returns the execution data of every store that may hold some, by the store's name."""
IsOn = Callable[[Scope], Awaitable[bool]]
"""Whether what runs of a scope leave is stored while they go on."""


def only_store(backend: Backend) -> AllStores:
    """Return what tells the execution data of one store, if it keeps any."""

    async def stores() -> dict[str, ExecutionData]:
        return {} if backend.execution_data is None else {backend.name: backend.execution_data}

    return stores


class PayloadDocuments:
    """Reads and writes them. The body of a document is the payload's name and value.

    Args:
        place: Tells where a scope's execution data is.
        stores: Returns every place there is.
        is_on: Tells for which scopes new payloads go there.
        retention: How long after its last change a run is kept; what belongs to it is kept twice as long.
    """

    def __init__(self, place: FindPlace, stores: AllStores, is_on: IsOn, *, clock: Clock, retention: timedelta | None) -> None:
        self._place = place
        self._stores = stores
        self._is_on = is_on
        self._clock = clock
        self._retention = retention

    async def take(self, scope: Scope) -> bool:
        """Return whether new payloads of *scope* go to documents: where every store of its route keeps such, and it is on."""
        place = await self._place(scope)
        return place.data is not None and place.is_complete and await self._is_on(scope)

    async def put(self, record: Record, new: Sequence[NewBlob]) -> None:
        """Store payloads of *record*. Again, it changes nothing.

        Raises:
            StoreError: One of them is not stored.
        """
        if not new:
            return
        place = await self._place(record.key.scope)
        assert place.data is not None
        for error in await place.data.append([[self._document(record, blob)] for blob in new]):
            if error is not None:
                raise error

    def _document(self, record: Record, blob: NewBlob) -> DataDocument:
        now = self._clock()
        write_id = write_id_of(blob.name)
        return DataDocument(
            run_of(record),
            payload_id(write_id),
            "payload",
            {"name": blob.name, "value": blob.value},
            now,
            write_id,
            NEVER if self._retention is None else now + 2 * self._retention,
        )

    async def get(self, record: Record, name: str) -> tuple[Any] | None:
        """Return the value of the payload *name* of a run, in a tuple of its own; None if no document holds it.

        Raises:
            CorruptDocumentError: The document cannot be read.
        """
        data = (await self._place(record.key.scope)).data
        document = None if data is None else await data.get(run_of(record), document_id(name))
        return None if document is None else (document.body.get("value"),)

    async def remove(self, record: Record, names: Sequence[str]) -> int:
        """Remove payloads of a run; return how many of them were documents."""
        data = (await self._place(record.key.scope)).data
        return 0 if data is None or not names else await data.remove(run_of(record), list(map(document_id, names)))

    async def remove_runs(self, records: Sequence[Record]) -> None:
        """Remove everything that runs which are gone have left, payloads and all else."""

        async def remove(record: Record) -> None:
            data = (await self._place(record.key.scope)).data
            if data is not None:
                await data.remove(run_of(record))

        # Of a record that could not be read nothing tells which run it was: what it left ends by its own expiry.
        await for_each(remove, [record for record in records if record.body])

    async def purge_expired(self) -> None:
        """Remove what has expired of everything that runs have left."""
        for data in (await self._stores()).values():
            while await data.purge_expired():
                pass
