"""The cases of `documented` and `documented_edges`, over constants and in queries over items."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.emulator.sql.aggregates import AGGREGATES
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.functions import FUNCTIONS
from tests.emulator.sql import documented_edges
from tests.emulator.sql.documented import EXPRESSIONS, PARAMETERS, QUERIES, SHOP, UNDEFINED
from tests.emulator.sql.tables import run

CLOCKS = {name for name in FUNCTIONS if name.startswith("GETCURRENT")}


@pytest.mark.parametrize(("page", "query", "wanted"), [*QUERIES, *documented_edges.QUERIES])
def test_queries(page: str, query: str, wanted: Any) -> None:
    """A query has the rows that the page leads to expect."""
    if wanted is None:
        with pytest.raises(SqlError):
            run(query, SHOP, PARAMETERS)
    else:
        assert run(query, SHOP, PARAMETERS) == wanted, page


@pytest.mark.parametrize(("page", "expression", "wanted"), [*EXPRESSIONS, *documented_edges.EXPRESSIONS])
def test_expressions(page: str, expression: str, wanted: Any) -> None:
    """An expression has the value that the page leads to expect, whether or not items are read."""
    rows = [] if isinstance(wanted, str) and wanted == UNDEFINED else [wanted]
    assert run(f"SELECT VALUE {expression}") == rows, page
    assert run(f"SELECT VALUE {expression} FROM c", [{"id": "1"}]) == rows


def test_every_function_has_a_case() -> None:
    """There are at least 150 cases, and one of each function and aggregate but those that only tell the time."""
    cases = [*QUERIES, *EXPRESSIONS, *documented_edges.EXPRESSIONS]
    assert len(cases) >= 150
    assert {*FUNCTIONS, *AGGREGATES} - {page for page, _, _ in cases} == CLOCKS
