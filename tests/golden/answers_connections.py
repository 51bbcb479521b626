"""The old application's calls on OAuth connections, branding and integrations, made through the library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from bifrost_store import GLOBAL, Integration, OAuthConnection, Scope, Store

Answer = Any
Call = Callable[[Store, dict[str, Any]], Awaitable[Answer]]

TOPICS = ("oauth", "branding")
_TIMES = {"expires_at", "last_refresh_at", "last_test_at", "created_at", "updated_at"}


def _time(text: str | None) -> str | None:
    """Return a time without a zone, which is UTC, with all six digits."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).replace(tzinfo=None).isoformat(timespec="microseconds")


def _connection_shown(connection: OAuthConnection) -> dict[str, Any]:
    shown = connection.model_dump(mode="json", exclude={"scope", "etag", "updated_by"})
    shown |= {"org_id": connection.scope.partition_key, "token_type": "Bearer", "last_test_at": None}
    return _plain_connection(shown)


def _plain_connection(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: _time(value) if name in _TIMES else value for name, value in shown.items()}


async def _get_connection(store: Store, args: dict[str, Any]) -> Answer:
    connection = await store.oauth.get(Scope.from_partition_key(args["org_id"]), args["connection_name"])
    return None if connection is None else _connection_shown(connection)


async def _list_connections(store: Store, args: dict[str, Any]) -> Answer:
    found = await store.oauth.list(Scope.from_partition_key(args["org_id"]), include_global=args["include_global"])
    if args["include_global"]:
        # Ours come by name; the old list gave the scope's own first.
        return [_connection_shown(connection) for connection in sorted(found, key=lambda one: one.scope == GLOBAL)]
    return [connection.connection_name for connection in found]


async def _get_branding(store: Store, args: dict[str, Any]) -> Answer:
    branding = await store.branding.get(GLOBAL)
    shown = branding.model_dump(mode="json", by_alias=True, exclude={"scope", "etag"})
    return {**shown, "orgId": branding.scope.partition_key, "updatedAt": _time(shown["updatedAt"])}


def _integration_shown(integration: Integration) -> dict[str, Any]:
    return _plain_integration(integration.model_dump(mode="json", by_alias=True, exclude={"scope", "etag"}))


def _plain_integration(shown: dict[str, Any]) -> dict[str, Any]:
    return {**shown, "updatedAt": _time(shown["updatedAt"])}


async def _get_integration(store: Store, args: dict[str, Any]) -> Answer:
    scope = Scope.from_partition_key(args["scope"])
    integration = await store.integrations.get(scope, args["integration_type"], fallback=args["fallback_to_global"])
    return None if integration is None else _integration_shown(integration)


async def _list_integrations(store: Store, args: dict[str, Any]) -> Answer:
    found = await store.integrations.list(Scope.from_partition_key(args["scope"]), include_global=False)
    return [_integration_shown(integration) for integration in found]


def _each(normal: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Answer], Answer]:
    """Return what makes one model, or each of a list, comparable; names and None stay."""

    def apply(answer: Answer) -> Answer:
        if isinstance(answer, list):
            return [apply(one) for one in answer]
        return normal(answer) if isinstance(answer, dict) else answer

    return apply


NORMAL: dict[str, Callable[[Answer], Answer]] = {
    "OAuthRepository.get_connection": _each(_plain_connection),
    "OAuthRepository.list_connections": _each(_plain_connection),
    "ConfigRepository.get_integration_config": _each(_plain_integration),
    "ConfigRepository.list_integrations": _each(_plain_integration),
}

CALLS: dict[str, Call] = {
    "OAuthRepository.get_connection": _get_connection,
    "OAuthRepository.list_connections": _list_connections,
    "branding.get_branding": _get_branding,
    "ConfigRepository.get_integration_config": _get_integration,
    "ConfigRepository.list_integrations": _list_integrations,
}
