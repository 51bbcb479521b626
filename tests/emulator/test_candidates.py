"""Which index a query reads in the emulator: the one that leaves the fewest items."""

from __future__ import annotations

import pytest

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Wire


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("(NOT IS_DEFINED(c.until) OR c.until > '2025') AND c.ended >= '2025-01-01T05' AND c.ended < '2025-01-01T06'", "ended"),
        ("c.until > '2025' AND c.ended >= '2025-01-01T05' AND c.ended < '2025-01-01T06'", "ended"),
        ("c.ended >= '2025' AND c.until IN ('a', 'b')", "until"),
        ("c.ended >= '2025' AND c.n > 4 AND c.n < 6", "n"),
    ],
)
def test_the_narrowest_range_is_read(wire: Wire, cosmos_emulator: CosmosEmulator, condition: str, read: str) -> None:
    """Of several ranges the index is made of the one whose ends are near each other, wherever it stands in the query."""
    wire.make_container()
    for number in range(320):
        wire.create({"id": f"{number}", "pk": "k", "n": number, "ended": f"2025-01-01T{number % 24:02}", "until": "never"})
    answer = wire.query(f"SELECT VALUE COUNT(1) FROM c WHERE {condition}", headers={"x-ms-documentdb-partitionkey": '["k"]'})
    engine = cosmos_emulator._running.engine
    made = cosmos_emulator.call(
        lambda: engine.database.execute("SELECT sql FROM sqlite_master WHERE name LIKE 'items_%_by_%'").fetchall()
    )

    assert answer.status == 200
    assert [[name for name in ("n", "ended", "until") if f'["{name}"]' in sql] for (sql,) in made] == [[read]]
