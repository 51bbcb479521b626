"""Tenants. Without await; written by tools/blocking.py."""

from __future__ import annotations

from typing import Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Organization


class BlockingOrganizations(Protocol):
    """Tenants."""

    def create(
        self, name: str, *, created_by: str, domain: str | None = None, id: str | None = None, is_active: bool = True
    ) -> Organization:
        """Store a new organization; without *id* under a new UUID.

        Args:
            name: 1 to 200 characters.
            domain: E-mail domain without ``@``; kept in lower case. Need not be unique.

        Raises:
            DocumentExistsError: *id* is taken.
        """
        ...

    def get(self, organization_id: str) -> Organization | None:
        """Return the organization, active or not, or None. A point read."""
        ...

    def find_by_domain(self, domain: str) -> Organization | None:
        """Return the first active organization by id whose domain equals *domain*, letter case aside, or None."""
        ...

    def list(self, *, active_only: bool = True) -> Page[Organization]:
        """Return the organizations by name, then id."""
        ...

    def update(
        self,
        organization_id: str,
        *,
        name: str | Unset = UNSET,
        domain: str | None | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        etag: str | None = None,
    ) -> Organization:
        """Change the given fields and return the organization as stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    def deactivate(self, organization_id: str, *, etag: str | None = None) -> Organization:
        """Set ``is_active`` to False; the document stays. Repeating it changes nothing.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    def delete(self, organization_id: str, *, etag: str | None = None) -> bool:
        """Delete the organization's document alone; its users, executions and settings stay. Return whether it was there."""
        ...
