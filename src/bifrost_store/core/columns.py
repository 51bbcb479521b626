"""Columns that no field claims, as JSON that names their type: what travels along in `Record.extra`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bifrost_store.errors import InvalidRequestError

_NAME = re.compile(r"[^\W\d]\w{0,254}")
"""Property names ("Understanding the Table service data model", Microsoft)."""
_KEYS = frozenset({"PartitionKey", "RowKey", "Timestamp"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "Edm.Boolean": (bool,),
    "Edm.Int32": (int,),
    "Edm.Int64": (str,),
    "Edm.Double": (float, int, str),
    "Edm.DateTime": (str,),
    "Edm.Guid": (str,),
    "Edm.Binary": (str,),
}
"""How the Table service's JSON writes the values of each type."""


def check_columns(columns: object, field: str) -> None:
    """Refuse what no table row could hold as columns.

    Raises:
        InvalidRequestError: A name that is no property's, or a value that is neither text nor ``{"type", "value"}``.
    """
    if not isinstance(columns, Mapping):
        raise InvalidRequestError(f"{field}: must be an object of columns")
    for name, value in columns.items():
        if name in _KEYS or not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise InvalidRequestError(f"{field}: {name!r} cannot be the name of a column")
        if not isinstance(value, str) and not _is_typed(value):
            raise InvalidRequestError(f"{field}: column {name} is neither text nor of a type that a table knows")


def _is_typed(value: object) -> bool:
    if not isinstance(value, Mapping) or value.keys() != {"type", "value"}:
        return False
    types = _TYPES.get(str(value["type"]), ())
    plain = value["value"]
    return isinstance(plain, types) and (isinstance(plain, bool) is (bool in types))
