"""Configuration values, with GLOBAL as the fallback of every organization."""

from __future__ import annotations

from typing import Any, Final

from pydantic import SecretStr
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.page import Page
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.core.version import Etag
from bifrost_store.documents import Config, ConfigType
from bifrost_store.errors import DocumentNotFoundError, InvalidRequestError
from bifrost_store.repositories.changes import put_record
from bifrost_store.repositories.checks import check_id, check_scope, check_string, one_of, plain_json
from bifrost_store.repositories.reading import all_records, overlaid
from bifrost_store.repository_protocols.configs import Configs
from bifrost_store.secrets.names import check_secret_name
from bifrost_store.secrets.remembered import RememberedSecrets

_PYTHON_TYPES: Final[dict[ConfigType, type]] = {ConfigType.STRING: str, ConfigType.INT: int, ConfigType.BOOL: bool}


class ConfigRepository(Configs):
    """The `Configs` of a store. See `bifrost_store.protocols.Configs`."""

    def __init__(self, backend: Backend, *, clock: Clock, secrets: RememberedSecrets) -> None:
        self._backend = backend
        self._clock = clock
        self._secrets = secrets

    @override
    async def set(
        self,
        scope: Scope,
        key: str,
        value: Any,
        *,
        config_type: ConfigType,
        updated_by: str,
        description: str | Unset | None = UNSET,
        etag: str | None = None,
    ) -> Config:
        record_key = _key(scope, key)
        config_type = one_of(ConfigType, config_type, "config_type")
        check_id(updated_by, "updated_by")
        if description is not UNSET and description is not None:
            check_string(description, "description")
        values = _typed_values(config_type, value)

        def make(stored: Record | None) -> Record:
            kept = None if stored is None else stored.body["description"]
            body: Body = {
                "key": key,
                "configType": config_type.value,
                **values,
                "description": kept if description is UNSET else description,
                "updatedAt": format_time(self._clock()),
                "updatedBy": updated_by,
            }
            return Record(record_key, body) if stored is None else stored.with_body(body)

        return Config.from_record(await put_record(self._backend, record_key, make, etag=etag))

    @override
    async def get(self, scope: Scope, key: str, *, fallback: bool = True) -> Config | None:
        record = await self._backend.get(_key(scope, key), fallback=GLOBAL if fallback and scope != GLOBAL else None)
        return None if record is None else Config.from_record(record)

    @override
    async def resolve(self, scope: Scope, key: str, *, fallback: bool = True, refresh: bool = False) -> SecretStr:
        config = await self.get(scope, key, fallback=fallback)
        if config is None:
            raise DocumentNotFoundError(f"config {key!r} is not there for {scope}; set it to the name of a secret")
        if config.secret_ref is None:
            raise InvalidRequestError(
                f"config {key!r} of {config.scope}: its type {config.config_type} names no secret; read its value"
            )
        return (await self._secrets.get(config.secret_ref, state=config.updated_at, refresh=refresh)).value

    @override
    async def list(self, scope: Scope, *, include_global: bool = True) -> Page[Config]:
        check_scope(scope, Config.spec)
        return await overlaid(self._all, scope, name_of=lambda config: config.key, include_global=include_global)

    @override
    async def delete(self, scope: Scope, key: str, *, etag: str | None = None) -> bool:
        expected = None if etag is None else Etag.parse(etag)
        return await self._backend.delete(_key(scope, key), expected=expected) is not None

    async def _all(self, scope: Scope) -> Page[Config]:
        return (await all_records(self._backend, "config", scope)).convert(Config.from_record)


def _key(scope: Scope, key: str) -> Key:
    check_scope(scope, Config.spec)
    check_id(key, "config key")
    return Key("config", scope, key)


def _typed_values(config_type: ConfigType, value: Any) -> Body:
    """Return the fields that hold *value*, once it fits its type. The error never shows it: it may be a secret."""
    if config_type is ConfigType.JSON:
        return {"value": plain_json(value, "value"), "secretRef": None}
    if config_type is ConfigType.SECRET_REF:
        check_secret_name(value, "value")
        return {"value": None, "secretRef": value}
    expected = _PYTHON_TYPES[config_type]
    if not isinstance(value, expected) or isinstance(value, bool) is not (expected is bool):
        raise InvalidRequestError(f"value: of type {config_type} must be {expected.__name__}, not {type(value).__name__}")
    return {"value": plain_json(value, "value"), "secretRef": None}
