"""Which blob stores a blob belongs to, while scopes are spread over several, and whose a name is that scopes could share."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from pathlib import Path

from bifrost_store.blobs.protocol import BRANDING, EXECUTION_DATA, BlobStore
from bifrost_store.core.query import ID, Eq
from bifrost_store.core.scope import Scope
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError
from bifrost_store.repositories.executions.payloads import all_todays_names
from bifrost_store.repositories.reading import all_records
from bifrost_store.store import Store
from bifrost_store.transfer.blobs import BlobLine
from bifrost_store.transfer.lines import record_of


class BlobHomes:
    """Finds the blob stores of blobs by their names: payloads begin with an execution's id, branding with its scope.

    Args:
        store: Whose flag decides.
        records: A dump's ``records.jsonl``, which says in which scopes an execution is. Read only where that matters.
    """

    def __init__(self, store: Store, records: Path) -> None:
        self._store = store
        self._records = records
        self.stores = store.backend.all_blobs()

    async def of(self, container: str, name: str, owner: str | None = None) -> list[BlobStore]:
        """Return the stores of the scopes that a blob may belong to, or all of them if nothing tells its scope."""
        scopes = self._scopes(container, name, owner) if len(self.stores) > 1 else set()
        homes = [await self._store.backend.present_blobs(scope) for scope in sorted(scopes)]
        return [store for store in self.stores if store in homes] or self.stores

    async def may_be_put(self, store: BlobStore, blob: BlobLine) -> bool:
        """Return whether *store* lacks a dumped blob, or holds an older one; False if it holds a newer one of the same scope.

        Only today's names are looked at: all others are unique to a write, or begin with the scope.

        Raises:
            CorruptDocumentError: What it holds belongs to a scope that the dumped blob does not belong to.
        """
        if blob.container != EXECUTION_DATA or blob.name.count("/") != 1:
            return True
        present = await store.describe(blob.container, blob.name)
        if present is None:
            return True
        scopes = self._scopes(blob.container, blob.name, blob.owner)
        if present.owner is None:
            found = await all_records(self._store.backend, "execution", None, Eq(ID, blob.name.partition("/")[0]))
            others = [one for one in found if one.key.scope not in scopes and blob.name in all_todays_names(one)]
            is_anothers = bool(found.unreadable or others)
        else:
            is_anothers = present.owner not in {scope.value for scope in scopes}
        if is_anothers:
            raise CorruptDocumentError(
                f"blob {blob.container}/{blob.name}: the store holds another scope's run of this id, whose payload lies "
                "under this name; it was left as it is. Load the dump into an empty store"
            )
        return present.owner is None or blob.owner is not None

    def _scopes(self, container: str, name: str, owner: str | None) -> set[Scope]:
        first_part = name.partition("/")[0]
        try:
            if owner is not None:
                return {Scope(owner)}
            if container == BRANDING:
                return {Scope.from_partition_key(first_part)}
        except InvalidKeyError:
            return set()
        return self._execution_scopes.get(first_part, set()) if container == EXECUTION_DATA else set()

    @cached_property
    def _execution_scopes(self) -> dict[str, set[Scope]]:
        scopes: defaultdict[str, set[Scope]] = defaultdict(set)
        with self._records.open("rb") as lines:
            for line in lines:
                try:
                    key = record_of(line).key
                except CorruptDocumentError:
                    continue
                if key.kind == "execution":
                    scopes[key.id].add(key.scope)
        return scopes
