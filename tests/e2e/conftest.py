"""Stores of every backend, one for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from tests.commands import Settings
from tests.signalr.conftest import stock

__all__ = ["empty_cosmos", "stock"]


@pytest.fixture
def empty_cosmos() -> Iterator[CosmosEmulator]:
    """A Cosmos DB account that is empty, as consistent as the library wants it."""
    with CosmosEmulator(options=Options(consistency="Strong")) as running:
        yield running


@pytest.fixture
def sqlite(tmp_path: Path) -> Settings:
    """A SQLite store of this test's own."""
    return {"BIFROST_STORE_SQLITE_PATH": str(tmp_path / "store.db")}


@pytest.fixture
def table(empty_azurite: Azurite) -> Settings:
    """A Table Storage account without a table."""
    return {"BIFROST_STORE_BACKEND": "table", "BIFROST_STORE_TABLE_CONNECTION_STRING": empty_azurite.connection_string}


@pytest.fixture
def cosmos(empty_cosmos: CosmosEmulator, tmp_path: Path) -> Settings:
    """A Cosmos DB store of this test's own, its payloads in a folder."""
    return {
        "BIFROST_STORE_BACKEND": "cosmos",
        "BIFROST_STORE_COSMOS_CONNECTION_STRING": empty_cosmos.connection_string,
        "BIFROST_STORE_BLOB_FOLDER": str(tmp_path / "payloads"),
    }
