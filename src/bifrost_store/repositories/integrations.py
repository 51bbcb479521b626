"""Integrations, with GLOBAL as the fallback of every organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.version import Etag
from bifrost_store.documents import Integration
from bifrost_store.repositories.changes import put_record
from bifrost_store.repositories.checks import check_flag, check_id, check_scope, json_object
from bifrost_store.repositories.reading import all_records, overlaid
from bifrost_store.repository_protocols.integrations import Integrations


class IntegrationRepository(Integrations):
    """The `Integrations` of a store. See `bifrost_store.protocols.Integrations`."""

    def __init__(self, backend: Backend, *, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock

    @override
    async def set(
        self,
        scope: Scope,
        integration_type: str,
        *,
        enabled: bool,
        settings: Mapping[str, Any],
        updated_by: str,
        etag: str | None = None,
    ) -> Integration:
        key = _key(scope, integration_type)
        check_flag(enabled, "enabled")
        check_id(updated_by, "updated_by")
        plain = json_object(settings, "settings")

        def make(stored: Record | None) -> Record:
            body: Body = {
                "type": integration_type,
                "enabled": enabled,
                "settings": plain,
                "updatedAt": format_time(self._clock()),
                "updatedBy": updated_by,
            }
            return Record(key, body) if stored is None else stored.with_body(body)

        return Integration.from_record(await put_record(self._backend, key, make, etag=etag))

    @override
    async def get(self, scope: Scope, integration_type: str, *, fallback: bool = True) -> Integration | None:
        record = await self._backend.get(_key(scope, integration_type), fallback=GLOBAL if fallback and scope != GLOBAL else None)
        return None if record is None else Integration.from_record(record)

    @override
    async def list(self, scope: Scope, *, include_global: bool = True) -> Page[Integration]:
        check_scope(scope, Integration.spec)
        return await overlaid(self._all, scope, name_of=lambda one: one.type, include_global=include_global)

    @override
    async def delete(self, scope: Scope, integration_type: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(scope, integration_type), expected=expected) is not None

    async def _all(self, scope: Scope) -> Page[Integration]:
        return (await all_records(self._backend, "integration", scope)).convert(Integration.from_record)


def _key(scope: Scope, integration_type: str) -> Key:
    check_scope(scope, Integration.spec)
    check_id(integration_type, "integration type")
    return Key("integration", scope, integration_type)
