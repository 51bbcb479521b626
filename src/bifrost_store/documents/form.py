"""A form: what a user fills in to start a workflow."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import ClassVar, Final

from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, JsonObject, UtcTime
from bifrost_store.errors import InvalidKeyError

_FORM_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def check_form_id(text: str) -> None:
    """Refuse what is no form id.

    Raises:
        InvalidKeyError: *text* is not 1 to 64 letters, digits or dashes.
    """
    if _FORM_ID.fullmatch(text) is None:
        raise InvalidKeyError(f"form id {text[:80]!r}: 1 to 64 letters, digits or dashes")


class AccessLevel(StrEnum):
    """Who may use a form, platform admins apart, who may use all."""

    PUBLIC = "public"
    """Meant for visitors who have not signed in. It lets no user of its own accord see the form."""
    AUTHENTICATED = "authenticated"
    """Every user of the form's scope; of a form in GLOBAL every user."""
    ROLE_BASED = "role_based"
    """Users who share a role with the form."""


class Form(Document):
    """A form. Lives in GLOBAL, where every organization sees it, or in one organization.

    Attributes:
        scope: Where it lives; changes are made there, also to a GLOBAL form that an organization was shown.
        id: Usually a UUID in lower case.
        org_id: The organization's id, or ``GLOBAL``.
        is_global: Whether it lives in GLOBAL.
        name: 1 to 200 characters.
        linked_workflow: Name of the workflow that it starts.
        form_schema: ``{"fields": [...]}`` as it was stored, with whatever else the objects hold.
        is_active: False once deactivated; the document stays.
        launch_workflow_id: Workflow that prepares the form when it is opened, or None.
        allowed_query_params: Names that a link to the form may fill in; None if never set.
        default_launch_params: What the launch workflow is given; None if never set.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="form",
        fields=frozenset(
            {
                "name",
                "description",
                "linkedWorkflow",
                "formSchema",
                "isActive",
                "accessLevel",
                "createdBy",
                "createdAt",
                "updatedAt",
                "launchWorkflowId",
                "allowedQueryParams",
                "defaultLaunchParams",
            }
        ),
        queryable=frozenset({"linkedWorkflow", "isActive", "accessLevel"}),
        unindexed=("formSchema/*", "allowedQueryParams/*", "defaultLaunchParams/*"),
        check_id=check_form_id,
    )

    id: str
    org_id: str
    is_global: bool
    name: str
    description: str | None = None
    linked_workflow: str
    form_schema: JsonObject
    is_active: bool
    access_level: AccessLevel = AccessLevel.ROLE_BASED
    created_by: str
    created_at: UtcTime
    updated_at: UtcTime
    launch_workflow_id: str | None = None
    allowed_query_params: list[str] | None = None
    default_launch_params: JsonObject | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        scope = record.key.scope
        organization_id = scope.organization_id
        return {
            "scope": scope,
            "id": record.key.id,
            "org_id": organization_id or "GLOBAL",
            "is_global": organization_id is None,
        }
