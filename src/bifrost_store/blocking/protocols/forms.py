"""Forms, and who may use them. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import AccessLevel, Form


class BlockingForms(Protocol):
    """Forms. Those of GLOBAL are every organization's too.

    Reading goes by the caller's scope and finds forms of GLOBAL as well; `update`, `deactivate` and `delete` go by where the
    form lives, ``form.scope``.

    A form's schema is a JSON object ``{"fields": [...]}``. What is written must hold at most 50 fields, each an object with a
    ``name``, unlike those of the others, and a ``type`` (text, email, number, select, checkbox, textarea, radio, datetime,
    markdown, html, file); what else is known of fields must have its type or be null. Anything more is kept as it is, and a
    schema that was stored otherwise can be read.
    """

    def create(
        self,
        scope: Scope,
        name: str,
        *,
        linked_workflow: str,
        form_schema: Mapping[str, Any],
        created_by: str,
        description: str | None = None,
        access_level: AccessLevel = AccessLevel.ROLE_BASED,
        launch_workflow_id: str | None = None,
        allowed_query_params: Sequence[str] | None = None,
        default_launch_params: Mapping[str, Any] | None = None,
    ) -> Form:
        """Store a new, active form under a new UUID.

        Args:
            scope: Where it lives: GLOBAL, or the one organization that sees it.
            name: 1 to 200 characters.
            linked_workflow: Name of a workflow; 1 to 128 characters of any kind.

        Raises:
            InvalidRequestError: The schema is none; the message says which field of it breaks which rule.
            DocumentTooLargeError: The schema, or another field, has over 32,768 characters as JSON.
        """
        ...

    def get(self, scope: Scope, form_id: str) -> Form | None:
        """Return the scope's form, else GLOBAL's, else None; also an inactive one. Point reads, in parallel."""
        ...

    def list(self, scope: Scope, *, active_only: bool = True, include_global: bool = True) -> Page[Form]:
        """Return the scope's forms and, with *include_global*, GLOBAL's, all by name, then id."""
        ...

    def list_by_workflow(self, scope: Scope, workflow_name: str, *, active_only: bool = True) -> Page[Form]:
        """Return the forms of the scope and of GLOBAL that start exactly this workflow, by name, then id."""
        ...

    def visible_to(self, scope: Scope, user_id: str, *, is_platform_admin: bool = False) -> Page[Form]:
        """Return the forms that a user of the scope sees, by name, then id.

        A platform admin sees every form of the scope and of GLOBAL, inactive ones too. Others see the active ones of them that
        are for every authenticated user, and role-based ones that share a role with them. Roles of the scope and of GLOBAL
        count, also inactive ones; ``public`` forms are for visitors and let no user see them.

        However many forms there are, this asks each of the two scopes once for its forms, once for the user's roles, and once
        for what every 100 of those open. `Page.unreadable` also names assignments that cannot be read; they give no role.
        """
        ...

    def can_view(self, scope: Scope, user_id: str, form_id: str, *, is_platform_admin: bool = False) -> bool:
        """Return whether `get` finds the form and `visible_to` would show it to this user.

        The point reads of `get`; only for a role-based form also the queries of `Roles.of_user` and `Roles.of_form`.
        """
        ...

    def update(
        self,
        scope: Scope,
        form_id: str,
        *,
        name: str | Unset = UNSET,
        description: str | None | Unset = UNSET,
        linked_workflow: str | Unset = UNSET,
        form_schema: Mapping[str, Any] | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        access_level: AccessLevel | Unset = UNSET,
        launch_workflow_id: str | None | Unset = UNSET,
        allowed_query_params: Sequence[str] | None | Unset = UNSET,
        default_launch_params: Mapping[str, Any] | None | Unset = UNSET,
        etag: str | None = None,
    ) -> Form:
        """Change the given fields, as `create` takes them, and return the form as stored.

        Args:
            scope: Where the form lives, ``form.scope``: a form of GLOBAL is changed for everyone, and only as such.

        Raises:
            DocumentNotFoundError: No form with this id lives in this scope.
        """
        ...

    def deactivate(self, scope: Scope, form_id: str, *, etag: str | None = None) -> Form:
        """Set ``is_active`` to False; the form and its roles stay. Repeating it changes nothing.

        Raises:
            DocumentNotFoundError: No form with this id lives in this scope.
        """
        ...

    def delete(self, scope: Scope, form_id: str, *, etag: str | None = None) -> bool:
        """Delete the form that lives in this scope; return whether it was there.

        Its executions stay, and so do its assignments to roles, which show nobody anything any more.
        """
        ...
