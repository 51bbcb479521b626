"""Run a query in one line, for tables of cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bifrost_store.emulator.sql.execute import execute
from bifrost_store.emulator.sql.parser import parse

NOW_SECONDS = 1_600_000_000.5
"""2020-09-13T12:26:40.5Z: what the clock says in these tests."""


def run(text: str, items: Iterable[Any] = (), parameters: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    """Return the rows of a query."""
    return list(execute(parse(text), items, parameters, now=lambda: NOW_SECONDS, **options))


def value(expression: str, item: Any = None, **parameters: Any) -> list[Any]:
    """Return the value of one expression as the rows it gives: none if it is undefined."""
    named = {f"@{name}": given for name, given in parameters.items()}
    return run(f"SELECT VALUE {expression} FROM c", [{} if item is None else item], named)
