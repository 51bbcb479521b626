"""The cases of `documented`, over constants and in queries over items."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.emulator.sql.aggregates import AGGREGATES
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.functions import FUNCTIONS
from tests.emulator.sql.documented import EXPRESSIONS, PARAMETERS, QUERIES, SHOP, UNDEFINED
from tests.emulator.sql.tables import run

CLOCKS = {name for name in FUNCTIONS if name.startswith("GETCURRENT")} | {"NOW", "AGO"}


@pytest.mark.parametrize(("page", "query", "wanted"), QUERIES)
def test_queries(page: str, query: str, wanted: Any) -> None:
    """A query has the rows that the page leads to expect."""
    if wanted is None:
        with pytest.raises(SqlError):
            run(query, SHOP, PARAMETERS)
    else:
        assert run(query, SHOP, PARAMETERS) == wanted, page


@pytest.mark.parametrize(("page", "expression", "wanted"), EXPRESSIONS)
def test_expressions(page: str, expression: str, wanted: Any) -> None:
    """An expression has the value that the page leads to expect, whether or not items are read."""
    rows = [] if isinstance(wanted, str) and wanted == UNDEFINED else [wanted]
    assert run(f"SELECT VALUE {expression}") == rows, page
    assert run(f"SELECT VALUE {expression} FROM c", [{"id": "1"}]) == rows


def test_every_function_has_a_case() -> None:
    """There are at least 150 cases, and one of each function and aggregate but those that tell the time."""
    assert len(QUERIES) + len(EXPRESSIONS) >= 150
    assert {*FUNCTIONS, *AGGREGATES} - {page for page, _, _ in [*QUERIES, *EXPRESSIONS]} == CLOCKS
