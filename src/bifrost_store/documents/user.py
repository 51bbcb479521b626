"""A user, and the membership that makes one belong to an organization."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import DocumentSpec, check_identifier
from bifrost_store.documents.base import Document, UtcTime


class UserType(StrEnum):
    """PLATFORM users work for the platform; ORG users for an organization."""

    PLATFORM = "PLATFORM"
    ORG = "ORG"


class User(Document):
    """Someone who signs in. Lives in GLOBAL under the e-mail exactly as given: ``Sam@x`` and ``sam@x`` are two users.

    Attributes:
        scope: GLOBAL for a platform user and for one without an organization, else the organization's.
        id: The e-mail.
        display_name: Defaults to the part before ``@``.
        is_platform_admin: Only PLATFORM users can be.
        entra_user_id: The identity provider's object id, or None if unknown.
        last_entra_id_sync: When the profile last came from the identity provider.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="user",
        fields=frozenset(
            {
                "email",
                "displayName",
                "userType",
                "isPlatformAdmin",
                "isActive",
                "createdAt",
                "lastLogin",
                "entraUserId",
                "lastEntraIdSync",
                "organizationId",
            }
        ),
        queryable=frozenset({"entraUserId", "userType", "isActive", "isPlatformAdmin"}),
        scopes="global",
        check_id=lambda text: check_identifier(text, "email"),
    )

    id: str
    email: str
    display_name: str
    user_type: UserType
    is_platform_admin: bool
    is_active: bool
    created_at: UtcTime
    last_login: UtcTime | None = None
    entra_user_id: str | None = None
    last_entra_id_sync: UtcTime | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        is_platform = record.body.get("userType") == UserType.PLATFORM
        organization_id = None if is_platform else record.body.get("organizationId")
        identity: Body = {"scope": Scope.of(organization_id), "id": record.key.id}
        if not is_platform and record.body.get("isPlatformAdmin") is True:
            identity["isPlatformAdmin"] = False  # a contradiction, read in the stricter way
        return identity


class Membership(Document):
    """A user belongs to an organization. Lives in the organization's scope under the e-mail."""

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="membership",
        fields=frozenset({"email", "createdAt", "createdBy"}),
        id_field="email",
        queryable=frozenset({"email"}),
        scopes="organization",
        check_id=lambda text: check_identifier(text, "email"),
    )

    email: str
    organization_id: str
    created_at: UtcTime | None = None
    created_by: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "organization_id": record.key.scope.organization_id}
