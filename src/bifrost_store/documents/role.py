"""A role, and the assignments that give it to users and forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.documents.form import check_form_id
from bifrost_store.errors import InvalidKeyError, InvalidRequestError

_ROLE_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def check_role_id(text: str) -> None:
    """Refuse what is no role id.

    Raises:
        InvalidKeyError: *text* is not 1 to 64 letters, digits or dashes.
    """
    if _ROLE_ID.fullmatch(text) is None:
        raise InvalidKeyError(f"role id {text[:80]!r}: 1 to 64 letters, digits or dashes")


def check_user_id(text: str) -> None:
    """Refuse what is no user id.

    Raises:
        InvalidKeyError: *text* has not 1 to 128 characters of Unicode text.
    """
    check_identifier(text, "user id")


def assignment_id(role_id: str, member_id: str) -> str:
    """Return the id of the record that gives a role to a user or form: both ids with a colon between, which no role id holds."""
    return f"{role_id}:{member_id}"


class Role(Document):
    """What users and forms can have in common. Lives in GLOBAL or in one organization.

    Attributes:
        id: A UUID in lower case.
        name: 1 to 100 characters. Not unique.
        is_active: False once deactivated; the document stays, and so do its assignments.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="role",
        fields=frozenset({"name", "description", "isActive", "createdBy", "createdAt", "updatedAt"}),
        queryable=frozenset({"isActive"}),
        check_id=check_role_id,
    )

    id: str
    name: str
    description: str | None = None
    is_active: bool
    created_by: str
    created_at: UtcTime
    updated_at: UtcTime

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "id": record.key.id}


def _assignment_spec(kind: str, member: str, check_member: Callable[[str], None]) -> DocumentSpec:
    def check_id(text: str) -> None:
        role_id, colon, member_id = text.partition(":")
        if not colon:
            raise InvalidKeyError(f"{kind} id {text[:80]!r}: expected a role id, a colon and the other id")
        check_role_id(role_id)
        check_member(member_id)

    def check_body(record_id: str, body: Mapping[str, object]) -> None:
        if record_id != assignment_id(str(body["roleId"]), str(body[member])):
            raise InvalidRequestError(f"{kind} {record_id[:80]!r}: the id must repeat roleId and {member}")

    return DocumentSpec(
        kind=kind,
        fields=frozenset({"roleId", member, "assignedAt", "assignedBy"}),
        queryable=frozenset({"roleId", member}),
        check_body=check_body,
        check_id=check_id,
    )


class RoleUser(Document):
    """A user has a role. Lives in the role's scope.

    Attributes:
        user_id: An e-mail, or whatever else names a caller. Need not be that of a stored user.
    """

    spec: ClassVar[DocumentSpec] = _assignment_spec("role_user", "userId", check_user_id)

    role_id: str
    user_id: str
    assigned_at: UtcTime | None = None
    assigned_by: str | None = None


class RoleForm(Document):
    """A form has a role. Lives in the role's scope.

    Attributes:
        form_id: Of a form in GLOBAL or in an organization; it may have been deleted since.
    """

    spec: ClassVar[DocumentSpec] = _assignment_spec("role_form", "formId", check_form_id)

    role_id: str
    form_id: str
    assigned_at: UtcTime | None = None
    assigned_by: str | None = None
