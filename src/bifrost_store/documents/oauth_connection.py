"""A connection to another service by OAuth. Secrets and tokens lie in Key Vault; a connection knows their names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final

from typing_extensions import override

from bifrost_store.core.json import dump_json
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.errors import DocumentTooLargeError

METADATA: Final = (
    "oauthFlowType",
    "clientId",
    "authorizationUrl",
    "tokenUrl",
    "scopes",
    "redirectUri",
    "status",
    "statusMessage",
    "expiresAt",
    "lastRefreshAt",
    "updatedAt",
)
"""Fields that today's rows keep together, as one JSON text in one column."""
MAX_METADATA_CHARACTERS: Final = 32_000
"""Of those fields as JSON: a column's 32,768 units, less room for longer names."""


class OAuthFlowType(StrEnum):
    """How tokens are got."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a flow's name


class OAuthStatus(StrEnum):
    """How far a connection has come."""

    NOT_CONNECTED = "not_connected"
    WAITING_CALLBACK = "waiting_callback"
    TESTING = "testing"
    COMPLETED = "completed"
    FAILED = "failed"


def _check_body(record_id: str, body: Mapping[str, object]) -> None:
    size = len(dump_json({name: body[name] for name in METADATA}))
    if size > MAX_METADATA_CHARACTERS:
        raise DocumentTooLargeError(
            f"oauth_connection: {size} characters of metadata in all, the limit is {MAX_METADATA_CHARACTERS} (as JSON)"
        )


class OAuthConnection(Document):
    """A connection under its name (case-sensitive).

    Attributes:
        client_secret_ref: Name of the Key Vault secret that holds the client's secret, or None.
        oauth_response_ref: Name of the Key Vault secret that holds the tokens, or None before there are any.
        authorization_url: None where the flow needs none.
        scopes: As the service wants them, in one text; empty if none.
        status_message: What was said with the present status, or None.
        expires_at: When the tokens do.
        created_at, created_by: None where the old application made the connection: it kept neither.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="oauth_connection",
        fields=frozenset(
            {
                *METADATA,
                "connectionName",
                "clientSecretRef",
                "oauthResponseRef",
                "description",
                "createdAt",
                "createdBy",
                "updatedBy",
            }
        ),
        id_field="connectionName",
        check_id=lambda text: check_identifier(text, "connection name"),
        check_body=_check_body,
        is_batchable=False,
    )

    connection_name: str
    description: str | None = None
    oauth_flow_type: OAuthFlowType
    client_id: str
    client_secret_ref: str | None = None
    oauth_response_ref: str | None = None
    authorization_url: str | None = None
    token_url: str
    scopes: str = ""
    redirect_uri: str
    status: OAuthStatus
    status_message: str | None = None
    expires_at: UtcTime | None = None
    last_refresh_at: UtcTime | None = None
    created_at: UtcTime | None = None
    created_by: str | None = None
    updated_at: UtcTime | None = None
    updated_by: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "connectionName": record.key.id}
