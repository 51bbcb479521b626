"""A configuration value of the platform or of one organization."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from typing_extensions import override

from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec, check_identifier
from bifrost_store.documents.base import Document, Json, UtcTime
from bifrost_store.errors import InvalidKeyError, InvalidRequestError

V = TypeVar("V")

OAUTH_KEY = re.compile(r"oauth_(?P<name>.+)_(?P<part>metadata|client_secret|oauth_response)", re.DOTALL)
"""Keys of today's ``config:`` rows that belong to an OAuth connection."""


_TEXTS_OF_CALLERS: Final = frozenset({"value_error", "assertion_error"})
"""Types of errors whose messages a caller's own validators write, and which may quote the value."""


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
        id_field="key",
        queryable=frozenset({"configType"}),
        unindexed=("value/*",),
        check_id=_check_key,
        is_json=_is_json,
    )

    key: str
    config_type: ConfigType
    value: Json = None
    secret_ref: str | None = None
    description: str | None = None
    updated_at: UtcTime | None = None
    updated_by: str | None = None

    def value_as(self, value_type: type[V]) -> V:
        """Return the value as a *value_type*: ``int``, ``bool``, ``str``, ``float``, ``list[str]``, a pydantic model, an enum, ...

        Read as strictly as JSON allows: a text is no number, a bool no int; an int may be a float, and a text a date or a member of
        an enum.

        Raises:
            InvalidRequestError: The value does not fit, or is a secret. The message never shows it.
        """
        name = f"config {self.key!r} of {self.scope}"
        if self.config_type is ConfigType.SECRET_REF:
            raise InvalidRequestError(f"{name}: is the name of a secret, and has no value here; ask for the secret itself")
        try:
            value: V = _adapter(cast(Any, value_type)).validate_json(json.dumps(self.value), strict=True)
            return value
        except PydanticUserError as error:
            raise InvalidRequestError(f"value_type: {value_type!r} is no type that JSON can be read as") from error
        except ValidationError as error:
            wanted = getattr(value_type, "__name__", str(value_type))
            why = "; ".join(_problems(error, value_type))
            raise InvalidRequestError(f"{name}: a {self.config_type} that is no {wanted} ({why}); set it anew") from None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "key": record.key.id}


@lru_cache(maxsize=256)
def _adapter(value_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(value_type)


def _problems(error: ValidationError, value_type: type[object]) -> list[str]:
    """Return what is wrong, without anything of the value: neither what it holds, nor names in it that the type does not know."""
    fields = value_type.model_fields if isinstance(value_type, type) and issubclass(value_type, BaseModel) else {}
    known = {*fields, *(field.alias for field in fields.values())}
    found: dict[str, None] = {}
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        place = f"{problem['loc'][0]}: " if problem["loc"] and problem["loc"][0] in known else ""
        found[place + ("it is refused" if problem["type"] in _TEXTS_OF_CALLERS else problem["msg"])] = None
    return list(found)[:3]
