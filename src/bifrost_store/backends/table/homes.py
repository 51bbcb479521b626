"""In which scope a row lives that lies in no partition of its scope and does not say: the old application's role assignments."""

from __future__ import annotations

from collections.abc import Sequence

from bifrost_store.backends.table.account import StoredRow, TableAccount
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.stamps import SCOPE
from bifrost_store.backends.table.places import end_of
from bifrost_store.core.scope import Scope

_TABLE = "Entities"
_KEYS = ("PartitionKey", "RowKey")


class Homes:
    """Looks for the record, a role, in whose partition such a row is at home. Raises the SDK's errors.

    Args:
        is_snapshot: Look only once for those of all scopes, and remember.
    """

    def __init__(self, account: TableAccount, *, is_snapshot: bool = False) -> None:
        self._account = account
        self._snapshots: dict[str, dict[str, str]] | None = {} if is_snapshot else None

    async def tell(self, mapping: RowMapping, rows: Sequence[StoredRow], scope: Scope | None) -> list[StoredRow]:
        """Return *rows*, each that does not say where it lives with `SCOPE` filled in if that is *scope* (None: any scope).

        One request, or none if every row says so itself.
        """
        silent = {home for row in rows if SCOPE not in row.properties and (home := mapping.home(row.row_key)) is not None}
        if not silent:
            return list(rows)
        partitions = await self._partitions(silent, scope)
        return [_homed(mapping, row, partitions) for row in rows]

    async def _partitions(self, homes: set[str], scope: Scope | None) -> dict[str, str]:
        """Return the partition key of each home that exists; in several partitions GLOBAL's, else the smallest."""
        if scope is not None and len(homes) == 1:
            (home,) = homes
            found = await self._account.read(_TABLE, scope.partition_key, home)
            return {} if found is None else {home: scope.partition_key}
        prefix = next(iter(homes)).partition(":")[0] + ":"
        if scope is not None or self._snapshots is None:
            return await self._all_partitions(prefix, scope)
        if prefix not in self._snapshots:
            self._snapshots[prefix] = await self._all_partitions(prefix, None)
        return self._snapshots[prefix]

    async def _all_partitions(self, prefix: str, scope: Scope | None) -> dict[str, str]:
        conditions, parameters = "RowKey ge @lo and RowKey lt @hi", {"lo": prefix, "hi": end_of(prefix)}
        if scope is not None:
            conditions, parameters = f"PartitionKey eq @p and {conditions}", {"p": scope.partition_key, **parameters}
        partitions: dict[str, str] = {}
        async for stored in self._account.rows(_TABLE, conditions, parameters, select=_KEYS):
            known = partitions.get(stored.row_key)
            if known is None or stored.partition_key == "GLOBAL":
                partitions[stored.row_key] = stored.partition_key
        return partitions


def without_scope(row: StoredRow) -> StoredRow:
    """Return *row* as it is stored, where `Homes.tell` may have filled in its scope."""
    return StoredRow({name: value for name, value in row.properties.items() if name != SCOPE}, row.etag)


def _homed(mapping: RowMapping, row: StoredRow, partitions: dict[str, str]) -> StoredRow:
    home = mapping.home(row.row_key)
    if home is None or SCOPE in row.properties or home not in partitions:
        return row
    return StoredRow({**row.properties, SCOPE: partitions[home]}, row.etag)
