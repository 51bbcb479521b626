"""Items, conditions, patches and batches."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

pytestmark = pytest.mark.anyio


async def test_create_read_replace_delete(container: ContainerProxy) -> None:
    """An item is made once, read as it was, replaced under a new etag, and gone when deleted."""
    made = await container.create_item({"id": "a", "pk": "k", "n": 1})
    assert await container.read_item("a", "k") == made
    with pytest.raises(CosmosResourceExistsError):
        await container.create_item({"id": "a", "pk": "k"})
    replaced = await container.replace_item("a", {"id": "a", "pk": "k", "n": 2})
    assert (replaced["n"], replaced["_rid"]) == (2, made["_rid"])
    assert replaced["_etag"] != made["_etag"]
    await container.delete_item("a", "k")
    with pytest.raises(CosmosResourceNotFoundError):
        await container.read_item("a", "k")
    with pytest.raises(CosmosResourceNotFoundError):
        await container.replace_item("a", {"id": "a", "pk": "k"})


async def test_equal_ids_under_two_keys(container: ContainerProxy) -> None:
    """Identity is partition key and id."""
    for pk in ("1", "2"):
        await container.create_item({"id": "a", "pk": pk, "mine": pk})
    assert [(await container.read_item("a", pk))["mine"] for pk in ("1", "2")] == ["1", "2"]


async def test_keys_of_every_type(container: ContainerProxy) -> None:
    """Text, number, boolean and null are keys, and differ from each other."""
    for pk in ("1", 1, True, None):
        await container.create_item({"id": "a", "pk": pk})
    for pk in ("1", 1, True, None):
        assert (await container.read_item("a", pk))["pk"] == pk


async def test_an_etag_that_is_old_fails(container: ContainerProxy) -> None:
    """If-Match decides replace, upsert and delete; a failed one changes nothing."""
    old = await container.create_item({"id": "a", "pk": "k", "n": 1})
    await container.replace_item("a", {"id": "a", "pk": "k", "n": 2})
    condition: dict[str, Any] = {"etag": old["_etag"], "match_condition": MatchConditions.IfNotModified}
    for write in (
        lambda: container.replace_item("a", {"id": "a", "pk": "k", "n": 3}, **condition),
        lambda: container.upsert_item({"id": "a", "pk": "k", "n": 3}, **condition),
        lambda: container.delete_item("a", "k", **condition),
    ):
        with pytest.raises(CosmosAccessConditionFailedError):
            await write()
    assert (await container.read_item("a", "k"))["n"] == 2


async def test_an_item_that_is_known_is_not_sent(container: ContainerProxy) -> None:
    """Reading with the present etag under If-None-Match gives nothing."""
    item = await container.create_item({"id": "a", "pk": "k"})
    assert await container.read_item("a", "k", etag=item["_etag"], match_condition=MatchConditions.IfModified) == {}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/x", "value": 1}], {"x": 1}),
        ([{"op": "add", "path": "/list/1", "value": 9}], {"list": [1, 9, 2, 3]}),
        ([{"op": "add", "path": "/list/-", "value": 9}], {"list": [1, 2, 3, 9]}),
        ([{"op": "set", "path": "/list/1", "value": 9}], {"list": [1, 9, 3]}),
        ([{"op": "set", "path": "/deep/er", "value": [1]}], {"deep": {"er": [1], "s": "t"}}),
        ([{"op": "replace", "path": "/n", "value": None}], {"n": None}),
        ([{"op": "remove", "path": "/deep/s"}], {"deep": {}}),
        ([{"op": "remove", "path": "/list/0"}], {"list": [2, 3]}),
        ([{"op": "incr", "path": "/n", "value": -2.5}], {"n": 2.5}),
        ([{"op": "incr", "path": "/new", "value": 3}], {"new": 3}),
        ([{"op": "move", "from": "/n", "path": "/deep/n"}], {"deep": {"s": "t", "n": 5}}),
        ([{"op": "set", "path": "/a~1b", "value": 1}], {"a/b": 1}),
        ([{"op": "incr", "path": "/n", "value": 1}, {"op": "incr", "path": "/n", "value": 1}], {"n": 7}),
    ],
)
async def test_patches(container: ContainerProxy, operations: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Every operation does what "Partial document update" says, in order."""
    await container.create_item({"id": "a", "pk": "k", "n": 5, "list": [1, 2, 3], "deep": {"s": "t"}})
    item = await container.patch_item("a", "k", operations)
    assert {name: item[name] for name in expected} == expected
    assert await container.read_item("a", "k") == item


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [{"op": "set", "path": "/x", "value": 1}] * 11,
        [{"op": "replace", "path": "/missing", "value": 1}],
        [{"op": "remove", "path": "/missing"}],
        [{"op": "add", "path": "/list/9", "value": 1}],
        [{"op": "add", "path": "/missing/x", "value": 1}],
        [{"op": "incr", "path": "/s", "value": 1}],
        [{"op": "move", "from": "/deep", "path": "/deep/er"}],
        [{"op": "set", "path": "/id", "value": "b"}],
        [{"op": "set", "path": "/pk", "value": "b"}],
        [{"op": "set", "path": "/_ts", "value": 1}],
        [{"op": "set", "path": "/n", "value": 2}, {"op": "remove", "path": "/missing"}],
        [{"op": "nothing", "path": "/n"}],
    ],
)
async def test_patches_that_fail(container: ContainerProxy, operations: list[dict[str, Any]]) -> None:
    """A patch that cannot be carried out is 400, and leaves the item as it was."""
    item = await container.create_item({"id": "a", "pk": "k", "n": 1, "s": "t", "list": [1], "deep": {}})
    with pytest.raises(CosmosHttpResponseError) as caught:
        await container.patch_item("a", "k", operations)
    assert caught.value.status_code == 400
    assert await container.read_item("a", "k") == item


