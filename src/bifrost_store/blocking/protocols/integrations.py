"""Integrations with other products. Without await; written by tools/blocking.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Integration


class BlockingIntegrations(Protocol):
    """Integrations under their types, which are case-sensitive."""

    def set(
        self,
        scope: Scope,
        integration_type: str,
        *,
        enabled: bool,
        settings: Mapping[str, Any],
        updated_by: str,
        etag: str | None = None,
    ) -> Integration:
        """Store an integration, new or over an old one, and return it as stored.

        Args:
            settings: A JSON object; of secrets only the names.

        Raises:
            InvalidRequestError: *settings* is no JSON object.
            DocumentTooLargeError: It has more than 32,768 characters as JSON.
        """
        ...

    def get(self, scope: Scope, integration_type: str, *, fallback: bool = True) -> Integration | None:
        """Return the scope's integration, else with *fallback* GLOBAL's, else None. Point reads, in parallel."""
        ...

    def list(self, scope: Scope, *, include_global: bool = True) -> Page[Integration]:
        """Return the scope's integrations and, with *include_global*, GLOBAL's of types the scope does not have, by type."""
        ...

    def delete(self, scope: Scope, integration_type: str, *, etag: str | None = None) -> bool:
        """Delete the scope's own integration; return whether it was there."""
        ...
