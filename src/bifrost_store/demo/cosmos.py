"""The project's own Cosmos DB server, in this process, for as long as it is needed."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncGenerator
from typing import Any, Final

EXTRAS: Final = "bifrost-store[cosmos,emulator]"
_NEEDED: Final = ("aiohttp", "azure.cosmos", "bifrost_store.emulator")


def missing_package() -> str | None:
    """Return the name of a package that Cosmos DB here would need and that is not installed; None if all are."""
    for module in _NEEDED:
        try:
            importlib.import_module(module)
        except ImportError as error:
            return error.name or module
    return None


@contextlib.asynccontextmanager
async def run_cosmos() -> AsyncGenerator[str, None]:
    """Serve an empty account from memory on a free port, as consistent as the library wants it; yield its connection string."""
    emulator: Any = importlib.import_module("bifrost_store.emulator")
    async with emulator.CosmosEmulator(options=emulator.Options(consistency="Strong")) as running:
        yield running.connection_string
