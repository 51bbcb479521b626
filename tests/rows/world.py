"""One damaged data set in a table account, and where it is carried to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from azure.data.tables import TableServiceClient

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.testing.repositories import Repositories, repositories_over
from bifrost_store.transfer.rows import load_rows
from tests import commands
from tests.commands import Settings
from tests.rows.damage import Damage
from tests.rows.questions import NOW, Answer, Question, answers, questions_about


@dataclass
class World:
    """What one seed is tried on.

    Attributes:
        damage: Its rows.
        settings: Of the table account, and of whatever else commands need.
        folder: For files.
    """

    damage: Damage
    settings: Settings
    folder: Path

    async def fill(self) -> None:
        """Put the rows into the account."""
        tables = self.folder / "raw" / "tables"
        tables.mkdir(parents=True)
        for name, rows in self.damage.tables.items():
            (tables / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        await load_rows(self.own, self.folder / "raw")
        async with self.opened() as store:
            await store.provision()

    @property
    def own(self) -> StoreSettings:
        return StoreSettings.from_environment(self.settings)

    @property
    def questions(self) -> dict[str, Question]:
        return questions_about(self.damage.tables)

    @asynccontextmanager
    async def opened(self, **changes: str) -> AsyncIterator[Store]:
        async with open_store(StoreSettings.from_environment(self.settings | changes), clock=lambda: NOW) as store:
            yield store

    async def ask(self, backend: str, **changes: str) -> dict[str, Answer]:
        """Put every question to one backend."""
        async with self.opened(**changes) as store:
            return await self.ask_of(store.backend.backend(backend))

    async def ask_of(self, backend: Backend) -> dict[str, Answer]:
        return await answers(self._repositories(backend), self.questions)

    def _repositories(self, backend: Backend) -> Repositories:
        return repositories_over(backend, FolderBlobStore(self.folder / "blobs"), lambda: NOW)

    async def unreadable(self) -> list[CorruptDocumentError]:
        """Return what a scan of the tables names."""
        async with self.opened() as store:
            return [error async for page in store.backend.scan() for error in page.unreadable]

    async def remove_unreadable(self) -> int:
        """Remove the rows that cannot be read with a storage tool, until there are none; return how many there were."""
        removed = 0
        with TableServiceClient.from_connection_string(self.settings["BIFROST_STORE_TABLE_CONNECTION_STRING"]) as service:
            while errors := await self.unreadable():
                for error in errors:
                    table, partition_key, row_key = str(error.key).split("/")
                    service.get_table_client(table).delete_entity(partition_key, row_key)
                removed += len(errors)
        return removed

    async def command(self, *arguments: str | Path, **changes: str) -> dict[str, Any]:
        """Give one command with ``--json``; demand one JSON object that agrees with the exit code, and no traceback."""
        given = (*arguments, "--json")
        finished = await anyio.to_thread.run_sync(lambda: commands.run(*given, settings=self.settings | changes))
        assert "Traceback" not in finished.stderr, finished.stderr
        (line,) = finished.stdout.splitlines()
        values: dict[str, Any] = json.loads(line)
        assert finished.returncode in (0, 1), finished.stderr
        assert values["ok"] is (finished.returncode == 0), line
        return values
