"""Finds executions by id: where they were seen, where the id says that they are, by locator, at last by a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from bifrost_store.backends.table.account import StoredRow, TableAccount
from bifrost_store.backends.table.locations import Locations
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.backends.table.mappings.execution import ExecutionMapping
from bifrost_store.backends.table.mappings.stamps import REVISION, Marker, read_marker
from bifrost_store.backends.table.twins import Twins, is_settled
from bifrost_store.core.record import Key, Record
from bifrost_store.core.tasks import for_each, together
from bifrost_store.documents.execution import sort_key_of_id


@dataclass(frozen=True, slots=True)
class _Look:
    """What the first step showed of an execution.

    Attributes:
        anchor: Its row, if it is where it was expected.
        marker: Its locator, if that was asked for and is there.
        is_asked: Whether the locator was asked for.
    """

    key: Key
    anchor: StoredRow | None
    marker: Marker | None
    is_asked: bool

    @property
    def is_found(self) -> bool:
        return self.anchor is not None or (self.marker is not None and self.marker.tombstone is None)


class ExecutionFinder:
    """Reads executions by id. Raises the SDK's errors and CorruptDocumentError."""

    def __init__(self, account: TableAccount, mappings: Mappings, twins: Twins, locations: Locations) -> None:
        self._account = account
        self._mapping = cast(ExecutionMapping, mappings.by_kind[ExecutionMapping.spec.kind])
        self._twins = twins
        self._locations = locations

    async def first_present(self, keys: Sequence[Key], now: datetime) -> Record | None:
        """Return the first record at *keys*, all of one id, that exists at *now*; the first key is the likeliest."""
        record = await self._where_expected(keys)
        if record is not None and record.is_present(now):
            return record
        looks = await for_each(lambda key: self._look(key, asks=key == keys[0]), keys)
        is_found = any(look.is_found for look in looks)
        rows = await for_each(lambda look: self._rows(look, is_found, now), looks)
        for look, found in zip(looks, rows, strict=True):
            # Damaged rows last: that they are none of its rows is known only from reading all.
            counting = await self._misnamed(look.key) if found is None else found
            record = self._mapping.merge(look.key, counting[:1])
            if record is not None and record.is_present(now):
                return record
        return None

    async def _where_expected(self, keys: Sequence[Key]) -> Record | None:
        """Read the first anchor where it was seen, or, unless another was seen, where its id says that it is."""
        first, *others = keys
        place = self._locations.of(first)
        if place is None and not any(self._locations.of(key) for key in others):
            place = sort_key_of_id(first.id)
        if place is None:
            return None
        anchor = await self._anchor(first, place)
        if anchor is None:
            self._locations.forget(first)
            return None
        return self._mapping.decode(first, anchor)

    async def _look(self, key: Key, *, asks: bool) -> _Look:
        """Read the anchor where it is expected; if it *asks*, or nothing tells a place, the locator. The mark goes with that."""
        place = self._locations.of(key) or sort_key_of_id(key.id)
        if place is not None and not asks:
            return _Look(key, await self._anchor(key, place), None, is_asked=False)
        if place is not None:
            return _Look(key, None, await self._marker(key), is_asked=True)
        marker, _ = await together(lambda: self._marker(key), lambda: self._twins.ask_mark(key.scope.partition_key))
        return _Look(key, None, marker, is_asked=True)

    async def _rows(self, look: _Look, is_found: bool, now: datetime) -> list[StoredRow] | None:
        """Return the row that counts, or none; None: only damaged rows are left to be looked for.

        *is_found*: a locator or an anchor was met, here or in the other scope, which spares the search where there is none. So of
        one id that both scopes have, a row here that only a search finds is passed over.
        """
        key = look.key
        if look.anchor is not None:
            return [look.anchor]
        marker = look.marker if look.is_asked else await self._marker(key)
        if marker is None:
            return [] if is_found else await self._searched(key, now)
        anchor = None if marker.tombstone is not None else await self._anchor(key, marker.sort_key)
        return [] if anchor is None else [anchor]

    async def _searched(self, key: Key, now: datetime) -> list[StoredRow] | None:
        found = (await self._twins.of(key.scope.partition_key, [key.id])).get(key.id)
        if found and (REVISION in found[0].properties or is_settled(found[0], now)):
            self._locations.note(key, self._mapping.sort_key_of(key, found[0].row_key))
        return found

    async def _misnamed(self, key: Key) -> list[StoredRow]:
        partition_key = key.scope.partition_key
        return [] if self._twins.is_located(partition_key) else await self._twins.misnamed(partition_key, key.id)

    async def _anchor(self, key: Key, sort_key: str) -> StoredRow | None:
        address = self._mapping.address(key, sort_key)
        anchor = await self._account.read(address.table, address.partition_key, address.row_key)
        if anchor is not None:
            self._locations.note(key, sort_key)
        return anchor

    async def _marker(self, key: Key) -> Marker | None:
        address = self._mapping.marker(key, "")
        stored = await self._account.read(address.table, address.partition_key, address.row_key)
        return None if stored is None else read_marker(key, stored)
