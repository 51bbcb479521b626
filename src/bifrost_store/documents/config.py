"""A configuration value of the platform or of one organization."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pydantic import JsonValue
from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.errors import InvalidKeyError

OAUTH_KEY = re.compile(r"oauth_(?P<name>.+)_(?P<part>metadata|client_secret|oauth_response)", re.DOTALL)
"""Keys of today's ``config:`` rows that belong to an OAuth connection."""


def _check_key(text: str) -> None:
    check_identifier(text, "config key")
    if OAUTH_KEY.fullmatch(text):
        raise InvalidKeyError(f"config key {text!r}: such keys belong to OAuth connections")


def _is_json(field: str, body: Mapping[str, object]) -> bool:
    """A value of type json is stored as JSON text, also where it is itself a text."""
    return not isinstance(body[field], str) or (field == "value" and body["configType"] == ConfigType.JSON)


class ConfigType(StrEnum):
    """What a value is; says which Python type it has."""

    STRING = "string"
    INT = "int"
    BOOL = "bool"
    JSON = "json"
    SECRET_REF = "secret_ref"  # noqa: S105 - a type's name


class Config(Document):
    """A setting under its key (case-sensitive).

    Attributes:
        config_type: One of `ConfigType`.
        value: ``str``, ``int``, ``bool`` or any JSON by type; None for a ``secret_ref``.
        secret_ref: Name of a Key Vault secret for a ``secret_ref``, else None. Never the secret itself.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="config",
        fields=frozenset({"key", "configType", "value", "secretRef", "description", "updatedAt", "updatedBy"}),
        queryable=frozenset({"configType"}),
        unindexed=("value/*",),
        check_id=_check_key,
        is_json=_is_json,
    )

    key: str
    config_type: ConfigType
    value: JsonValue = None
    secret_ref: str | None = None
    description: str | None = None
    updated_at: UtcTime | None = None
    updated_by: str | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "key": record.key.id}
