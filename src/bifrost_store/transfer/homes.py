"""Which blob store a blob belongs to, while scopes are spread over several."""

from __future__ import annotations

from pathlib import Path

from bifrost_store.blobs.protocol import BRANDING, EXECUTION_DATA, BlobStore
from bifrost_store.core.scope import Scope
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError
from bifrost_store.store import Store
from bifrost_store.transfer.lines import record_of


class BlobHomes:
    """Finds the blob stores of blobs by their names: payloads begin with an execution's id, branding with its scope.

    Args:
        store: Whose flag decides.
        records: A dump's ``records.jsonl``, which says in which scope an execution is. Read only if there are several stores.
    """

    def __init__(self, store: Store, records: Path) -> None:
        self._store = store
        self.stores = store.backend.all_blobs()
        self._scopes = _execution_scopes(records) if len(self.stores) > 1 else {}

    async def of(self, container: str, name: str) -> list[BlobStore]:
        """Return the store of the blob's scope, or all of them if nothing tells its scope."""
        scope = self._scope(container, name.partition("/")[0]) if len(self.stores) > 1 else None
        return self.stores if scope is None else [await self._store.backend.present_blobs(scope)]

    def _scope(self, container: str, first_part: str) -> Scope | None:
        if container == EXECUTION_DATA:
            return self._scopes.get(first_part)
        try:
            return Scope.from_partition_key(first_part) if container == BRANDING else None
        except InvalidKeyError:
            return None


def _execution_scopes(records: Path) -> dict[str, Scope]:
    scopes: dict[str, Scope] = {}
    with records.open("rb") as lines:
        for line in lines:
            try:
                key = record_of(line).key
            except CorruptDocumentError:
                continue
            if key.kind == "execution":
                scopes[key.id] = key.scope
    return scopes
