"""An organization: a tenant of the platform."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.scope import Scope, is_organization_id
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.errors import InvalidKeyError


def _check_id(text: str) -> None:
    if not is_organization_id(text):
        raise InvalidKeyError(f"organization id {text!r}: 1 to 36 letters, digits or dashes, and no reserved word")


class Organization(Document):
    """A tenant. Lives in GLOBAL; ``scope`` shows the scope it owns.

    Attributes:
        id: Usually a UUID in lower case.
        name: 1 to 200 characters.
        domain: E-mail domain in lower case without ``@``, or None. Not unique.
        is_active: False once deactivated; the document stays.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="organization",
        fields=frozenset({"name", "domain", "isActive", "createdAt", "createdBy", "updatedAt"}),
        queryable=frozenset({"domain", "isActive"}),
        scopes="global",
        check_id=_check_id,
    )

    id: str
    name: str
    domain: str | None = None
    is_active: bool
    created_at: UtcTime
    created_by: str
    updated_at: UtcTime

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": Scope.organization(record.key.id), "id": record.key.id}
