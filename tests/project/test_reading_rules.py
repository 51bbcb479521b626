"""The page on old rows has a line for every column that a row may lack, whatever it is read as."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bifrost_store.backends.table.columns import Column
from bifrost_store.backends.table.mappings import Mappings
from bifrost_store.documents import SPECS

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "reading-old-rows.md"
RULED = [
    (kind, column)
    for kind, mapping in Mappings(SPECS).by_kind.items()
    for column in mapping.columns
    if column.default is not None or column.old_default is not None or column.is_forgiven or column.repeats_key
]


@pytest.mark.parametrize(("kind", "column"), RULED, ids=[f"{kind} {column.name}" for kind, column in RULED])
def test_every_rule_is_written_down(kind: str, column: Column) -> None:
    """Kind and column stand in one line of the table, with the default where it is a plain one."""
    lines = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    found = [
        absent
        for kinds, columns, absent, *_ in (line for line in lines if len(line) == 4)
        if kind in re.split(", ", kinds.strip()) and f"`{column.name}`" in columns
    ]

    assert len(found) == 1
    plain = column.old_default if column.default is None else column.default
    if isinstance(plain, str) and plain:
        assert f"`{plain}`" in found[0]
    if isinstance(plain, bool):
        assert str(plain).lower() in found[0]
