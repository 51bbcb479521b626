"""Accounts of Cosmos DB, one for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bifrost_store.emulator import CosmosEmulator, Options
from tests.signalr.conftest import stock

__all__ = ["empty_cosmos", "stock"]


@pytest.fixture
def empty_cosmos() -> Iterator[CosmosEmulator]:
    """A Cosmos DB account that is empty, as consistent as the library wants it."""
    with CosmosEmulator(options=Options(consistency="Strong")) as running:
        yield running
