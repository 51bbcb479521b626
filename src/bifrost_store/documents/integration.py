"""The settings of an integration with another product."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier
from bifrost_store.documents.base import Document, JsonObject, UtcTime


class Integration(Document):
    """An integration under its type, such as ``msgraph`` or ``halopsa`` (case-sensitive).

    Attributes:
        enabled: False where it is switched off for the scope.
        settings: Whatever the product needs; secrets by the names of their Key Vault secrets only.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="integration",
        fields=frozenset({"type", "enabled", "settings", "updatedAt", "updatedBy"}),
        id_field="type",
        unindexed=("settings/*",),
        check_id=lambda text: check_identifier(text, "integration type"),
    )

    type: str
    enabled: bool
    settings: JsonObject
    updated_at: UtcTime | None = None
    updated_by: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "type": record.key.id}
