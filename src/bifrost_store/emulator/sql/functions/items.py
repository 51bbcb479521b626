"""Functions over a whole item or a place on the globe."""

from __future__ import annotations

import base64
import binascii
import math

from bifrost_store.emulator import numbers
from bifrost_store.emulator.numbers import is_number
from bifrost_store.emulator.sql.functions.globe import Place, metres_between
from bifrost_store.emulator.sql.functions.registry import Function, Table
from bifrost_store.emulator.sql.values import UNDEFINED, Value, lookup

_ITEM_RID_BYTES = 16


def _document_id(item: Value) -> Value:
    """Return the item's number within its container: the last 8 bytes of its ``_rid``, little-endian."""
    rid = lookup(item, ("_rid",))
    if type(rid) is not str:
        return UNDEFINED
    try:
        content = base64.b64decode(rid.replace("-", "/"), validate=True)
    except (binascii.Error, ValueError):
        return UNDEFINED
    return numbers.number(int.from_bytes(content[8:], "little")) if len(content) == _ITEM_RID_BYTES else UNDEFINED


def _distance(left: Value, right: Value) -> Value:
    """Return the metres between two points along the globe."""
    one, other = _point(left), _point(right)
    return UNDEFINED if one is None or other is None else numbers.number(metres_between(one, other))


def _point(value: Value) -> Place | None:
    """Return a GeoJSON point as longitude and latitude in radians."""
    coordinates = lookup(value, ("coordinates",))
    if lookup(value, ("type",)) != "Point" or type(coordinates) is not list or len(coordinates) < 2:
        return None
    if not all(map(is_number, coordinates)) or abs(coordinates[0]) > 180 or abs(coordinates[1]) > 90:
        return None
    return math.radians(coordinates[0]), math.radians(coordinates[1])


TABLE: Table = {"DOCUMENTID": Function(1, 1, _document_id), "ST_DISTANCE": Function(2, 2, _distance)}
