"""Which index a query reads in the emulator: the one that leaves the fewest items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Wire


def indexes(emulator: CosmosEmulator) -> list[tuple[str]]:
    """Return how each index that queries made is defined."""
    engine = emulator._running.engine
    statement = "SELECT sql FROM sqlite_master WHERE name LIKE 'items_%_by_%'"
    made: list[tuple[str]] = emulator.call(lambda: engine.database.execute(statement).fetchall())
    return made


def documents(wire: Wire, text: str, parameters: Sequence[dict[str, object]], headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what a query finds, page after page."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = wire.query(text, list(parameters), headers={**headers, **after})
        assert answer.status == 200
        found += answer.json["Documents"]
        if "x-ms-continuation" not in answer.headers:
            return found
        after["x-ms-continuation"] = answer.headers["x-ms-continuation"]


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
    made = indexes(cosmos_emulator)

    assert answer.status == 200
    assert [[name for name in ("n", "ended", "until") if f'"{name}"' in sql] for (sql,) in made] == [[read]]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("wanted", [("a", "b"), ("b", "none", "b"), ("none", "other"), (1, "a")])
def test_each_of_a_few_values_is_read_in_order(
    wire: Wire, cosmos_emulator: CosmosEmulator, direction: str, wanted: tuple[object, ...]
) -> None:
    """Items with one of several values come sorted by another property, page by page, from one index over both."""
    wire.make_container()
    values = ("a", "b", "c", "c", "c")
    for number in range(320):
        wire.create({"id": f"{number}", "pk": "k", "n": number * 7 % 40, "state": values[number % 5]})
    parameters: list[dict[str, Any]] = [{"name": f"@p{number}", "value": value} for number, value in enumerate(wanted)]
    names = ", ".join(parameter["name"] for parameter in parameters)
    text = f"SELECT c.id, c.n, c.state FROM c WHERE c.state IN ({names}) ORDER BY c.n {direction}"
    headers = {"x-ms-documentdb-partitionkey": '["k"]', "x-ms-max-item-count": "7"}
    found = documents(wire, text, parameters, headers)
    made = indexes(cosmos_emulator)

    expected = {number for number in range(320) if values[number % 5] in wanted}
    assert expected == {int(one["id"]) for one in found}
    assert len(expected) == len(found)
    assert sorted([one["n"] for one in found], reverse=direction == "DESC") == [one["n"] for one in found]
    assert len(made) == 1
    assert made[0][0].index('"state"') < made[0][0].index('"n"')


@pytest.mark.parametrize(
    ("condition", "expected", "read"),
    [
        ("c.until < '2025'", range(20), [["type", "until"]]),
        ("c.until > '2025'", range(20, 320), [["type", "until"], ["type"]]),
    ],
)
@pytest.mark.parametrize("key", ['["k"]', None])
def test_a_wide_range_is_not_sorted(
    wire: Wire, cosmos_emulator: CosmosEmulator, condition: str, expected: range, read: list[list[str]], key: str | None
) -> None:
    """What is in no order comes as it was added, page by page; where a range holds most items, all are read as far as a page goes."""
    wire.make_container()
    for number in range(320):
        wire.create({"id": f"{number}", "pk": "k", "type": "run", "until": "2020" if number < 20 else "never"})
    where = {"x-ms-documentdb-query-enablecrosspartition": "true"} if key is None else {"x-ms-documentdb-partitionkey": key}
    headers = {"x-ms-max-item-count": "70", **where}
    found = documents(wire, f"SELECT c.id FROM c WHERE c.type = 'run' AND {condition}", [], headers)
    made = indexes(cosmos_emulator)

    assert list(expected) == [int(one["id"]) for one in found]
    assert read == [[name for name in ("type", "until") if f'"{name}"' in sql] for (sql,) in made]


def test_a_wide_range_is_read_where_every_item_is(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """What is read to the end is read by its range, though that is wide, unless it holds most items."""
    wire.make_container()
    for number in range(620):
        wire.create({"id": f"{number}", "pk": "k", "type": "run", "until": "2020" if number < 300 else "never"})
    where = {"x-ms-documentdb-partitionkey": '["k"]'}
    for condition, expected, read in (
        ("c.until < '2025'", 300, [["type", "until"]]),
        ("c.until > '2025'", 320, [["type", "until"], ["type"]]),
    ):
        answer = wire.query(f"SELECT VALUE COUNT(c) FROM c WHERE c.type = 'run' AND {condition}", headers=where)
        made = indexes(cosmos_emulator)

        assert answer.json["Documents"] == [expected]
        assert read == [[name for name in ("type", "until") if f'"{name}"' in sql] for (sql,) in made]
