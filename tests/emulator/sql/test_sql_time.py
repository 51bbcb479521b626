"""A query that would never end is ended."""

from __future__ import annotations

import pytest

from bifrost_store.emulator.sql import execute as module
from bifrost_store.emulator.sql.errors import TimeLimitError
from bifrost_store.emulator.sql.execute import execute
from bifrost_store.emulator.sql.parser import parse

ITEM = {"id": "a", "list": list(range(100))}


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT VALUE COUNT(1) FROM c {' '.join(f'JOIN x{n} IN c.list' for n in range(8))}",
        f"SELECT VALUE x0 FROM c {' '.join(f'JOIN x{n} IN c.list' for n in range(8))} WHERE x0 = -1",
        "SELECT VALUE EXISTS(SELECT VALUE 1 FROM a IN c.list JOIN b IN c.list JOIN d IN c.list JOIN e IN c.list WHERE a < 0) FROM c",
    ],
)
def test_a_join_without_end(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Joins that multiply lists are given up when their time is over."""
    monkeypatch.setattr(module, "TIME_LIMIT_SECONDS", 0.05)
    with pytest.raises(TimeLimitError):
        list(execute(parse(text), [ITEM], {}))
