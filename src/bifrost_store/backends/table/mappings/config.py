"""Config ``config:``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import TEXT, TIME, Column, Reading, UnreadableColumnError, encode_columns
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.documents import Config, ConfigType


class ConfigMapping(RowMapping):
    """A value is one row; its text depends on its type."""

    spec = Config.spec
    table = "Config"
    prefix = "config:"
    columns = (
        Column("value", "Value", TEXT),
        Column("configType", "Type", TEXT, default="string"),
        Column("description", "Description", TEXT),
        Column("updatedAt", "UpdatedAt", TIME, is_forgiven=True),
        Column("updatedBy", "UpdatedBy", TEXT),
    )

    @cached_property
    @override
    def column_names(self) -> dict[str, str]:
        return {**super().column_names, "secretRef": "Value"}

    @override
    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        body = super().read_body(key, row, reading=reading)
        is_secret = body["configType"] == ConfigType.SECRET_REF
        value = body["value"]
        return {
            **body,
            "key": key.id,
            "value": None if is_secret or value is None else _typed(body["configType"], value),
            "secretRef": value if is_secret else None,
        }

    @override
    def write_columns(self, record: Record) -> Row:
        body = record.body
        text = body["secretRef"] if body["configType"] == ConfigType.SECRET_REF else _as_text(body["configType"], body["value"])
        return encode_columns(self.columns, {**body, "value": text})


def _typed(config_type: str, text: str) -> object:
    match config_type:
        case ConfigType.INT:
            return _parsed(int, text, "a whole number")
        case ConfigType.BOOL if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case ConfigType.BOOL:
            raise UnreadableColumnError("column Value: expected true or false")
        case ConfigType.JSON:
            return _parsed(load_json, text, "JSON")
        case _:
            return text


def _parsed(parse: Callable[[str], object], text: str, expected: str) -> object:
    try:
        return parse(text)
    except ValueError:
        raise UnreadableColumnError(f"column Value: expected {expected}") from None


def _as_text(config_type: str, value: object) -> str | None:
    match config_type:
        case ConfigType.JSON:
            return dump_json(value)
        case ConfigType.BOOL:
            return "true" if value else "false"
        case _:
            return None if value is None else str(value)
