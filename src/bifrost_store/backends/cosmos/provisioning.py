"""Makes the database and its containers, says how they differ from the layout, and fixes that on request.

Everything raises the SDK's errors. An identity with a data-plane role may read what is here but make or change nothing of it
(403, "Use data plane role-based access control with Azure Cosmos DB for NoSQL", Microsoft); where nothing is missing, `provision`
only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosResourceExistsError, CosmosResourceNotFoundError

from bifrost_store.backends.cosmos.account import CosmosAccount
from bifrost_store.backends.cosmos.errors import understood, wrap_errors
from bifrost_store.backends.cosmos.layout import CONTAINERS, ContainerLayout
from bifrost_store.backends.cosmos.policies import describe_indexing, fixed_indexing
from bifrost_store.backends.protocol import Difference
from bifrost_store.core.tasks import for_each

_ATTEMPTS: Final = 5
_STRONG: Final = "Strong"
_SET_BY_SERVICE: Final = "_"
"""Before the names of properties that only the service sets."""
_FIX: Final = "run `bifrost-store init --fix`"
_ANEW: Final = (
    "it cannot be changed: name another database (BIFROST_STORE_COSMOS_DATABASE), or delete the container if nothing needs it, "
    "and run `bifrost-store init`"
)


async def provision(client: CosmosClient, database: str) -> None:
    """Make the database and its containers where missing, without throughput of their own. Changes nothing that exists.

    Harmless when several processes do it at once.

    Args:
        client: Entered.
        database: Its name.
    """
    proxy = client.get_database_client(database)
    try:
        await proxy.read()
    except CosmosResourceNotFoundError:
        with suppress(CosmosResourceExistsError):  # Another process was faster.
            await client.create_database(database)
    for layout in CONTAINERS.values():
        await _make(proxy, layout)


async def _make(database: DatabaseProxy, layout: ContainerLayout) -> None:
    try:
        await database.get_container_client(layout.name).read()
    except CosmosResourceNotFoundError:
        policy: Any = layout.indexing_policy
        with suppress(CosmosResourceExistsError):
            await database.create_container(
                layout.name, PartitionKey(layout.partition_key), indexing_policy=policy, default_ttl=layout.default_ttl
            )


@dataclass(frozen=True, slots=True)
class CosmosLayout:
    """The `Layout` of one database."""

    account: CosmosAccount

    async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
        with wrap_errors("differences"), understood():
            return await differences(await self.account.client(), self.account.database, missing_ok=missing_ok)

    async def fix(self) -> list[Difference]:
        with wrap_errors("fix"), understood():
            return await fix(await self.account.client(), self.account.database)


async def differences(client: CosmosClient, database: str, *, missing_ok: bool = False) -> list[Difference]:
    """Return how account and containers differ from what is needed: first what cannot be fixed here.

    Args:
        missing_ok: A missing database or container is no difference.

    Raises:
        CosmosResourceNotFoundError: The database or a container is missing, and *missing_ok* was not given.
    """
    proxy = client.get_database_client(database)

    async def compare(layout: ContainerLayout) -> list[Difference]:
        try:
            return _container_differences(layout, await proxy.get_container_client(layout.name).read())
        except CosmosResourceNotFoundError:
            if missing_ok:
                return []
            raise

    found = await _account_differences(client)
    for part in await for_each(compare, list(CONTAINERS.values())):
        found += part
    return sorted(found, key=lambda difference: difference.is_fixable)


async def fix(client: CosmosClient, database: str) -> list[Difference]:
    """Replace TTL and indexing policy of containers where they differ, and return what was fixed.

    All other properties stay as they are. So does the whole container if something about it cannot be fixed: it may be
    somebody else's, whose documents a TTL would delete.

    Raises:
        CosmosResourceNotFoundError: The database or a container is missing.
        CosmosAccessConditionFailedError: Others kept changing a container meanwhile.
    """
    fixed: list[Difference] = []
    for layout in CONTAINERS.values():
        fixed += await _fix(client, database, layout)
    return fixed


async def _fix(client: CosmosClient, database: str, layout: ContainerLayout) -> list[Difference]:
    container = client.get_database_client(database).get_container_client(layout.name)
    link = container.container_link
    for attempt in range(_ATTEMPTS):
        properties = await container.read()
        found = _container_differences(layout, properties)
        if not found or not all(difference.is_fixable for difference in found):
            return []
        # The proxy's own method would drop unique keys and whatever else it has no parameter for.
        body = _fixed_properties(layout, properties)
        condition = {"accessCondition": {"type": "IfMatch", "condition": properties["_etag"]}}
        try:
            await client.client_connection.ReplaceContainer(link, collection=body, options=condition)
        except CosmosAccessConditionFailedError:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        return found
    raise AssertionError("unreachable")


def _fixed_properties(layout: ContainerLayout, properties: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in properties.items() if not name.startswith(_SET_BY_SERVICE)}
    body["indexingPolicy"] = fixed_indexing(properties.get("indexingPolicy"), layout.indexing_policy)
    body.pop("defaultTtl", None)
    if layout.default_ttl is not None:
        body["defaultTtl"] = layout.default_ttl
    return body


async def _account_differences(client: CosmosClient) -> list[Difference]:
    account = await client.client_connection.GetDatabaseAccount()
    found = []
    level = (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel")
    if level is not None and str(level).lower() != _STRONG.lower():
        found.append(
            Difference(
                "account",
                f"default consistency is {level}, should be {_STRONG}; a process may not see at once what another wrote",
                "set it in the portal or by `az cosmosdb update --default-consistency-level Strong`",
                is_warning=True,
            )
        )
    regions = [str(location.get("name")) for location in account.WritableLocations]
    if len(regions) > 1:
        found.append(
            Difference(
                "account",
                f"takes writes in several regions ({', '.join(regions)}), should in one; later writes silently undo others",
                "turn off multi-region writes in the portal or by `az cosmosdb update --enable-multiple-write-locations false`",
                is_warning=True,
            )
        )
    return found


def _container_differences(layout: ContainerLayout, properties: Mapping[str, Any]) -> list[Difference]:
    """Return what differs about a container: if some of it cannot be fixed, that alone, as the rest does not matter then."""
    return _fixed_differences(layout, properties) or _fixable_differences(layout, properties)


def _fixed_differences(layout: ContainerLayout, properties: Mapping[str, Any]) -> list[Difference]:
    found = []
    needed = _describe_key(layout.key_definition)
    key = _describe_key(properties.get("partitionKey") or {})
    if key != needed:
        found.append(Difference(layout.name, f"partition key is {key}, should be {needed}", _ANEW))
    unique = _unique_keys(properties)
    if unique:
        found.append(Difference(layout.name, f"has unique keys ({', '.join(unique)}), should have none", _ANEW))
    return found


def _fixable_differences(layout: ContainerLayout, properties: Mapping[str, Any]) -> list[Difference]:
    found = []
    ttl = properties.get("defaultTtl")
    if ttl != layout.default_ttl:
        found.append(
            Difference(
                layout.name, f"default TTL is {_describe_ttl(ttl)}, should be {_describe_ttl(layout.default_ttl)}", _FIX, True
            )
        )
    problem = describe_indexing(properties.get("indexingPolicy"), layout.indexing_policy)
    if problem:
        found.append(Difference(layout.name, f"indexing policy {problem}", _FIX, is_fixable=True))
    return found


def _describe_key(definition: Mapping[str, Any]) -> str:
    """Return a key in words. Without a version it is 1 (what the service stores for containers of old clients)."""
    paths: Sequence[str] = definition.get("paths") or ()
    return f"{', '.join(paths)} ({definition.get('kind', 'Hash')}, version {definition.get('version', 1)})"


def _describe_ttl(ttl: object) -> str:
    return "off" if ttl is None else str(ttl)


def _unique_keys(properties: Mapping[str, Any]) -> list[str]:
    keys = (properties.get("uniqueKeyPolicy") or {}).get("uniqueKeys") or []
    return [" + ".join(key["paths"]) for key in keys]
