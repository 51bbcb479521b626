"""The servers that all tests of a process share."""

from __future__ import annotations

from contextlib import AsyncExitStack

from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from bifrost_store.demo.azurite import Azurite, run_azurite


class SharedAzurite:
    """One Azurite for all, until it ends: then there is another."""

    def __init__(self) -> None:
        self._present: Azurite | None = None
        self._stack = AsyncExitStack()

    async def running(self) -> Azurite:
        """Return one that runs."""
        if self._present is None or self._present.has_ended:
            await self.aclose()
            self._present = await self._stack.enter_async_context(run_azurite())
        return self._present

    @property
    def loss(self) -> str | None:
        """What to say if the present one has ended, else None."""
        if self._present is None or not self._present.has_ended:
            return None
        return f"Azurite ended during this test, with exit code {self._present.process.returncode}; the next test gets another"

    async def aclose(self) -> None:
        """Stop the present one."""
        await self._stack.aclose()


def empty(azurite: Azurite) -> None:
    """Delete every table and every container of blobs."""
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        for table in list(tables.list_tables()):
            tables.delete_table(table.name)
    with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
        for container in list(blobs.list_containers()):
            blobs.delete_container(container.name)
