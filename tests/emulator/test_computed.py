"""Computed properties: in filters, selections, orders and groups, in one partition and over several."""

from __future__ import annotations

from typing import Any

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Wire

COMPUTED = [
    {"name": "lower", "query": "SELECT VALUE LOWER(c.name) FROM c"},
    {"name": "area", "query": "SELECT VALUE item.size.w * item.size.h FROM item"},
    {"name": "box", "query": "SELECT VALUE {'size': r.size, 'n': (SELECT VALUE COUNT(1) FROM t IN r.tags)} FROM r"},
]


@pytest.mark.cosmos_emulator(partitions=3)
def test_computed_properties_are_like_others(cosmos_emulator: CosmosEmulator) -> None:
    """A query uses them as if items had them; items themselves do not."""
    with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        container = client.create_database("d").create_container("c", PartitionKey("/pk"), computed_properties=COMPUTED)
        for number, name in enumerate(["Kite", "KITE", "Drum", "desk"]):
            item = {"id": f"{number}", "pk": f"p{number}", "name": name, "size": {"w": number, "h": 2}, "tags": ["x"] * number}
            container.create_item(item)

        def ask(query: str, key: str | None = None) -> list[Any]:
            scope: dict[str, Any] = {"enable_cross_partition_query": True} if key is None else {"partition_key": key}
            return list(container.query_items(query, **scope))

        assert sorted(ask("SELECT VALUE c.id FROM c WHERE c.lower = 'kite'")) == ["0", "1"]
        assert ask("SELECT c.lower, c.area FROM c WHERE c.id = '2'") == [{"lower": "drum", "area": 4}]
        assert ask("SELECT VALUE x.id FROM x WHERE x['area'] > 4") == ["3"]
        assert ask("SELECT VALUE c.lower FROM c ORDER BY c.lower") == ["desk", "drum", "kite", "kite"]
        assert ask("SELECT VALUE SUM(c.area) FROM c") == [12]
        assert ask("SELECT c.lower, COUNT(1) AS n FROM c GROUP BY c.lower", "p0") == [{"lower": "kite", "n": 1}]
        assert ask("SELECT VALUE c.box.n FROM c WHERE c.box.size.w = 3") == [3]
        assert ask("SELECT VALUE c.lower FROM c JOIN t IN c.tags WHERE c.id = '1'") == ["kite"]
        assert ask("SELECT VALUE EXISTS(SELECT 1 FROM c IN c.tags WHERE c.lower = 'x') FROM c WHERE c.id = '1'") == [False]
        assert "lower" not in ask("SELECT * FROM c WHERE c.lower = 'desk'")[0]
        assert ask("SELECT VALUE c.id FROM c WHERE c.upper = 'KITE'") == []


@pytest.mark.parametrize(
    "computed",
    [
        "x",
        [{"name": "a"}],
        [{"name": "id", "query": "SELECT VALUE c.x FROM c"}],
        [{"name": "a", "query": "SELECT c.x FROM c"}],
        [{"name": "a", "query": "SELECT VALUE c.x FROM c WHERE c.y = 1"}],
        [{"name": "a", "query": "SELECT VALUE 1"}],
        [{"name": "a", "query": "nonsense"}],
        [{"name": "a", "query": "SELECT VALUE c.x FROM c"}] * 2,
    ],
)
def test_what_is_no_computed_property(wire: Wire, computed: Any) -> None:
    """A container with a computed property that is none is refused."""
    wire.send("POST", "/dbs", {"id": "d"})
    body = {"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}, "computedProperties": computed}
    assert wire.send("POST", "/dbs/d/colls", body).status == 400
