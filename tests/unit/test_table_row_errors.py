"""An error about a row of today's layout names table, keys and column, whoever finds it: the mapping or the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bifrost_store.backends.table.account import StoredRow
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.documents import DOCUMENT_TYPES, SPECS
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.testing.examples import ADDED_ONLY, EXAMPLES

MAPPINGS = Mappings(SPECS)
MODELS = {one.spec.kind: one for one in DOCUMENT_TYPES}
RECORDS = [record for record in (*EXAMPLES, *ADDED_ONLY) if record.key.kind in SPECS and not SPECS[record.key.kind].is_internal]
DAMAGES: list[Any] = ["\x00 no such thing", -7.5, "[[", b"\x00", None]


def damaged(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield *row* with one column of today's layout after the other made what nobody writes, or absent."""
    for column in [name for name in row if name not in ("PartitionKey", "RowKey") and not name.startswith("Bs")]:
        for damage in DAMAGES:
            rest = {name: value for name, value in row.items() if name != column}
            yield column, rest if damage is None else {**rest, column: damage}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.key.kind)
def test_what_cannot_be_read_is_named(record: Any) -> None:
    """Whatever is wrong with whichever column of whichever row of a record."""
    mapping = MAPPINGS.by_kind[record.key.kind]
    rows = mapping.encode(record)
    problems, found = [], 0
    for number, row in enumerate(rows):
        for column, other in damaged(row):
            stored = [StoredRow(one, 'W/"1"') for one in (*rows[:number], other, *rows[number + 1 :])]
            try:
                read = mapping.merge(record.key, stored)
                if read is not None:
                    MODELS[record.key.kind].from_record(read)
            except CorruptDocumentError as error:
                found += 1
                place = f"row {mapping.table}/{row['PartitionKey']}/{row['RowKey']}"
                if place not in str(error) or column not in str(error):
                    problems.append(f"{column} of {place}: {error}")

    assert [] == problems
