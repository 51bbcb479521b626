"""The servers that the cases run on: the emulator always, another one if the environment names its endpoint and key.

``BIFROST_COSMOS_ENDPOINT`` and ``BIFROST_COSMOS_KEY`` name any account; ``BIFROST_COSMOS_NAME`` says what it is, so that known
differences are expected (`differences`). What needs the emulator's clock or faults is in the tests beside this folder.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.conformance.differences import DIFFERENCES

SERVERS = ["emulator", *([os.environ.get("BIFROST_COSMOS_NAME", "account")] if os.environ.get("BIFROST_COSMOS_ENDPOINT") else [])]


@pytest.fixture(params=SERVERS)
async def database(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[DatabaseProxy]:
    """A database of its own for each test."""
    case = request.node.originalname
    reason = DIFFERENCES.get(request.param, {}).get(case)
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=False))
    if request.param == "emulator":
        with CosmosEmulator() as emulator:
            async with CosmosClient(emulator.endpoint, emulator.key) as client:
                yield await client.create_database("d")
        return
    async with CosmosClient(os.environ["BIFROST_COSMOS_ENDPOINT"], os.environ["BIFROST_COSMOS_KEY"]) as client:
        name = f"bifrost-conformance-{uuid4().hex}"
        yield await client.create_database(name)
        await client.delete_database(name)


COMPOSITES = [
    [{"path": "/a", "order": "ascending"}, {"path": "/b", "order": "descending"}],
    [{"path": "/a", "order": "ascending"}, {"path": "/b", "order": "ascending"}],
]


@pytest.fixture
async def container(database: DatabaseProxy) -> ContainerProxy:
    """A container partitioned by ``/pk``, with composite indexes over ``a`` and ``b``."""
    policy: dict[str, Any] = {"includedPaths": [{"path": "/*"}], "excludedPaths": [], "compositeIndexes": COMPOSITES}
    return await database.create_container("c", PartitionKey("/pk"), indexing_policy=policy)
