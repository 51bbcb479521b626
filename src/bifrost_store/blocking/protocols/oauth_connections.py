"""OAuth connections. Without await; written by tools/blocking.py."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from bifrost_store.core.page import Page
from bifrost_store.core.scope import Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import OAuthConnection, OAuthFlowType, OAuthStatus
from bifrost_store.repository_protocols.oauth_connections import OAuthConnectionRef, OAuthTokens


class BlockingOAuthConnections(Protocol):
    """Connections under their names, which are case-sensitive and may hold any character.

    Secrets and tokens are never passed in: ``..._ref`` arguments are names of Key Vault secrets, 1 to 127 letters, digits or
    dashes. Changes made at the same time are all kept: a token refresh does not undo a status, nor a status the tokens.
    """

    def create(
        self,
        scope: Scope,
        connection_name: str,
        *,
        oauth_flow_type: OAuthFlowType,
        client_id: str,
        token_url: str,
        created_by: str,
        authorization_url: str | None = None,
        scopes: str = "",
        redirect_uri: str | None = None,
        client_secret_ref: str | None = None,
        description: str | None = None,
    ) -> OAuthConnection:
        """Create a connection that is not connected yet, and return it as stored. One write.

        Args:
            redirect_uri: ``/oauth/callback/<connection name>`` by default.

        Raises:
            DocumentExistsError: The scope has a connection of this name.
            InvalidRequestError: A field is no text, is empty where it must not be, or cannot be a secret's name.
            DocumentTooLargeError: The fields have more than 32,000 characters in all, as JSON.
        """
        ...

    def get(self, scope: Scope, connection_name: str, *, fallback: bool = True) -> OAuthConnection | None:
        """Return the scope's connection, else with *fallback* GLOBAL's, else None. Both are read in parallel."""
        ...

    def list(self, scope: Scope, *, include_global: bool = True) -> Page[OAuthConnection]:
        """Return the scope's connections and, with *include_global*, GLOBAL's whose name the scope does not have, by name."""
        ...

    def update(
        self,
        connection: OAuthConnection | OAuthConnectionRef,
        *,
        updated_by: str,
        oauth_flow_type: OAuthFlowType | Unset = UNSET,
        client_id: str | Unset = UNSET,
        client_secret_ref: str | None | Unset = UNSET,
        authorization_url: str | None | Unset = UNSET,
        token_url: str | Unset = UNSET,
        scopes: str | Unset = UNSET,
        redirect_uri: str | Unset = UNSET,
        description: str | None | Unset = UNSET,
        etag: str | None = None,
    ) -> OAuthConnection:
        """Change how a connection is made; status and tokens stay. Without a change nothing is written.

        Raises:
            DocumentNotFoundError: There is no such connection.
            InvalidRequestError, DocumentTooLargeError: As in `create`.
        """
        ...

    def set_status(
        self,
        connection: OAuthConnection | OAuthConnectionRef,
        status: OAuthStatus,
        *,
        updated_by: str,
        message: str | None = None,
        etag: str | None = None,
    ) -> OAuthConnection:
        """Say how far a connection has come. *message* belongs to this status: None clears an earlier one.

        Raises:
            DocumentNotFoundError: There is no such connection.
        """
        ...

    def set_tokens(
        self,
        connection: OAuthConnection | OAuthConnectionRef,
        *,
        oauth_response_ref: str | None,
        expires_at: datetime | None,
        updated_by: str,
        last_refresh_at: datetime | None = None,
        etag: str | None = None,
    ) -> OAuthConnection:
        """Note where tokens have been put and until when they are good. The status stays as it is.

        Args:
            oauth_response_ref: The secret that holds them; None where there are none any more.
            expires_at: None if they never expire.
            last_refresh_at: When they were got; now by default.

        Raises:
            DocumentNotFoundError: There is no such connection.
        """
        ...

    def client_secret(
        self, scope: Scope, connection_name: str, *, fallback: bool = True, refresh: bool = False
    ) -> SecretStr | None:
        """Return the client's secret of a connection found like `get`, or None if it names none. Otherwise as `tokens`."""
        ...

    def tokens(self, scope: Scope, connection_name: str, *, fallback: bool = True, refresh: bool = False) -> OAuthTokens | None:
        """Return the tokens of a connection found like `get`, or None if it has none yet. They are kept nowhere but in memory.

        Remembered for ``BIFROST_STORE_SECRET_CACHE_SECONDS``, and read anew once `set_tokens` was called, in whatever process.
        Whether they have expired, ``expires_at`` of the connection says; to renew them is up to the application.

        Args:
            refresh: Read them anew now: what was remembered has been refused.

        Raises:
            DocumentNotFoundError: There is no such connection.
            SecretNotFoundError: The secret that the connection names does not exist, or is disabled.
            AccessDeniedError: This application may not read it.
            CorruptDocumentError: The secret is no JSON object with an ``access_token``.
        """
        ...

    def delete(self, scope: Scope, connection_name: str, *, etag: str | None = None) -> bool:
        """Delete the scope's own connection; return whether it was there. The secrets it names stay in Key Vault."""
        ...
