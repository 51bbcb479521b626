"""Database and containers: made where missing, compared with the layout, fixed on request alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosHttpResponseError, CosmosResourceNotFoundError

from bifrost_store.backends.cosmos.layout import CONTAINER_OF, CONTAINERS, ID_PREFIXES
from bifrost_store.backends.cosmos.policies import describe_indexing
from bifrost_store.backends.cosmos.provisioning import differences, fix, provision
from bifrost_store.backends.protocol import Difference
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents import SPECS
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.emulator.account.description import account
from bifrost_store.emulator.sql.policy import is_indexed

DATABASE = "bifrost"
STRONG = pytest.mark.cosmos_emulator(consistency="Strong", is_serverless=True)
pytestmark = [pytest.mark.anyio, STRONG]

Properties = dict[str, Any]


async def stored(client: CosmosClient) -> dict[str, Properties]:
    """Return every container's properties, those of the service too."""
    proxy = client.get_database_client(DATABASE)
    return {name: await proxy.get_container_client(name).read() for name in CONTAINERS}


async def change(client: CosmosClient, container: str, **changes: Any) -> None:
    """Change properties of a container, and nothing else; None removes one."""
    properties = (await stored(client))[container]
    body = {name: value for name, value in {**properties, **changes}.items() if value is not None}
    await client.client_connection.ReplaceContainer(f"dbs/{DATABASE}/colls/{container}", body)


async def remake(client: CosmosClient, container: str, **properties: Any) -> None:
    """Make a container anew, as somebody else would have."""
    proxy = client.get_database_client(DATABASE)
    await proxy.delete_container(container)
    await proxy.create_container(container, **{"partition_key": PartitionKey(CONTAINERS[container].partition_key), **properties})


def lines(found: list[Difference]) -> list[str]:
    return [str(difference) for difference in found]


async def test_what_is_missing_is_made(client: CosmosClient) -> None:
    """An empty account gets the database and every container as the layout has it; nothing differs then."""
    await provision(client, DATABASE)
    found = await stored(client)

    assert [] == await differences(client, DATABASE)
    for name, layout in CONTAINERS.items():
        assert layout.key_definition == found[name]["partitionKey"]
        assert layout.default_ttl == found[name].get("defaultTtl")
        assert layout.indexing_policy == found[name]["indexingPolicy"]


