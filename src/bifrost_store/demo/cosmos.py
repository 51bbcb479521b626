"""The project's own Cosmos DB server, in this process, for as long as it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from importlib import import_module
from typing import Final

EXTRAS: Final = "bifrost-store[cosmos,emulator]"


def missing_package() -> str | None:
    """Return the name of a package that Cosmos DB here would need and that is not installed; None if all are."""
    try:
        for sdk in ("aiohttp", "azure.cosmos"):
            import_module(sdk)
        import bifrost_store.emulator  # noqa: F401, PLC0415 - whether its libraries are there is the question
    except ImportError as error:
        return error.name or str(error)
    return None


@contextlib.asynccontextmanager
async def run_cosmos() -> AsyncGenerator[str, None]:
    """Serve an empty account from memory on a free port, as consistent as the library wants it; yield its connection string."""
    from bifrost_store.emulator import CosmosEmulator, Options  # noqa: PLC0415 - its libraries are an extra

    async with CosmosEmulator(options=Options(consistency="Strong")) as running:
        yield running.connection_string
