"""A row of today's tables that no kind claims: carried whole, never dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from typing_extensions import override

from bifrost_store.core.columns import check_columns
from bifrost_store.core.json import utf16_length
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, JsonObject
from bifrost_store.errors import InvalidKeyError, InvalidRequestError

_IN_NO_KEY: Final = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_KEY_UNITS: Final = 512
"""UTF-16 units: 1 KiB ("Understanding the Table service data model", Microsoft)."""


def legacy_row_id(table: str, partition_key: str, row_key: str) -> str:
    """Return the id of a row: its table and keys joined by ``/``, which none of them can hold."""
    return f"{table}/{partition_key}/{row_key}"


def _check_id(text: str) -> None:
    table, *keys = text.split("/")
    if len(keys) != 2 or not table.isalnum() or not all(map(_is_key, keys)):
        raise InvalidKeyError(f"legacy row id {text[:80]!r}: expected table/partition key/row key as a table can hold them")


def _is_key(text: str) -> bool:
    return _IN_NO_KEY.search(text) is None and utf16_length(text) <= _MAX_KEY_UNITS


def _check_body(record_id: str, body: Mapping[str, object]) -> None:
    if record_id != legacy_row_id(str(body["table"]), str(body["partitionKey"]), str(body["rowKey"])):
        raise InvalidRequestError(f"legacy row {record_id[:80]!r}: the id must repeat table, partitionKey and rowKey")
    check_columns(body["columns"], "columns")


class LegacyRow(Document):
    """A row of an older layout, or of a kind that a later version of this library will claim.

    Attributes:
        id: ``table/partition key/row key``.
        columns: Column name to value. Text is itself; any other type is ``{"type": "Edm.Int32", "value": ...}`` with the
            value as the Table service's JSON has it.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="legacy_row",
        fields=frozenset({"table", "partitionKey", "rowKey", "columns"}),
        queryable=frozenset({"table"}),
        unindexed=("columns/*",),
        scopes="any",
        column_limit=None,
        record_limit=None,
        check_body=_check_body,
        has_extra=False,
        is_batchable=False,
        check_id=_check_id,
    )

    id: str
    table: str
    partition_key: str
    row_key: str
    columns: JsonObject

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "id": record.key.id}
