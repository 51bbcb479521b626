"""Hubs behind uvicorn, the stock client, and a client that says whatever a test wants."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.signalr.stock import StockClients, find_client, stock_clients


@pytest.fixture
async def stock(anyio_backend: str) -> AsyncIterator[StockClients]:
    """The stock client; its absence is a visible skip at home and a failure in CI."""
    if find_client() is None:
        reason = "@microsoft/signalr is not installed; run the tests through nox, which brings it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    async with stock_clients() as clients:
        yield clients
