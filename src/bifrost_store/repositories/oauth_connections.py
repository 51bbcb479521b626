"""OAuth connections, with GLOBAL as the fallback of every organization."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from pydantic import SecretStr
from pydantic.alias_generators import to_camel
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.json import UNREADABLE, load_json
from bifrost_store.core.page import Page
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.core.version import Etag
from bifrost_store.documents import OAuthConnection, OAuthFlowType, OAuthStatus
from bifrost_store.errors import CorruptDocumentError, DocumentNotFoundError, InvalidRequestError
from bifrost_store.repositories.changes import change_record
from bifrost_store.repositories.checks import check_id, check_scope, check_string, one_of, utc
from bifrost_store.repositories.reading import all_records, overlaid
from bifrost_store.repository_protocols.oauth_connections import OAuthConnectionRef, OAuthConnections, OAuthTokens
from bifrost_store.secrets.names import check_secret_name
from bifrost_store.secrets.protocol import Secret
from bifrost_store.secrets.remembered import RememberedSecrets


class OAuthConnectionRepository(OAuthConnections):
    """The `OAuthConnections` of a store. See `bifrost_store.protocols.OAuthConnections`."""

    def __init__(self, backend: Backend, *, clock: Clock, secrets: RememberedSecrets) -> None:
        self._backend = backend
        self._clock = clock
        self._secrets = secrets

    @override
    async def create(
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
        key = _key(scope, connection_name)
        check_id(created_by, "created_by")
        fields = _checked(
            oauth_flow_type=oauth_flow_type,
            client_id=client_id,
            token_url=token_url,
            authorization_url=authorization_url,
            scopes=scopes,
            redirect_uri=f"/oauth/callback/{connection_name}" if redirect_uri is None else redirect_uri,
            client_secret_ref=client_secret_ref,
            description=description,
        )
        now = format_time(self._clock())
        body: Body = {
            **fields,
            "connectionName": connection_name,
            "oauthResponseRef": None,
            "status": OAuthStatus.NOT_CONNECTED.value,
            "statusMessage": None,
            "expiresAt": None,
            "lastRefreshAt": None,
            "createdAt": now,
            "createdBy": created_by,
            "updatedAt": now,
            "updatedBy": created_by,
        }
        return OAuthConnection.from_record(await self._backend.create(Record(key, body)))

    @override
    async def get(self, scope: Scope, connection_name: str, *, fallback: bool = True) -> OAuthConnection | None:
        record = await self._backend.get(_key(scope, connection_name), fallback=GLOBAL if fallback and scope != GLOBAL else None)
        return None if record is None else OAuthConnection.from_record(record)

    @override
    async def list(self, scope: Scope, *, include_global: bool = True) -> Page[OAuthConnection]:
        check_scope(scope, OAuthConnection.spec)
        return await overlaid(self._all, scope, name_of=lambda one: one.connection_name, include_global=include_global)

    @override
    async def update(
        self,
        connection: OAuthConnection | OAuthConnectionRef,
        *,
        updated_by: str,
        oauth_flow_type: OAuthFlowType | Unset = UNSET,
        client_id: str | Unset = UNSET,
        client_secret_ref: str | Unset | None = UNSET,
        authorization_url: str | Unset | None = UNSET,
        token_url: str | Unset = UNSET,
        scopes: str | Unset = UNSET,
        redirect_uri: str | Unset = UNSET,
        description: str | Unset | None = UNSET,
        etag: str | None = None,
    ) -> OAuthConnection:
        given = {
            "oauth_flow_type": oauth_flow_type,
            "client_id": client_id,
            "client_secret_ref": client_secret_ref,
            "authorization_url": authorization_url,
            "token_url": token_url,
            "scopes": scopes,
            "redirect_uri": redirect_uri,
            "description": description,
        }
        fields = _checked(**{name: value for name, value in given.items() if value is not UNSET})
        return await self._change(connection, fields, updated_by, etag)

    @override
    async def set_status(
        self,
        connection: OAuthConnection | OAuthConnectionRef,
        status: OAuthStatus,
        *,
        updated_by: str,
        message: str | None = None,
        etag: str | None = None,
    ) -> OAuthConnection:
        fields = {"status": one_of(OAuthStatus, status, "status").value, "statusMessage": message}
        if message is not None:
            check_string(message, "message")
        return await self._change(connection, fields, updated_by, etag)

    @override
    async def set_tokens(
        self,
        connection: OAuthConnection | OAuthConnectionRef,
        *,
        oauth_response_ref: str | None,
        expires_at: datetime | None,
        updated_by: str,
        last_refresh_at: datetime | None = None,
        etag: str | None = None,
    ) -> OAuthConnection:
        if oauth_response_ref is not None:
            check_secret_name(oauth_response_ref, "oauth_response_ref")
        refreshed_at = self._clock() if last_refresh_at is None else utc(last_refresh_at, "last_refresh_at")
        fields: Body = {
            "oauthResponseRef": oauth_response_ref,
            "expiresAt": None if expires_at is None else format_time(utc(expires_at, "expires_at")),
            "lastRefreshAt": format_time(refreshed_at),
        }
        return await self._change(connection, fields, updated_by, etag)

    @override
    async def client_secret(
        self, scope: Scope, connection_name: str, *, fallback: bool = True, refresh: bool = False
    ) -> SecretStr | None:
        connection = await self._there(scope, connection_name, fallback=fallback)
        if connection.client_secret_ref is None:
            return None
        return (await self._secrets.get(connection.client_secret_ref, state=connection.updated_at, refresh=refresh)).value

    @override
    async def tokens(
        self, scope: Scope, connection_name: str, *, fallback: bool = True, refresh: bool = False
    ) -> OAuthTokens | None:
        connection = await self._there(scope, connection_name, fallback=fallback)
        name = connection.oauth_response_ref
        if name is None:
            return None
        state = (connection.last_refresh_at, connection.expires_at)
        return _tokens(await self._secrets.get(name, state=state, refresh=refresh), connection)

    async def _there(self, scope: Scope, connection_name: str, *, fallback: bool) -> OAuthConnection:
        connection = await self.get(scope, connection_name, fallback=fallback)
        if connection is None:
            raise DocumentNotFoundError(f"OAuth connection {connection_name!r} is not there for {scope}; create it")
        return connection

    @override
    async def delete(self, scope: Scope, connection_name: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(scope, connection_name), expected=expected) is not None

    async def _change(
        self, connection: OAuthConnection | OAuthConnectionRef, fields: Body, updated_by: str, etag: str | None
    ) -> OAuthConnection:
        check_id(updated_by, "updated_by")

        def change(record: Record) -> Record | None:
            if not fields:
                return None
            stamp = {"updatedAt": format_time(self._clock()), "updatedBy": updated_by}
            return record.with_body({**record.body, **fields, **stamp})

        key = _key(connection.scope, connection.connection_name)
        known = connection.record if isinstance(connection, OAuthConnection) else None
        changed = await change_record(self._backend, key, change, known=known, etag=etag)
        return OAuthConnection.from_record(changed.record)

    async def _all(self, scope: Scope) -> Page[OAuthConnection]:
        return (await all_records(self._backend, "oauth_connection", scope)).convert(OAuthConnection.from_record)


def _key(scope: Scope, connection_name: str) -> Key:
    check_scope(scope, OAuthConnection.spec)
    check_id(connection_name, "connection name")
    return Key("oauth_connection", scope, connection_name)


def _checked(**fields: object) -> Body:
    """Return the fields given as a body has them, once each keeps its rule."""
    return {to_camel(name): _CHECKS[name](value, name) for name, value in fields.items()}


def _text(value: object, field: str) -> object:
    check_string(value, field)
    return value


def _some_text(value: object, field: str) -> object:
    if _text(value, field) == "":
        raise InvalidRequestError(f"{field}: must not be empty")
    return value


def _secret_name(value: object, field: str) -> object:
    check_secret_name(value, field)
    return value


def _optional(check: Callable[[object, str], object]) -> Callable[[object, str], object]:
    return lambda value, field: None if value is None else check(value, field)


_CHECKS: Final[dict[str, Callable[[object, str], object]]] = {
    "oauth_flow_type": lambda value, field: one_of(OAuthFlowType, value, field).value,
    "client_id": _some_text,
    "token_url": _some_text,
    "authorization_url": _optional(_text),
    "scopes": _text,
    "redirect_uri": _some_text,
    "client_secret_ref": _optional(_secret_name),
    "description": _optional(_text),
}


def _tokens(secret: Secret, connection: OAuthConnection) -> OAuthTokens:
    """Return what a token endpoint's answer holds, without a word of it in any error."""
    try:
        answer = load_json(secret.value.get_secret_value())
    except UNREADABLE:
        answer = None
    texts = {name: answer.get(name) for name in ("access_token", "refresh_token", "token_type")} if isinstance(answer, dict) else {}
    if not isinstance(texts.get("access_token"), str):
        raise CorruptDocumentError(
            f"secret {secret.name!r}: is no JSON object with an access_token; connect {connection.connection_name!r} again"
        )
    access, refresh, kind = (text if isinstance(text, str) else None for text in texts.values())
    return OAuthTokens(SecretStr(access or ""), None if refresh is None else SecretStr(refresh), kind or "Bearer", connection)
