"""Column values: between the SDK's Python objects and JSON that names the type."""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from azure.data.tables import EdmType, EntityProperty

TYPE_SUFFIX: Final = "@odata.type"
"""What the service's JSON names the type of a column by."""
_PLAIN_TYPE: Final = "Edm.String"


def to_json(value: object) -> Any:
    """Return a column's value as JSON: text as itself, anything else as ``{"type": "Edm.Int32", "value": ...}``."""
    if isinstance(value, str):
        return value
    edm_type, plain = to_rest(value)
    return {"type": edm_type, "value": plain}


def as_json(value: object) -> Any:
    """Return a column's value as JSON, or as text where its type is none of the service's."""
    try:
        return to_json(value)
    except (TypeError, ValueError):
        return str(value)


def from_json(value: Any) -> Any:
    """Return the SDK's object for what `to_json` gave."""
    return value if isinstance(value, str) else from_rest(value["type"], value["value"])


def to_rest(value: object) -> tuple[str, Any]:
    """Return the Edm type of a value that the SDK read, and the value as the Table service's JSON has it."""
    match value:
        case EntityProperty():
            edm_type = EdmType(value.edm_type)
            return edm_type.value, str(value.value) if edm_type is EdmType.INT64 else value.value
        case str():
            return "Edm.String", value
        case bool():
            return "Edm.Boolean", value
        case int():
            return "Edm.Int32", value
        case float():
            return "Edm.Double", value if math.isfinite(value) else _NAMED[repr(value)]
        case datetime():
            return "Edm.DateTime", getattr(value, "tables_service_value", "") or value.isoformat()
        case uuid.UUID():
            return "Edm.Guid", str(value)
        case bytes():
            return "Edm.Binary", base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no column type")


def row_to_rest(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the Table service's JSON has it: `backends.table.rows` puts exactly that back."""
    row: dict[str, Any] = {}
    for name, value in properties.items():
        edm_type, plain = to_rest(value)
        row[name] = plain
        if edm_type != _PLAIN_TYPE:
            row[name + TYPE_SUFFIX] = edm_type
    return row


_PYTHON = {"Edm.String": str, "Edm.Boolean": bool, "Edm.Int32": int}
_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def from_rest(edm_type: str, value: Any) -> Any:
    """Return the SDK's object for a value of *edm_type* as the Table service's JSON has it.

    Raises:
        ValueError: The value does not fit the type, or the type is unknown.
    """
    match edm_type:
        case "Edm.String" | "Edm.Boolean" | "Edm.Int32":
            if type(value) is not _PYTHON[edm_type]:
                raise ValueError(f"{type(value).__name__} is not {edm_type}")
            return value
        case "Edm.Int64":
            return EntityProperty(int(value), EdmType.INT64)
        case "Edm.Double":
            return EntityProperty(float(value), EdmType.DOUBLE)
        case "Edm.DateTime":
            # As text: Python's datetime would cut the seventh digit.
            return EntityProperty(value, EdmType.DATETIME)
        case "Edm.Guid":
            return uuid.UUID(value)
        case "Edm.Binary":
            return base64.b64decode(value, validate=True)
    raise ValueError(f"{edm_type!r} is no Edm type")
