"""Entities ``role:``."""

from __future__ import annotations

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import BOOLEAN, TEXT, TIME, Column, Reading, since
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.core.record import Body, Key
from bifrost_store.documents import Role


class RoleMapping(RowMapping):
    """A role is one row in its scope's partition; its assignments find their scope by it."""

    spec = Role.spec
    table = "Entities"
    prefix = "role:"
    columns = (
        Column("name", "Name", TEXT),
        Column("description", "Description", TEXT),
        Column("isActive", "IsActive", BOOLEAN, default=True),
        Column("createdBy", "CreatedBy", TEXT, old_default=""),
        Column("createdAt", "CreatedAt", TIME, is_forgiven=True),
        Column("updatedAt", "UpdatedAt", TIME, is_forgiven=True),
    )

    @override
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        body = super().read_body(key, row, reading=reading)
        return since(body) if reading is Reading.LENIENT else body
