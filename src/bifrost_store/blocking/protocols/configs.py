"""Configuration values. Without await; written by tools/blocking.py."""

from __future__ import annotations

from typing import Any, Protocol, overload

from pydantic import SecretStr

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Config, ConfigType
from bifrost_store.repository_protocols.configs import D, V


class BlockingConfigs(Protocol):
    """Configuration values. Keys are case-sensitive."""

    def set(
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

    def get(self, scope: Scope, key: str, *, fallback: bool = True) -> Config | None:
        """Return the scope's value, else with *fallback* GLOBAL's, else None. Point reads, in parallel."""
        ...

    @overload
    def get_value(self, scope: Scope, key: str, value_type: type[V], *, fallback: bool = True) -> V: ...

    @overload
    def get_value(self, scope: Scope, key: str, value_type: type[V], *, default: D, fallback: bool = True) -> V | D: ...

    def get_value(self, scope: Scope, key: str, value_type: type[Any], *, default: Any = UNSET, fallback: bool = True) -> Any:
        """Return the value that `get` finds as a *value_type*, as `Config.value_as` reads it; *default* where there is none.

        Args:
            value_type: ``int``, ``bool``, ``str``, ``float``, ``list[str]``, a pydantic model, ...: whatever pydantic can read.
            default: Never stands in for a value that is there and does not fit.

        Raises:
            DocumentNotFoundError: There is no value, and no *default* was given.
            InvalidRequestError: The value does not fit the type, or is a secret's name. The message never shows it.
        """
        ...

    def resolve(self, scope: Scope, key: str, *, fallback: bool = True, refresh: bool = False) -> SecretStr:
        """Return the secret that a SECRET_REF names, found like `get`. It is kept nowhere but in memory, and there for a while.

        Remembered for ``BIFROST_STORE_SECRET_CACHE_SECONDS``, and read anew once the value was set again.

        Args:
            refresh: Read it anew now: what was remembered has been refused.

        Raises:
            DocumentNotFoundError: There is no value.
            InvalidRequestError: The value is no SECRET_REF.
            SecretNotFoundError: The secret does not exist, or is disabled.
            AccessDeniedError: This application may not read it.
        """
        ...

    def list(self, scope: Scope, *, include_global: bool = True) -> Page[Config]:
        """Return the scope's values and, with *include_global*, GLOBAL's whose key the scope does not have, by key."""
        ...

    def delete(self, scope: Scope, key: str, *, etag: str | None = None) -> bool:
        """Delete the scope's own value; return whether it was there."""
        ...
