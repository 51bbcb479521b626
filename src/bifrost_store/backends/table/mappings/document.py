"""Kinds that no older layout has: one row of Entities that holds the body as JSON."""

from __future__ import annotations

from typing_extensions import override

from bifrost_store.backends.table.account import Row
from bifrost_store.backends.table.columns import JSON, Content, Reading
from bifrost_store.backends.table.mappings.base import RowMapping
from bifrost_store.backends.table.mappings.stamps import read_expiry
from bifrost_store.core.json import dump_json
from bifrost_store.core.record import Key, Record
from bifrost_store.core.spec import MAX_COLUMN_UNITS, DocumentSpec

_BODY = "BsBody"


class DocumentMapping(RowMapping):
    """Serves any `DocumentSpec`, so that a new kind needs no code here."""

    table = "Entities"
    columns = ()

    def __init__(self, spec: DocumentSpec) -> None:
        # Of the class elsewhere; here one class serves every kind.
        self.spec = spec  # type: ignore[misc]
        self.prefix = f"bs-doc-{spec.kind}:"  # type: ignore[misc]

    @override
    def write_columns(self, record: Record) -> Row:
        text = dump_json({"body": record.body, "extra": record.extra})
        parts = range(0, len(text), MAX_COLUMN_UNITS)
        return {f"{_BODY}{number}": text[start : start + MAX_COLUMN_UNITS] for number, start in enumerate(parts)}

    @override
    def read_content(self, key: Key, row: Row, *, reading: Reading) -> Content:
        text = "".join(str(row[f"{_BODY}{number}"]) for number in range(len(row)) if f"{_BODY}{number}" in row)
        content = JSON.decode(text)
        if not isinstance(content["body"], dict) or not isinstance(content["extra"], dict):
            raise TypeError("no objects")
        return Content(content["body"], content["extra"], read_expiry(row))
