"""What a form's schema must be when it is written: strict in what is known of fields, blind to everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bifrost_store.errors import InvalidRequestError
from bifrost_store.repositories.checks import check_name, json_object

MAX_FIELDS: Final = 50
FIELD_TYPES: Final = (
    "text",
    "email",
    "number",
    "select",
    "checkbox",
    "textarea",
    "radio",
    "datetime",
    "markdown",
    "html",
    "file",
)
INPUT_MODES: Final = ("static", "fieldRef", "expression")

_TEXT: Final = ("text", (str,))
_BOOLEAN: Final = ("true or false", (bool,))
_OBJECT: Final = ("an object", (dict,))
_LIST: Final = ("a list", (list,))
_OPTIONAL: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "label": _TEXT,
    "required": _BOOLEAN,
    "validation": _OBJECT,
    "dataProvider": _TEXT,
    "dataProviderInputs": _OBJECT,
    "placeholder": _TEXT,
    "helpText": _TEXT,
    "visibilityExpression": _TEXT,
    "options": _LIST,
    "allowedTypes": _LIST,
    "multiple": _BOOLEAN,
    "maxSizeMB": ("a number", (int, float)),
    "content": _TEXT,
    "allowAsQueryParam": _BOOLEAN,
}
"""What a field may say of itself, and what type that has where it is neither absent nor null. Its default may be any JSON."""
_INPUT_OPTIONAL: Final = {"fieldName": _TEXT, "expression": _TEXT}


def form_schema(value: object) -> dict[str, Any]:
    """Return a plain copy of a form's schema.

    Raises:
        InvalidRequestError: It is none. The message says where it breaks which rule, and shows nothing of its content.
    """
    schema = json_object(value, "form_schema")
    fields = schema.get("fields")
    if not isinstance(fields, list):
        raise InvalidRequestError("form_schema: must be an object whose `fields` is a list")
    if len(fields) > MAX_FIELDS:
        raise InvalidRequestError(f"form_schema: at most {MAX_FIELDS} fields, not {len(fields)}")
    names: set[str] = set()
    for number, field in enumerate(fields):
        where = f"form_schema: fields[{number}]"
        _check_field(field, where)
        if field["name"] in names:
            raise InvalidRequestError(f"{where}.name: another field has the same name")
        names.add(field["name"])
    return schema


def _check_field(field: Any, where: str) -> None:
    if not isinstance(field, dict):
        raise InvalidRequestError(f"{where}: must be an object")
    check_name(field.get("name"), f"{where}.name")
    if field.get("type") not in FIELD_TYPES:
        raise InvalidRequestError(f"{where}.type: must be one of {', '.join(FIELD_TYPES)}")
    _check_types(field, _OPTIONAL, where)
    for number, one in enumerate((field.get("dataProviderInputs") or {}).values()):
        _check_input(one, f"{where}.dataProviderInputs[{number}]")
    for number, one in enumerate(field.get("allowedTypes") or []):
        if not isinstance(one, str):
            raise InvalidRequestError(f"{where}.allowedTypes[{number}]: must be text")


def _check_input(one: Any, where: str) -> None:
    if not isinstance(one, dict):
        raise InvalidRequestError(f"{where}: must be an object")
    if one.get("mode") not in INPUT_MODES:
        raise InvalidRequestError(f"{where}.mode: must be one of {', '.join(INPUT_MODES)}")
    _check_types(one, _INPUT_OPTIONAL, where)


def _check_types(one: dict[str, Any], types: Mapping[str, tuple[str, tuple[type, ...]]], where: str) -> None:
    for name, (expected, allowed) in types.items():
        value = one.get(name)
        is_allowed = isinstance(value, allowed) and isinstance(value, bool) is (bool in allowed)
        if value is not None and not is_allowed:
            raise InvalidRequestError(f"{where}.{name}: must be {expected} or null, not {type(value).__name__}")
