"""Damages rows of today's layout, by a seed: columns dropped, emptied, of another type, mangled; rows doubled, moved or gone."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Row = dict[str, Any]
Tables = dict[str, list[Row]]

TYPE: Final = "@odata.type"
_KEYS: Final = ("PartitionKey", "RowKey")
_INDEX: Final = ("userexec:", "workflowexec:", "formexec:", "status:", "workflowform:")
_SHARE: Final = 0.5
"""Of rows that are damaged."""
_TEXTS: Final = (
    "garbage",
    "☃",
    " ",
    "yes",
    "true",
    "{",
    "{}",
    "[]",
    "[1]",
    "null",
    '"x"',
    "NaN",
    '{"a": NaN}',
    '{"cut": "\\ud83d"}',
    '{"fields": 5}',
    "2025-13-45T00:00:00",
    "2025-11-14",
    "2025-11-14T11:11:51.872212+02:00",
    "0",
    "-1",
    "7.0",
    "9" * 30,
    "x" * 3000,
    "GLOBAL",
    "PLATFORM",
    "Pending",
    "Running",
    "bool",
)
_TYPED: Final = (
    ("Edm.Int32", 0),
    ("Edm.Int32", 1),
    ("Edm.Int32", -2147483648),
    ("Edm.Int64", "7"),
    ("Edm.Int64", "5000000000"),
    ("Edm.Double", 1.5),
    ("Edm.Double", 12.0),
    ("Edm.Boolean", True),
    ("Edm.Boolean", False),
    ("Edm.Guid", str(uuid.UUID(int=5, version=4))),
    ("Edm.DateTime", "2025-11-14T00:00:00Z"),
    ("Edm.Binary", "AAE="),
)


def rows_in(folder: Path) -> Tables:
    """Return the rows of a data set in the platform's own form."""
    files = sorted((folder / "tables").glob("*.jsonl"))
    return {file.stem: [json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in files}


@dataclass
class Damage:
    """One damaged data set.

    Attributes:
        seed: Makes it.
        tables: Its rows.
        done: What was done, in words.
    """

    seed: int
    tables: Tables
    done: list[str] = field(default_factory=list)


def damaged(tables: Tables, seed: int, *, most: int | None = None) -> Damage:
    """Return the rows of *tables*, damaged; *most*: at most so many of each table are kept."""
    chance = random.Random(seed)
    damage = Damage(seed, {})
    for table, rows in tables.items():
        kept = rows if most is None or len(rows) <= most else _sample(rows, most, chance)
        by_key: dict[tuple[str, str], Row] = {}
        for row in kept:
            for one in _changed(table, dict(row), rows, chance, damage.done):
                by_key.setdefault((one["PartitionKey"], one["RowKey"]), one)
        damage.tables[table] = [by_key[key] for key in sorted(by_key)]
    return damage


def _sample(rows: list[Row], most: int, chance: random.Random) -> list[Row]:
    """Return some rows, and all memberships: each is two rows, and lists of members need `repair` where one is missing."""
    whole = [row for row in rows if row["RowKey"].startswith(("userperm:", "orgperm:"))]
    return whole + chance.sample([row for row in rows if row not in whole], most)


def _changed(table: str, row: Row, rows: list[Row], chance: random.Random, done: list[str]) -> list[Row]:
    name = f"{table}/{row['PartitionKey']}/{row['RowKey']}"
    if row["RowKey"].startswith(_INDEX):
        # Copies, which no reader of this library uses: any of them may be missing or wrong.
        return [] if chance.random() < 0.5 else [row]
    if chance.random() > _SHARE:
        return [row]
    if row["RowKey"].startswith("execution:") and chance.random() < 0.25:
        done.append(f"{name}: doubled")
        return [row, _twin(row, chance)]
    if chance.random() < 0.03:
        done.append(f"{name}: moved")
        return [{**row, "PartitionKey": chance.choice(rows)["PartitionKey"]}]
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        columns = [column for column in row if column not in _KEYS and not column.endswith(TYPE)]
        if columns:
            column = chance.choice(columns)
            how = chance.choice(list(_WAYS))
            done.append(f"{name}: {column} {how}")
            _WAYS[how](row, column, rows, chance)
    return [row]


def _drop(row: Row, column: str, rows: list[Row], chance: random.Random) -> None:
    row.pop(column)
    row.pop(column + TYPE, None)


def _empty(row: Row, column: str, rows: list[Row], chance: random.Random) -> None:
    _set(row, column, "")


def _retype(row: Row, column: str, rows: list[Row], chance: random.Random) -> None:
    edm_type, value = chance.choice(_TYPED)
    _set(row, column, value)
    row[column + TYPE] = edm_type


def _as_text(row: Row, column: str, rows: list[Row], chance: random.Random) -> None:
    value = row[column]
    _set(row, column, json.dumps(value) if isinstance(value, bool | int | float) else str(value))


def _mangle(row: Row, column: str, rows: list[Row], chance: random.Random) -> None:
    text = str(row[column])
    _set(row, column, chance.choice((*_TEXTS, text[: len(text) // 2], text + "☃", text.upper())))


def _swap(row: Row, column: str, rows: list[Row], chance: random.Random) -> None:
    other = chance.choice([one for one in rows if column in one])
    _drop(row, column, rows, chance)
    row[column] = other[column]
    if column + TYPE in other:
        row[column + TYPE] = other[column + TYPE]


def _set(row: Row, column: str, value: object) -> None:
    row.pop(column + TYPE, None)
    row[column] = value


_WAYS: Final[Mapping[str, Callable[[Row, str, list[Row], random.Random], None]]] = {
    "dropped": _drop,
    "emptied": _empty,
    "of another type": _retype,
    "as text": _as_text,
    "mangled": _mangle,
    "of another row": _swap,
}


def _twin(row: Row, chance: random.Random) -> Row:
    """Return another primary row of the same run, older or newer, as a retried creation leaves it."""
    match = re.fullmatch(r"execution:([0-9]{13})_(.+)", row["RowKey"])
    assert match is not None
    moved = int(match[1]) + chance.choice((-1, 1)) * chance.randrange(1, 4_000_000)
    twin = {**row, "RowKey": f"execution:{moved:013d}_{match[2]}"}
    if chance.random() < 0.7:
        twin["Status"] = chance.choice(("Running", "Pending", "Success", "", "Odd"))
    if chance.random() < 0.2:
        twin["WorkflowName"] = "other"
    return twin
