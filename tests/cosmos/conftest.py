"""A server for each test, and a client of the SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from azure.cosmos.aio import CosmosClient

from bifrost_store.emulator import CosmosEmulator
from bifrost_store.emulator.fixtures import cosmos_emulator, pytest_configure

__all__ = ["cosmos_emulator", "pytest_configure"]


@pytest.fixture
async def client(cosmos_emulator: CosmosEmulator, anyio_backend: str) -> AsyncIterator[CosmosClient]:
    """The SDK's async client."""
    async with CosmosClient(cosmos_emulator.endpoint, cosmos_emulator.key) as client:
        yield client
