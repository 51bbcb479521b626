"""A row of today's tables that no kind claims: carried whole, never dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import JsonValue

from bifrost_store.core.columns import check_columns
from bifrost_store.core.record import Body, Record
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document
from bifrost_store.errors import InvalidKeyError, InvalidRequestError


def legacy_row_id(table: str, partition_key: str, row_key: str) -> str:
    """Return the id of a row: its table and keys joined by ``/``, which none of them can hold."""
    return f"{table}/{partition_key}/{row_key}"


def _check_id(text: str) -> None:
    if text.count("/") != 2 or not text.split("/", maxsplit=1)[0].isalnum():
        raise InvalidKeyError(f"legacy row id {text[:80]!r}: expected table/partition key/row key")


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
    columns: dict[str, JsonValue]

    @classmethod
    def identity(cls, record: Record) -> Body:
        return {"scope": record.key.scope, "id": record.key.id}
