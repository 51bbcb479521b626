"""Roles, and who and what has them. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Role, RoleForm, RoleUser


class BlockingRoles(Protocol):
    """Roles and their assignments to users and forms.

    A role lives in exactly one scope, and so do its assignments: methods that take a role id mean the role of that scope and
    fall back to no other. Users and forms are named by id alone: whether they exist is not looked at, and assignments of those
    that were deleted stay until they are taken back.

    Deactivating a role hides it from `list` and takes nothing away: its assignments are kept, listed, and count where
    `Forms.visible_to` asks what a user shares with a form. To take back what a role grants, unassign.
    """

    def create(self, scope: Scope, name: str, *, created_by: str, description: str | None = None) -> Role:
        """Store a new, active role under a new UUID.

        Args:
            scope: Where it and its assignments live.
            name: 1 to 100 characters. Need not be unique.
        """
        ...

    def get(self, scope: Scope, role_id: str) -> Role | None:
        """Return the scope's own role, active or not, or None. A point read."""
        ...

    def list(self, scope: Scope, *, active_only: bool = True) -> Page[Role]:
        """Return the scope's own roles by name, then id."""
        ...

    def update(
        self,
        scope: Scope,
        role_id: str,
        *,
        name: str | Unset = UNSET,
        description: str | None | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        etag: str | None = None,
    ) -> Role:
        """Change the given fields and return the role as stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    def deactivate(self, scope: Scope, role_id: str, *, etag: str | None = None) -> Role:
        """Set ``is_active`` to False; the role and its assignments stay. Repeating it changes nothing.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    def assign_users(self, scope: Scope, role_id: str, user_ids: Sequence[str], *, assigned_by: str) -> Page[RoleUser]:
        """Give the role to users and return their assignments in the order given, each user once.

        An assignment that is there stays as it was. Up to 32 are written together, in the order given: a call that broke off
        has assigned some of the first ones, and repeating it assigns the rest.

        Raises:
            DocumentNotFoundError: There is no such role, active or not, in this scope. Nothing was assigned.
        """
        ...

    def unassign_users(self, scope: Scope, role_id: str, user_ids: Sequence[str]) -> int:
        """Take the role back from users and return how many of them had it. The role itself need not exist any more."""
        ...

    def assign_forms(self, scope: Scope, role_id: str, form_ids: Sequence[str], *, assigned_by: str) -> Page[RoleForm]:
        """Give the role to forms, as `assign_users` gives it to users.

        Raises:
            DocumentNotFoundError: There is no such role, active or not, in this scope. Nothing was assigned.
        """
        ...

    def unassign_forms(self, scope: Scope, role_id: str, form_ids: Sequence[str]) -> int:
        """Take the role back from forms, as `unassign_users` does from users."""
        ...

    def of_user(self, scope: Scope, user_id: str) -> Page[RoleUser]:
        """Return a user's assignments to roles of the scope and of GLOBAL, by role id, inactive roles included.

        One query of each scope, in parallel. Roles of other organizations are never among them.
        """
        ...

    def of_form(self, scope: Scope, form_id: str) -> Page[RoleForm]:
        """Return a form's assignments to roles of the scope and of GLOBAL, by role id, inactive roles included.

        One query of each scope, in parallel.
        """
        ...

    def users(self, scope: Scope, role_id: str) -> Page[RoleUser]:
        """Return the assignments of a role to users, by user id, also of an inactive role. Empty if there is no such role."""
        ...

    def forms(self, scope: Scope, role_id: str) -> Page[RoleForm]:
        """Return the assignments of a role to forms, by form id, also of an inactive role. Empty if there is no such role.

        A form that was deleted since is among them.
        """
        ...
