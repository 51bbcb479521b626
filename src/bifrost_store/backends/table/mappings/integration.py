"""Config ``integration:``."""

from __future__ import annotations

from typing_extensions import override

from bifrost_store.backends.table.columns import BOOLEAN, JSON, TEXT, TIME, Column
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.core.record import Body, Key
from bifrost_store.documents import Integration


class IntegrationMapping(RowMapping):
    """An integration is one row."""

    spec = Integration.spec
    table = "Config"
    prefix = "integration:"
    columns = (
        Column("type", "Type", TEXT, repeats_key=True),
        Column("enabled", "Enabled", BOOLEAN, default=True),
        Column("settings", "Settings", JSON, default={}),
        Column("updatedAt", "UpdatedAt", TIME, is_forgiven=True),
        Column("updatedBy", "UpdatedBy", TEXT),
    )

    @override
    def key_fields(self, key: Key) -> Body:
        return {"type": key.id}