async def test_provisioning_again_changes_nothing(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """A second time only reads, so that an identity that may make no containers can do it."""
    await provision(client, DATABASE)
    before = await stored(client)
    cosmos_emulator.faults.add(status=403, sub_status=5300, operation="Create", times=None)
    await provision(client, DATABASE)

    assert before == await stored(client)


async def test_an_identity_that_may_make_nothing_is_refused(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """Where something is missing, the refusal of the service comes through."""
    cosmos_emulator.faults.add(status=403, sub_status=5300, operation="Create", times=None)
    with pytest.raises(CosmosHttpResponseError) as caught:
        await provision(client, DATABASE)

    assert 403 == caught.value.status_code


async def test_several_processes_provision_at_once(cosmos_emulator: CosmosEmulator) -> None:
    """Whoever comes second to a container goes on."""

    async def process() -> None:
        async with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
            await provision(client, DATABASE)

    await asyncio.gather(*(process() for _ in range(6)))
    async with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        assert [] == await differences(client, DATABASE)
    creations = [entry for entry in cosmos_emulator.log if entry.operation == "Create" and entry.status == 201]
    assert 1 + len(CONTAINERS) == len(creations)


async def test_one_missing_container_is_made_beside_the_others(client: CosmosClient) -> None:
    """What exists stays as it is, however it differs."""
    await provision(client, DATABASE)
    await change(client, "entities", defaultTtl=60)
    await client.get_database_client(DATABASE).delete_container("leases")
    with pytest.raises(CosmosResourceNotFoundError):
        await differences(client, DATABASE)
    await provision(client, DATABASE)

    assert ["entities: default TTL is 60, should be -1"] == lines(await differences(client, DATABASE))


@pytest.mark.parametrize(
    ("container", "changes", "line"),
    [
        ("entities", {"defaultTtl": 60}, "entities: default TTL is 60, should be -1"),
        ("executions", {"defaultTtl": None}, "executions: default TTL is off, should be 1209600"),
        ("leases", {"defaultTtl": -1}, "leases: default TTL is -1, should be off"),
        (
            "leases",
            {"indexingPolicy": {"includedPaths": [{"path": "/*"}]}},
            "leases: indexing policy should not include /*, should exclude /*",
        ),
        (
            "leases",
            {"indexingPolicy": {"indexingMode": "none", "automatic": False}},
            "leases: indexing policy has mode none, should have consistent",
        ),
        (
            "leases",
            {"indexingPolicy": {"includedPaths": [{"path": "/a/?"}], "excludedPaths": [{"path": "/*"}]}},
            "leases: indexing policy should not include /a/?",
        ),
        (
            "leases",
            {
                "indexingPolicy": {
                    "excludedPaths": [{"path": "/*"}],
                    "compositeIndexes": [[{"path": "/a"}, {"path": "/b", "order": "descending"}]],
                }
            },
            "leases: indexing policy should not have a composite index /a ascending + /b descending",
        ),
    ],
)
async def test_a_difference_is_told_and_mended(client: CosmosClient, container: str, changes: Properties, line: str) -> None:
    """TTL and indexing policy are put right by `fix`, which returns what it did, and then has nothing to do."""
    await provision(client, DATABASE)
    await change(client, container, **changes)
    found = await differences(client, DATABASE)

    assert ([line], [True], [False]) == (lines(found), [one.is_fixable for one in found], [one.is_warning for one in found])
    assert "bifrost-store init --fix" in found[0].remedy
    assert found == await fix(client, DATABASE)
    assert ([], []) == (await differences(client, DATABASE), await fix(client, DATABASE))


def test_a_policy_that_is_not_automatic() -> None:
    """A container that indexes nothing of its own accord is told."""
    needed = CONTAINERS["leases"].indexing_policy
    assert "is not automatic" == describe_indexing({**needed, "automatic": False}, needed)


async def test_a_policy_may_be_spelled_otherwise(client: CosmosClient) -> None:
    """Order, quotes, defaults left out, old kinds of indexes and the service's own exclusion make no difference."""
    await provision(client, DATABASE)
    policy = CONTAINERS["executions"].indexing_policy
    included: list[Properties] = [
        {"path": f'/"{entry["path"][1:-2]}"/?'} for entry in reversed(policy["includedPaths"]) if "meta" not in entry["path"]
    ]
    included.append({"path": '/"meta"/"expiresAt"/?', "indexes": [{"kind": "Range", "dataType": "String", "precision": -1}]})
    respelled = {"includedPaths": included, "excludedPaths": [{"path": "/_etag/?"}, {"path": "/"}]}
    await change(client, "executions", indexingPolicy=respelled)

    assert policy["includedPaths"] != (await stored(client))["executions"]["indexingPolicy"]["includedPaths"]
    assert [] == await differences(client, DATABASE)


async def test_mending_keeps_everything_else(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """Policies that the SDK's own method would drop survive, and so do documents, id and indexes of other kinds."""
    await provision(client, DATABASE)
    kept = {
        "conflictResolutionPolicy": {
            "mode": "LastWriterWins",
            "conflictResolutionPath": "/order",
            "conflictResolutionProcedure": "",
        },
        "computedProperties": [{"name": "lower", "query": "SELECT VALUE LOWER(c.name) FROM c"}],
        "ofTheFuture": {"a": [1]},
    }
    others = {"spatialIndexes": [{"path": "/place/*", "types": ["Point"]}], "ofTheFuture": [{"path": "/v"}]}
    policy = {"includedPaths": [{"path": "/*"}], "excludedPaths": [{"path": "/v/*"}], **others}
    await change(client, "entities", defaultTtl=5, indexingPolicy=policy, **kept)
    entities = client.get_database_client(DATABASE).get_container_client("entities")
    await entities.create_item({"id": "a", "scope": "GLOBAL", "ttl": -1})
    rid = (await stored(client))["entities"]["_rid"]

    assert 2 == len(await fix(client, DATABASE))
    mended = (await stored(client))["entities"]
    assert kept == {name: mended[name] for name in kept}
    assert {**CONTAINERS["entities"].indexing_policy, **others} == mended["indexingPolicy"]
    assert (-1, rid) == (mended["defaultTtl"], mended["_rid"])
    assert "a" == (await entities.read_item("a", "GLOBAL"))["id"]


@pytest.mark.parametrize(
    ("properties", "line"),
    [
        (
            {"partition_key": PartitionKey("/pk")},
            "partition key is /pk (Hash, version 2), should be /scope (Hash, version 2)",
        ),
        (
            {"partition_key": PartitionKey("/scope", version=1)},
            "partition key is /scope (Hash, version 1), should be /scope (Hash, version 2)",
        ),
        (
            {"partition_key": PartitionKey(["/scope", "/type"], kind="MultiHash")},
            "partition key is /scope, /type (MultiHash, version 2), should be /scope (Hash, version 2)",
        ),
        (
            {"unique_key_policy": {"uniqueKeys": [{"paths": ["/a", "/b"]}, {"paths": ["/c"]}]}},
            "has unique keys (/a + /b, /c), should have none",
        ),
    ],
)
async def test_what_cannot_be_mended_is_left_whole(client: CosmosClient, properties: Properties, line: str) -> None:
    """A container of another make stays as it is, also where it could be changed: it may be somebody's."""
    await provision(client, DATABASE)
    await remake(client, "executions", **properties)
    await change(client, "entities", defaultTtl=60)
    before = (await stored(client))["executions"]
    found = await differences(client, DATABASE)

    assert [f"executions: {line}", "entities: default TTL is 60, should be -1"] == lines(found)
    assert (False, False) == (found[0].is_fixable, found[0].is_warning)
    assert "BIFROST_STORE_COSMOS_DATABASE" in found[0].remedy
    assert ["entities: default TTL is 60, should be -1"] == lines(await fix(client, DATABASE))
    assert before == (await stored(client))["executions"]


async def test_mending_does_not_undo_a_change_made_meanwhile(client: CosmosClient, cosmos_emulator: CosmosEmulator) -> None:
    """A container that has changed since it was read is read again; after five times that is an error."""
    await provision(client, DATABASE)
    await change(client, "entities", defaultTtl=60)
    cosmos_emulator.faults.add(status=412, operation="Replace", kind="colls", times=2)
    assert 1 == len(await fix(client, DATABASE))

    await change(client, "entities", defaultTtl=60)
    cosmos_emulator.faults.add(status=412, operation="Replace", kind="colls", times=None)
    with pytest.raises(CosmosAccessConditionFailedError):
        await fix(client, DATABASE)


async def test_mending_twice_at_once_is_harmless(client: CosmosClient) -> None:
    """Each difference is mended by one of the two."""
    await provision(client, DATABASE)
    await change(client, "entities", defaultTtl=60)
    await change(client, "executions", defaultTtl=60)
    one, other = await asyncio.gather(fix(client, DATABASE), fix(client, DATABASE))

    assert 2 == len({*one, *other}) == len([*one, *other])
    assert [] == await differences(client, DATABASE)


@pytest.mark.parametrize(
    "level",
    [pytest.param(level, marks=pytest.mark.cosmos_emulator(consistency=level)) for level in ("Session", "BoundedStaleness")],
)
async def test_a_weaker_consistency_is_a_warning(client: CosmosClient, level: str) -> None:
    """The store works without Strong, and promises less; nothing here can mend that."""
    await provision(client, DATABASE)
    (found,) = await differences(client, DATABASE)

    assert str(found).startswith(f"account: default consistency is {level}, should be Strong")
    assert (False, True) == (found.is_fixable, found.is_warning)
    assert [] == await fix(client, DATABASE)


async def test_several_write_regions_are_a_warning(client: CosmosClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two, writes of one undo those of the other without an error."""

    def in_two_regions(endpoint: str, consistency: str) -> dict[str, Any]:
        locations = [{"name": name, "databaseAccountEndpoint": endpoint} for name in ("North", "South")]
        return {**account(endpoint, consistency), "writableLocations": locations, "enableMultipleWriteLocations": True}

    await provision(client, DATABASE)
    monkeypatch.setattr("bifrost_store.emulator.app.account", in_two_regions)
    (found,) = await differences(client, DATABASE)

    assert str(found).startswith("account: takes writes in several regions (North, South)")
    assert (False, True) == (found.is_fixable, found.is_warning)


@pytest.mark.parametrize("kind", SPECS)
def test_what_queries_name_is_indexed(kind: str) -> None:
    """Every field that a filter may name, and those of the envelope that queries use, have an index in their container."""
    container = CONTAINERS[CONTAINER_OF[SPECS[kind].feed]]
    paths = [(name,) for name in ("scope", "type", "sortKey", *SPECS[kind].queryable)]

    assert [] == [path for path in [*paths, ("meta", "expiresAt")] if not is_indexed(path, container.indexing_policy)]


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.kind)
def test_what_is_not_indexed_is_a_field_that_nothing_queries(spec: DocumentSpec) -> None:
    """A kind leaves fields of its own out of indexes, none of which its filters name, and the container does as it says."""
    names = [path.removesuffix("/*") for path in spec.unindexed]
    policy = CONTAINERS[CONTAINER_OF[spec.feed]].indexing_policy

    assert set(names) <= (spec.fields or set()) - spec.queryable
    assert [] == [name for name in names if is_indexed((name,), policy)]


def test_payloads_are_not_indexed() -> None:
    """What is only ever read costs nothing when it is written."""
    entities, executions = (CONTAINERS[name].indexing_policy for name in ("entities", "executions"))
    of_entities = [("formSchema", "fields"), ("meta", "digest"), ("meta", "extra", "x"), ("columns", "x"), ("value",), ("_etag",)]

    assert [] == [path for path in of_entities if is_indexed(path, entities)]
    assert [] == [path for path in [("inputData", "x"), ("errorMessage",), ("meta", "writeId")] if is_indexed(path, executions)]


def test_no_two_kinds_share_ids() -> None:
    """Records of two kinds with one id are two documents, in whatever scope."""
    prefixes = [ID_PREFIXES.get(kind, f"{kind}-") for kind in SPECS]

    assert len(prefixes) == len(set(prefixes))
    assert {"execution"} == {kind for kind in SPECS if ID_PREFIXES.get(kind) == ""}
    assert [] == [prefix for prefix in prefixes if prefix and prefix.index("-") != len(prefix) - 1]
    assert set(ID_PREFIXES) <= set(SPECS)
