"""Configuration values."""

from __future__ import annotations

from typing import Any, Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Config, ConfigType


class Configs(Protocol):
    """Configuration values. Keys are case-sensitive."""

    async def set(
        self,
        scope: Scope,
        key: str,
        value: Any,
        *,
        config_type: ConfigType,
        updated_by: str,
        description: str | None | Unset = UNSET,
        etag: str | None = None,
    ) -> Config:
        """Store a value, new or over an old one, and return it as stored.

        Args:
            value: ``str`` for STRING, ``int`` (not bool) for INT, ``bool`` for BOOL, any JSON for JSON; for SECRET_REF the name
                of a Key Vault secret: 1 to 127 letters, digits or dashes.

        Raises:
            InvalidRequestError: The value does not fit its type, or cannot be a secret's name.
            InvalidKeyError: The key is that of an OAuth connection (``oauth_..._metadata`` and the like).
        """
        ...

    async def get(self, scope: Scope, key: str, *, fallback: bool = True) -> Config | None:
        """Return the scope's value, else with *fallback* GLOBAL's, else None. Point reads, in parallel."""
        ...

    async def list(self, scope: Scope, *, include_global: bool = True) -> Page[Config]:
        """Return the scope's values and, with *include_global*, GLOBAL's whose key the scope does not have, by key."""
        ...

    async def delete(self, scope: Scope, key: str, *, etag: str | None = None) -> bool:
        """Delete the scope's own value; return whether it was there."""
        ...
