"""A local server that speaks Azure Cosmos DB for NoSQL, for development and tests. Imports nothing else of this package."""

from __future__ import annotations

from bifrost_store.emulator.control.faults import Fault, Faults
from bifrost_store.emulator.engine import Options
from bifrost_store.emulator.server import CosmosEmulator
from bifrost_store.emulator.store.database import DataFileError

__all__ = ["CosmosEmulator", "DataFileError", "Fault", "Faults", "Options"]
