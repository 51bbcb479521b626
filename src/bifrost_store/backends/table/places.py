"""Where rows of today's layout lie."""

from __future__ import annotations

from dataclasses import dataclass

RELATIONSHIPS = "Relationships"
TABLES = ("AuditLog", "Config", "Entities", RELATIONSHIPS)
"""Tables of today's layout, which must be there. Rows carried whole may lie in any other."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a row lies."""

    table: str
    partition_key: str
    row_key: str


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Row keys ``lo <= RowKey < hi`` of a table, in one partition or, where that is None, in all."""

    partition_key: str | None
    lo: str
    hi: str


def end_of(prefix: str) -> str:
    """Return the first key after all that begin with *prefix*, which ends with ``:``."""
    return prefix[:-1] + ";"
