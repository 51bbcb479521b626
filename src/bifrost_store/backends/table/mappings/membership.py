"""Relationships ``orgperm:`` and its twin ``userperm:``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import TEXT, TIME, Column
from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.stamps import version_columns
from bifrost_store.backends.table.places import RELATIONSHIPS, Address, KeyRange, end_of
from bifrost_store.core.query import ID, Eq, Filter
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Membership

TWIN_PREFIX = "userperm:"


class MembershipMapping(RowMapping):
    """A membership is two rows of one partition, written in one transaction; ``orgperm`` is the anchor.

    The old application wrote them one after the other, so that either may be missing: a record is read from what is there.
    """

    spec = Membership.spec
    table = RELATIONSHIPS
    prefix = "orgperm:"
    is_spread = True
    has_copies = True
    key_columns = frozenset({"UserId", "OrganizationId"})
    columns = (
        Column("email", "UserId", TEXT, repeats_key=True),
        Column("createdAt", "CreatedAt", TIME, older_names=("GrantedAt",), is_forgiven=True),
        Column("createdBy", "CreatedBy", TEXT, older_names=("GrantedBy",)),
    )

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, "GLOBAL", f"{self.prefix}{key.scope.partition_key}:{escape(key.id)}")

    @override
    def addresses(self, key: Key) -> list[Address]:
        anchor = self.address(key, "")
        return [anchor, replace(anchor, row_key=f"{TWIN_PREFIX}{escape(key.id)}:{key.scope.partition_key}")]

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        if partition_key != "GLOBAL":
            return None
        if row_key.startswith(self.prefix):
            organization_id, _, email = row_key.removeprefix(self.prefix).partition(":")
        elif row_key.startswith(TWIN_PREFIX):
            email, _, organization_id = row_key.removeprefix(TWIN_PREFIX).rpartition(":")
        else:
            return None
        return self.checked_key(organization_id, unescape(email))

    @override
    def key_fields(self, key: Key) -> Body:
        return {"email": key.id}

    @override
    def twins(self, record: Record) -> list[Row]:
        _, twin = self.addresses(record.key)
        key = {"PartitionKey": twin.partition_key, "RowKey": twin.row_key}
        return [{**key, **self.write_columns(record), **version_columns(record)}]

    @override
    def write_columns(self, record: Record) -> Row:
        columns = super().write_columns(record)
        return {**columns, "UserId": record.key.id, "OrganizationId": record.key.scope.partition_key}

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        if scope is not None:
            return [_range(f"{self.prefix}{scope.partition_key}:")]
        for condition in filters:
            if isinstance(condition, Eq) and condition.field in (ID, "email"):
                return [_range(self.prefix), _range(f"{TWIN_PREFIX}{escape(str(condition.value))}:")]
        return [_range(self.prefix), _range(TWIN_PREFIX)]

    @override
    def narrowed(self, key_range: KeyRange, filters: Sequence[Filter]) -> Sequence[Filter]:
        """Among the twins the key answers: one that contradicts it is read, to be named."""
        return filters if key_range.lo.startswith(self.prefix) else ()


def _range(prefix: str) -> KeyRange:
    return KeyRange("GLOBAL", prefix, end_of(prefix))