async def test_a_patch_on_condition(container: ContainerProxy) -> None:
    """A condition that does not hold is 412."""
    await container.create_item({"id": "a", "pk": "k", "n": 1})
    operations = [{"op": "incr", "path": "/n", "value": 1}]
    with pytest.raises(CosmosAccessConditionFailedError):
        await container.patch_item("a", "k", operations, filter_predicate="FROM c WHERE c.n > 1")
    assert (await container.patch_item("a", "k", operations, filter_predicate="FROM c WHERE c.n = 1"))["n"] == 2


async def test_a_batch_is_all_or_nothing(container: ContainerProxy) -> None:
    """One failing operation undoes the ones before it, and the rest did not happen."""
    await container.create_item({"id": "taken", "pk": "k", "n": 1})
    operations = [
        ("create", ({"id": "new", "pk": "k"},)),
        ("replace", ("taken", {"id": "taken", "pk": "k", "n": 2})),
        ("create", ({"id": "taken", "pk": "k"},)),
        ("delete", ("taken",)),
    ]
    with pytest.raises(CosmosBatchOperationError) as caught:
        await container.execute_item_batch(operations, "k")
    assert (caught.value.error_index, caught.value.status_code) == (2, 409)
    assert [each["statusCode"] for each in caught.value.operation_responses] == [424, 424, 409, 424]
    assert [item["n"] async for item in container.query_items("SELECT * FROM c", partition_key="k")] == [1]


async def test_a_batch_that_succeeds(container: ContainerProxy) -> None:
    """Operations see the effects of the ones before, and answer in their order."""
    operations = [
        ("create", ({"id": "a", "pk": "k", "n": 1},)),
        ("patch", ("a", [{"op": "incr", "path": "/n", "value": 1}])),
        ("read", ("a",)),
        ("upsert", ({"id": "b", "pk": "k"},)),
        ("delete", ("a",)),
    ]
    results = await container.execute_item_batch(operations, "k")
    assert [each["statusCode"] for each in results] == [201, 200, 200, 201, 204]
    assert results[2]["resourceBody"]["n"] == 2


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_limits(container: ContainerProxy) -> None:
    """More than 2 MB is 413; an id of more than 1,023 bytes is 400."""
    for item, status in (({"id": "a", "pk": "k", "x": "x" * 2_100_000}, 413), ({"id": "a" * 1024, "pk": "k"}, 400)):
        with pytest.raises(CosmosHttpResponseError) as caught:
            await container.create_item(item)
        assert caught.value.status_code == status


async def test_the_feed_collapses_and_goes_on(container: ContainerProxy) -> None:
    """Each item once at its last write, nothing of deleted ones, and from a token only what came later."""
    for item_id in ("a", "b", "c", "a"):
        await container.upsert_item({"id": item_id, "pk": "k"})
    await container.delete_item("b", "k")
    found = [item["id"] async for item in container.query_items_change_feed(start_time="Beginning", partition_key="k")]
    assert found == ["c", "a"]
    token = container.client_connection.last_response_headers["etag"]
    await container.upsert_item({"id": "c", "pk": "k"})
    await container.upsert_item({"id": "x", "pk": "other"})
    assert [item["id"] async for item in container.query_items_change_feed(continuation=token, partition_key="k")] == ["c"]
