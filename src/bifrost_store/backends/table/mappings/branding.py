"""Config ``branding``: nothing comes after it in the row key."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import NAMES, TEXT, TIME, Column, encode_columns
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.places import Address, KeyRange
from bifrost_store.core.query import Filter
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Branding
from bifrost_store.documents.branding import BRANDING_ID


class BrandingMapping(RowMapping):
    """A scope's branding is one row."""

    spec = Branding.spec
    table = "Config"
    prefix = BRANDING_ID
    columns = (
        Column("squareLogoUrl", "SquareLogoUrl", TEXT),
        Column("rectangleLogoUrl", "RectangleLogoUrl", TEXT),
        Column("primaryColor", "PrimaryColor", TEXT),
        Column("updatedBy", "UpdatedBy", TEXT),
        Column("updatedAt", "UpdatedAt", TIME, is_forgiven=True),
        Column("logos", "BsLogos", NAMES, default={}),
    )

    @override
    def address(self, key: Key, sort_key: str) -> Address:
        return Address(self.table, key.scope.partition_key, self.prefix)

    @override
    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        return self.checked_key(partition_key, BRANDING_ID) if row_key == self.prefix else None

    @override
    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        return [KeyRange(None if scope is None else scope.partition_key, self.prefix, f"{self.prefix}!")]

    @override
    def write_columns(self, record: Record) -> Row:
        return encode_columns(self.columns, {**record.body, "logos": record.body["logos"] or None})

    @override
    def distrust(self, body: Body) -> Body:
        """The old application may have put another logo where the addresses say, beside the blobs of ours."""
        return {**body, "logos": {}}
